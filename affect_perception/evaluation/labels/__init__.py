"""Human and generated labels of recordings, read from ELAN, CSV, Aff-Wild2 and scene files into one form.

Not here: comparing labels with predictions (`evaluation/metrics/`, `evaluation/report/`).
"""
