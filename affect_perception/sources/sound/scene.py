"""Sound of the scripted scene: the voices of its people, and a room that is never quite silent."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from affect_perception.core.sound import SoundBlock
from affect_perception.settings import SourceSettings
from affect_perception.sources.scene.dialogue import speaking_script
from affect_perception.sources.scene.script import Script
from affect_perception.sources.scene.speech import RATE, voice

_BLOCK = 800  # samples: 50 ms
_ROOM = 10 ** (-60 / 20)  # RMS of the noise


class SceneSound:
    """Sound of a script from 0 ns on, 16 kHz mono; endless without `duration_s`. Equal arguments give equal samples."""

    name = 'scene'
    live = False
    exact = True

    def __init__(self, script: Script, duration_s: float | None = None, seed: int = 0) -> None:
        self._script, self._seed = script, seed
        self._blocks = None if duration_s is None else round(duration_s * RATE / _BLOCK)
        self._closed = False

    def __iter__(self) -> Iterator[SoundBlock]:
        for index in itertools.count() if self._blocks is None else range(self._blocks):
            if self._closed:
                return
            samples = self.samples(index * _BLOCK, (index + 1) * _BLOCK)
            yield SoundBlock(round(index * _BLOCK * 1e9 / RATE), samples[:, None], RATE)

    def samples(self, begin: int, end: int) -> np.ndarray:
        """Samples begin to end - 1, (N,) float32."""
        noise = np.random.default_rng((self._seed, 9, begin)).normal(0, _ROOM, end - begin)
        out = noise.astype(np.float32)
        period = round(self._script.period_s * RATE)
        for event in (event for person in self._script.people for event in person.speech):
            sound = voice(event)
            start = round(event.start_s * RATE)
            for lap in range(max(begin // period - 1, 0), end // period + 1):
                first = start + lap * period
                low, high = max(first, begin), min(first + len(sound), end)
                if low < high:
                    out[low - begin : high - begin] += sound[low - first : high - first]
        return np.clip(out, -1, 1)

    def close(self) -> None:
        """End the iteration after the current block."""
        self._closed = True


def scene_sound(settings: SourceSettings) -> SceneSound:
    """Sound of the scene of these settings."""
    return SceneSound(speaking_script(settings), seed=settings.scene_seed)
