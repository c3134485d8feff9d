"""The training loop of all networks: steps, scored epochs, early stopping, saved states, progress bar.

What is trained is a `Task`: `train.py` (smile_va's CNN), `temporal.py` (its recurrent layers) and
`papers/task.py` (the networks of the papers).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from torch import Tensor
from tqdm import tqdm

from affect_perception.training import distributed
from affect_perception.training.state import TrainingState
from affect_perception.training.tensorboard import Board


class Task(Protocol):
    """Training of one network on one set: what a step and an epoch are."""

    name: str  # before the scores in TensorBoard; empty for the only task of a run
    epochs: int
    per_epoch: int  # steps

    def step(self, state: TrainingState) -> Tensor:
        """Make one step, `state.step` included; returns the loss. A function of (seed, step) and the weights alone."""

    def scores(self, state: TrainingState, epoch: int) -> dict[str, float] | None:
        """Validation scores after `epoch` (from 1), `choice` being compared; None for an epoch that is not scored."""


def train(task: Task, state: TrainingState, state_file: Path, stop_after: int | None = None) -> TrainingState:
    """Train to the last epoch, or for `stop_after` steps; saves the state as it goes and shows the time left."""
    settings = state.settings
    began = time.monotonic() - state.seconds
    whole = task.epochs * task.per_epoch
    last = whole if stop_after is None else min(whole, state.step + stop_after)
    board = Board(settings, state_file.parent, f'{task.name} ' if task.name else '')
    silent = None if distributed.first() else True
    with tqdm(total=whole, initial=state.step, unit='step', mininterval=5.0, disable=silent) as bar:
        mean: Tensor | None = None
        while state.step < last and not state.out_of_patience():
            loss = task.step(state)
            mean = loss if mean is None else 0.98 * mean + 0.02 * loss
            bar.update()
            scores = None
            if state.step % task.per_epoch == 0:
                epoch = state.step // task.per_epoch
                scores = task.scores(state, epoch)
                if scores is not None:
                    chosen = ' (best so far)' if state.end_epoch(scores) else ''
                    values = '  '.join(f'{name} {value:.4f}' for name, value in scores.items())
                    if distributed.first():
                        bar.write(f'{task.name} epoch {epoch}: loss {float(mean):.3f}  {values}{chosen}'.lstrip())
                    board.note(scores | {'loss': float(mean)}, state.step)
            if state.step % settings.save_every == 0 or scores is not None:
                state.seconds = time.monotonic() - began
                if distributed.first():
                    state.save(state_file)
    return state
