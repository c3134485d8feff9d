"""Comparison of the tracker's face crops with those that a network was trained on; one warning per difference."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from affect_perception.inference.stream import with_crops
from affect_perception.models.checkpoint import Checkpoint
from affect_perception.settings import TrackerSettings
from affect_perception.types import TrackedFrame

log = logging.getLogger(__name__)


class CropCheck:
    """Side and margin of the training crops of `checkpoint`, and what the tracker gave so far."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._name, self._margin = checkpoint.name, checkpoint.crop_margin
        self.size = checkpoint.crop_size  # px
        self._smallest = self.size  # px, of the crops so far

    def check(self, frames: Iterable[TrackedFrame]) -> None:
        """Warn, once per size, of crops smaller than those of the training: enlarged, they have fewer details."""
        sides = [min(track.crop.shape[:2]) for frame in frames for track in with_crops(frame)]
        if (smallest := min(sides, default=self._smallest)) < self._smallest:
            self._smallest = smallest
            log.warning(
                'Face crops of %d px are smaller than the %d px of model %s and are enlarged; set crop_size to %d in '
                'face_tracker_node', smallest, self.size, self._name, self.size,
            )  # fmt: skip

    def check_margin(self, tracker: TrackerSettings) -> None:
        """Warn if the crops of `tracker` show more or less around the face than those of the training."""
        if abs(tracker.crop_margin - self._margin) > 1e-3:
            log.warning(
                'Model %s was trained on crops with a margin of %g, the tracker gives %g; set crop_margin to %g',
                self._name, self._margin, tracker.crop_margin, self._margin,
            )  # fmt: skip

    def __str__(self) -> str:
        return str(self.size) if self._smallest == self.size else f'{self._smallest}, wanted {self.size}'
