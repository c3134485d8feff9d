"""Training pictures: face sets in memory, label smoothing, batches and augmentation.

Not here: generated faces and sequences (`training/synthetic/`).
"""
