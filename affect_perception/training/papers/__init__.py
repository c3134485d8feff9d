"""Training, scores, model cards and ablations of the papers' networks, on prepared data sets (docs/papers.md).

`train_paper.py` is the command, `settings.py` the training file, `stages.py` what a paper trains one after the other,
`clip_data.py` batches, `clip_sound.py` their sound, `task.py` the work of the loop, `scores.py` test scores and
baselines, `ablations.py` tables.
Not here: smile_va (`training/train.py`) and the loop itself (`training/loop.py`).
"""
