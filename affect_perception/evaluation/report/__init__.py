"""Tables, figures, `metrics.json` and `report.html` of an evaluation.

Not here: running the models (`evaluation/offline/`).
"""
