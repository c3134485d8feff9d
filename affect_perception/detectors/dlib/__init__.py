"""dlib's face detectors (CNN, HOG), landmarks and face embedding, and the reader of its weight files.

Belongs here: what reproduces dlib. Not: other detectors, which get a folder of their own beside this one.
"""
