"""Writer of scores for TensorBoard, if the setting `tensorboard` is on; otherwise a no-op."""

from __future__ import annotations

from pathlib import Path

from affect_perception.errors import ConfigError
from affect_perception.training import distributed
from affect_perception.training.settings import TrainingSettings


class Board:
    """Score writer; `prefix` tells the two parts of training apart. ConfigError if TensorBoard is wanted and absent."""

    def __init__(self, settings: TrainingSettings, out: Path, prefix: str = '') -> None:
        self._writer, self._prefix = None, prefix
        if settings.tensorboard and distributed.first():
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise ConfigError(
                    'tensorboard: true needs TensorBoard; pip install tensorboard, or leave the setting out'
                ) from None
            self._writer = SummaryWriter(str(out / 'board'))

    def note(self, scores: dict[str, float], step: int) -> None:
        """Write `scores` at `step`; nothing without TensorBoard."""
        if self._writer is not None:
            for name, value in scores.items():
                self._writer.add_scalar(self._prefix + name, value, step)
            self._writer.flush()
