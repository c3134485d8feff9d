"""Proposals: a small network that marks where dlib's CNN can find a face, so that dlib's CNN looks only there.

Belongs here: its canvas, network, weights. Not: dlib's network on the proposed windows (`detectors/dlib`), training.
"""
