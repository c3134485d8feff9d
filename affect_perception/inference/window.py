"""Frames that an output of a network is based on, and its delay: for diagnostics, logs and documents."""

from __future__ import annotations

from dataclasses import dataclass

from affect_perception.models.clip_model import ClipModel
from affect_perception.models.face_model import FaceModel, TemporalModel
from affect_perception.models.sequence_model import SequenceModel


@dataclass(frozen=True)
class Window:
    """Window of a network: `memory` as in TemporalModel, its frames and seconds (0: not limited), time between outputs.

    An output of a clip describes the whole window: `delay_s` is the age of the window's middle, plus, on average, half
    the time since it was read. All other networks describe the newest frame.
    """

    memory: str
    frames: int = 0
    seconds: float = 0.0
    every_s: float = 0.0

    @property
    def delay_s(self) -> float:
        """Time in s from the moment that an output describes to the frame whose stamp it carries."""
        return (self.seconds + self.every_s) / 2 if self.memory == 'clip' else 0.0

    @classmethod
    def of(cls, model: FaceModel, stride_s: float) -> Window:
        """Window of `model`, of a clip network with the setting `stride_s`."""
        if not isinstance(model, TemporalModel) or model.memory == 'frame':
            return cls('frame', 1)
        if not isinstance(model, SequenceModel) or model.memory == 'track':
            return cls('track')
        frames, seconds = model.inputs.frames, model.inputs.window_s
        if model.memory == 'frames':
            return cls('frames', frames)
        new = isinstance(model, ClipModel) and not model.selects  # the window changes once per slot
        return cls('clip', frames, seconds, max(stride_s, seconds / frames) if new else stride_s)

    def __str__(self) -> str:
        if self.memory == 'clip':
            every = f', read every {self.every_s:.2f} s' if self.every_s else ''
            return f'the last {self.seconds:g} s in {self.frames} frames{every}'
        return {'frame': 'the newest frame', 'track': 'all frames of the track'}.get(
            self.memory, f'the last {self.frames} frames'
        )
