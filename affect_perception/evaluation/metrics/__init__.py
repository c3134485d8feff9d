"""Scores of predictions against labels: agreement, regression, calibration, onsets, tracking; intervals.

Not here: reading labels (`evaluation/labels/`) and presenting scores (`evaluation/report/`).
"""
