"""Training: the loop (`train.py`) and what it uses: data sets, augmentation, losses, state, scores."""
