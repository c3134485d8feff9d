"""Labels of recordings: ELAN, CSV and Aff-Wild2 files read into one form.

Not here: scores against them (`evaluation/metrics/`) and data sets for training (`training/data/`).
"""
