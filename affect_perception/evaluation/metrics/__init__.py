"""Scores of predictions against labels: agreement, classification, regression, tracking; with confidence intervals.

Not here: reading labels (`evaluation/labels/`) and presenting scores (`evaluation/report/`).
"""
