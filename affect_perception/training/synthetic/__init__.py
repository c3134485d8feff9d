"""Generated training data: morphs, expression transfer, trajectories and sequences.

Not here: recorded pictures (`training/data/`).
"""
