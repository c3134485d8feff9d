"""Small checkpoints with random weights, engines and frames of noise for tests of inference."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from affect_perception.inference.engine import AffectEngine
from affect_perception.models import MODELS, checkpoint
from affect_perception.models.face_cnn import FaceCnn
from affect_perception.models.layers import LEVEL_SLOPE, ordinal_levels, thresholds
from affect_perception.models.smile_va import SmileVa
from affect_perception.settings import AffectSettings
from affect_perception.types import Box, Track, TrackedFrame


class SmileOnly(NamedTuple):
    """Output of `FrameByFrame`: intensity (N,) and level probabilities (N, 4)."""

    intensity: Tensor
    levels: Tensor


class SmileScore(nn.Module):
    """One score from an embedding; intensity and levels follow."""

    def __init__(self, inputs: int):
        super().__init__()
        self.linear = nn.Linear(inputs, 1)
        nn.init.normal_(self.linear.weight, std=3.0)

    def forward(self, embedding: Tensor) -> SmileOnly:
        score = self.linear(embedding).squeeze(1)
        return SmileOnly(torch.sigmoid(score), ordinal_levels(LEVEL_SLOPE * (score[:, None] - thresholds())))


class FrameByFrame(FaceCnn):
    """Smallest network that the engine takes: no memory, no outputs beyond the smile."""

    def __init__(self, channels=(8, 12, 16, 20), blocks=(1, 1, 1, 1)):
        super().__init__(channels, blocks)
        self.head = SmileScore(self.embedding_size)

    def levels_of(self, intensity: Tensor) -> Tensor:
        return ordinal_levels(LEVEL_SLOPE * (torch.logit(intensity)[:, None] - thresholds()))


def frame_by_frame(folder: Path, patch) -> str:
    """Path of a checkpoint of `FrameByFrame`, which the monkeypatch `patch` adds to MODELS."""
    patch.setitem(MODELS, 'frame_by_frame', FrameByFrame)
    torch.manual_seed(3)
    path = folder / 'random.safetensors'
    checkpoint.save(path, FrameByFrame(), 'frame_by_frame', crop_size=96, crop_margin=0.15)
    return str(path)


def small_smile_va(folder: Path) -> str:
    """Path of a checkpoint of a small `smile_va` whose outputs differ from face to face."""
    torch.manual_seed(4)
    model = SmileVa(channels=(8, 12, 16, 20), blocks=(1, 1, 1, 1), hidden=16)
    torch.nn.init.normal_(model.head.linear.weight, std=3.0)
    path = folder / 'small.safetensors'
    checkpoint.save(path, model, 'smile_va', crop_size=96, crop_margin=0.15)
    return str(path)


def engine_of(weights: str, backend: str = 'auto', threads: int = 1, **settings) -> AffectEngine:
    """Engine on the CPU."""
    return AffectEngine(AffectSettings(model=weights, device='cpu', threads=threads, backend=backend, **settings))


def noise_frame(faces: int, stamp_ns: int = 0) -> TrackedFrame:
    """Frame with so many faces of noise, the same for the same stamp."""
    rng = np.random.default_rng(stamp_ns)
    crops = [rng.integers(0, 255, (96, 96, 3), np.uint8) for _ in range(faces)]
    tracks = tuple(Track(i, Box(0, 0, 9, 9), 1, 0, crop) for i, crop in enumerate(crops))
    return TrackedFrame(stamp_ns, '', 640, 480, tracks)
