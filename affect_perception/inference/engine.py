"""From tracked faces to affect: all faces of an image in one batch, as fast as the device allows.

engine = AffectEngine(AffectSettings(model='first'))
affect = engine.step(tracked)  # TrackedFrame -> AffectFrame; needs no ROS
"""

from __future__ import annotations

import logging
import math
import os

import numpy as np
import torch
from torch import Tensor

from affect_perception.errors import ConfigError
from affect_perception.models import checkpoint
from affect_perception.models.layers import SmileOutput
from affect_perception.settings import AffectSettings
from affect_perception.types import Affect, AffectFrame, Track, TrackedFrame

log = logging.getLogger(__name__)

FORGET_S = 10.0  # a track unseen for this long starts to count from one again
MAX_BATCH = 64  # faces; more are read in several batches, which bounds the memory and costs nothing
WARM_UP = (1, 2, 4, 8)  # batch sizes: the first run of each size is slow
UNKNOWN = (math.nan,) * 4


class AffectEngine:
    """Reads smiles with the checkpoint, device and threads of `settings`; ConfigError at once where one cannot be used.

    `step` may be called with frames of any order and any number of faces; it is not safe to call from two threads.
    """

    def __init__(self, settings: AffectSettings):
        self._device = chosen_device(settings.device)
        if self._device.type == 'cpu':
            torch.set_num_threads(settings.threads or default_threads())
        loaded = checkpoint.load(settings.model)
        self.header = loaded.header
        self._name = loaded.name
        self._crop_size = loaded.crop_size
        self._model = loaded.model.fold().to(self._device, memory_format=torch.channels_last)
        self._evidence = Evidence()
        for faces in WARM_UP:
            self._read([np.zeros((self._crop_size, self._crop_size, 3), np.uint8)] * faces)
        log.info('model %s on %s, %d CPU threads', self._name, self._device, torch.get_num_threads())

    @property
    def model_name(self) -> str:
        return self._name

    @property
    def device(self) -> str:
        """The device in use, such as `cpu` or `cuda:0`; never `auto`."""
        return str(self._device)

    @property
    def expression_labels(self) -> tuple[str, ...]:
        """Names of Affect.expression_probabilities; empty, for the first network has no such head."""
        return ()

    @property
    def reaction_labels(self) -> tuple[str, ...]:
        """Names of Affect.reaction_intensities; empty, for the first network has no such head."""
        return ()

    def step(self, tracked: TrackedFrame) -> AffectFrame:
        """What the network says of every face of `tracked`, in the same order, with the same stamp and frame_id.

        A face that the network cannot read (its output is no number) has NaN probabilities, so its level is UNKNOWN.
        """
        seen = self._evidence.count(tracked)
        levels, intensities = self._read([track.crop for track in tracked.tracks])
        faces = [
            affect_of(track, level, intensity, count)
            for track, level, intensity, count in zip(tracked.tracks, levels, intensities, seen, strict=True)
        ]
        return AffectFrame(
            stamp_ns=tracked.stamp_ns,
            frame_id=tracked.frame_id,
            model=self.model_name,
            faces=tuple(faces),
            expression_labels=self.expression_labels,
            reaction_labels=self.reaction_labels,
        )

    @torch.inference_mode()
    def _read(self, crops: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (N, 4) and intensities (N,) of N crops (S, S, 3) uint8 of any sides; NaN for empty ones."""
        levels, intensities = np.full((len(crops), 4), np.nan, np.float32), np.full(len(crops), np.nan, np.float32)
        filled = [index for index, crop in enumerate(crops) if crop.size]
        for start in range(0, len(filled), MAX_BATCH):
            batch = filled[start : start + MAX_BATCH]
            output = self._forward(self._input([crops[i] for i in batch]))
            levels[batch], intensities[batch] = output.levels.cpu().numpy(), output.intensity.cpu().numpy()
        return levels, intensities

    def _input(self, crops: list[np.ndarray]) -> Tensor:
        """One network input for all crops; crops of one shape are prepared together, in one go where all are alike."""
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, crop in enumerate(crops):
            by_shape.setdefault(crop.shape, []).append(index)
        parts = [
            self._model.preprocess(torch.from_numpy(np.stack([crops[i] for i in group])).to(self._device))
            for group in by_shape.values()
        ]
        if len(parts) == 1:
            return parts[0]
        order = torch.tensor([index for group in by_shape.values() for index in group], device=self._device)
        return torch.cat(parts)[order.argsort()]

    def _forward(self, x: Tensor) -> SmileOutput:
        return self._model(x.contiguous(memory_format=torch.channels_last))


class Evidence:
    """In how many frames each track was seen, this one included; time comes from the stamps."""

    def __init__(self):
        self._seen: dict[int, tuple[int, int]] = {}  # track -> (frames, stamp of the last one)
        self._last_ns = 0

    def count(self, tracked: TrackedFrame) -> list[int]:
        """Frames seen of each track of `tracked`. Stamps that go backwards (a bag that loops) start everything anew."""
        now = tracked.stamp_ns
        if now < self._last_ns:
            self._seen.clear()
        self._last_ns = now
        self._seen = {track: (n, at) for track, (n, at) in self._seen.items() if now - at <= FORGET_S * 1e9}
        for track in tracked.tracks:
            frames, _ = self._seen.get(track.track_id, (0, now))
            self._seen[track.track_id] = (frames + 1, now)
        return [self._seen[track.track_id][0] for track in tracked.tracks]


def affect_of(track: Track, levels: np.ndarray, intensity: float, evidence_frames: int) -> Affect:
    """The record of one face from probabilities (4,) and intensity; UNKNOWN unless all of them are numbers."""
    readable = np.isfinite(levels).all() and math.isfinite(intensity)
    return Affect(
        track_id=track.track_id,
        box=track.box,
        confidence=track.confidence,
        smile_probabilities=tuple(float(p) for p in levels) if readable else UNKNOWN,
        smile_intensity=float(intensity) if readable else math.nan,
        position=track.position,
        evidence_frames=evidence_frames,
    )


def chosen_device(wanted: str) -> torch.device:
    """The device that a setting means; ConfigError for an unknown or absent one, never another one in its place."""
    if wanted == 'auto':
        return torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(wanted)
    except RuntimeError:
        device = None
    if device is None or device.type not in ('cpu', 'cuda'):
        raise ConfigError(f'no device {wanted!r}; choose auto, cpu, cuda or cuda:N')
    if device.type == 'cuda':
        present = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= present:
            raise ConfigError(f'device {wanted!r} is absent ({present} CUDA devices are usable); choose cpu or auto')
    return device


def default_threads() -> int:
    """Threads for a network that shares its machine with a tracker: half of the cores that we may use, 1 to 4.

    PyTorch's threads wait for each other by spinning: with as many threads as cores, any other busy process makes a
    batch many times slower.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    return min(max(usable // 2, 1), 4)
