"""Validation and test scores of networks in training, and their calibration.

Not here: metric formulas (`evaluation/metrics/`).
"""
