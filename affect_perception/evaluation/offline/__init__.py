"""Offline runs without ROS: recordings in, `faces.csv` and reports out; batches and comparisons of runs.

Not here: scores (`evaluation/metrics/`) and presentation (`evaluation/report/`).
"""
