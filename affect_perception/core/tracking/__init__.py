"""Face tracking: frames and detections in, tracks with stable ids out; `tracker.py` is the entry.

Not here: face detection itself (`detectors/`) and affect (`inference/`).
"""
