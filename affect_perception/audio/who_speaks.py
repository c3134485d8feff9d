"""Active speaker detection: movement of each mouth against the energy of the sound over the last second; a heuristic.

A face speaks if there is a voice, its mouth opens and closes faster than a smile grows, and does so with the sound. The
loudest mouth does not win by being alone: a face whose mouth is still does not speak, however much is heard.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from affect_perception.audio.mouth import mouth_darkness
from affect_perception.audio.sound_history import SoundHistory
from affect_perception.core.sound import AudioFeatures
from affect_perception.types import AffectFrame, TrackedFrame

_WINDOW_NS = 1_000_000_000
LATE_S = 0.5  # sound that ends longer before an image is missing for it
_HANGOVER_NS = 250_000_000  # a pause between two words
MOVEMENT = 0.018  # modulation of the darkness at which speaking is as likely as not
_SLOPE = 0.005
AGREEMENT = 0.25  # correlation of mouth and sound likewise
_AGREEMENT_SLOPE = 0.12
_FEWEST = 6  # images of a face in the window
_LAGS_S = (-0.04, 0.0, 0.04, 0.08)  # of the sound after the mouth
_LARGEST_LAG_NS = 200_000_000
_FORGET_S = 2.0

Series = deque[tuple[int, float]]  # (stamp in ns, darkness of the mouth)


class WhoSpeaks:
    """`put` gets the sound, `step` each image's tracks; -> speaking in [0, 1] per track id, NaN without sound.

    `crop_margin` is that of the tracker's crops. Stamps that go back start afresh.
    """

    def __init__(self, crop_margin: float) -> None:
        self._margin = crop_margin
        self.sound = SoundHistory()
        self._mouths: dict[int, Series] = {}
        self._last_ns = 0

    def put(self, features: AudioFeatures) -> None:
        """Add sound; BadInputError `audio` for features without energy and pitch."""
        self.sound.put(features)

    def step(self, tracked: TrackedFrame) -> dict[int, float]:
        """Speaking per track id of one image."""
        now = tracked.stamp_ns
        if now < self._last_ns:
            self._mouths.clear()
        self._last_ns = now
        for track in tracked.tracks:
            darkness = mouth_darkness(track.crop, self._margin)
            if math.isfinite(darkness):
                self._mouths.setdefault(track.track_id, deque()).append((now, darkness))
        self._forget(now)
        return self._speaking([track.track_id for track in tracked.tracks], now)

    def added(self, tracked: TrackedFrame, affect: AffectFrame) -> AffectFrame:
        """Copy of the results of an image with `speaking`."""
        speaking = self.step(tracked)
        faces = tuple(replace(face, speaking=speaking.get(face.track_id, math.nan)) for face in affect.faces)
        return replace(affect, faces=faces)

    def hears(self, stamp_ns: int) -> bool:
        """Whether sound reaches to at most `LATE_S` before an image."""
        return self.skew_s(stamp_ns) <= LATE_S  # false for NaN

    def skew_s(self, stamp_ns: int) -> float:
        """Time in s from the last sound before an image to the image; NaN without such sound."""
        before = int(np.searchsorted(self.sound.stamps, stamp_ns, 'right'))
        return (stamp_ns - int(self.sound.stamps[before - 1])) * 1e-9 if before else math.nan

    def _speaking(self, track_ids: list[int], now: int) -> dict[int, float]:
        if not self.hears(now):
            return dict.fromkeys(track_ids, math.nan)
        end = min(self.sound.newest_ns or now, now)
        if not self.sound.is_voice(self.sound.within(end - _HANGOVER_NS, end)).any():
            return dict.fromkeys(track_ids, 0.0)
        scores = {track_id: self._score(self._mouths.get(track_id), end) for track_id in self._mouths}
        return shared(scores, track_ids)

    def _score(self, mouth: Series | None, end: int) -> float:
        if not mouth:
            return 0.0
        points = np.array([(at - end, dark) for at, dark in mouth if -_WINDOW_NS < at - end <= 0], float)
        if len(points) < _FEWEST:
            return 0.0
        seconds = points[:, 0] * 1e-9
        moving = detrended(seconds, points[:, 1])
        movement = float(moving.std())
        likely = _sigmoid((movement - MOVEMENT) / _SLOPE)
        if likely < 0.05:
            return 0.0
        return likely * _sigmoid((self._agreement(seconds, moving, end) - AGREEMENT) / _AGREEMENT_SLOPE)

    def _agreement(self, seconds: np.ndarray, moving: np.ndarray, end: int) -> float:
        """Largest correlation of the moving mouth and the loudness around its images, over a few lags."""
        rows = self.sound.within(end - _WINDOW_NS - _LARGEST_LAG_NS, end)
        if rows.stop - rows.start < 10:
            return 0.0
        at = (self.sound.stamps[rows] - end) * 1e-9
        quiet = self.sound.noise_db
        loudness = np.clip(self.sound.energy[rows] - quiet, 0, None)
        loudness = np.convolve(loudness, np.full(5, 0.2), 'same')  # 50 ms
        best = 0.0
        for lag in _LAGS_S:
            heard = detrended(seconds, np.interp(seconds + lag, at, loudness))
            scale = float(moving.std() * heard.std())
            if scale > 1e-9:
                best = max(best, float(np.mean(moving * heard)) / scale)
        return best

    def _forget(self, now: int) -> None:
        for track_id, mouth in list(self._mouths.items()):
            while mouth and (now - mouth[0][0]) * 1e-9 > _FORGET_S:
                mouth.popleft()
            if not mouth:
                del self._mouths[track_id]


def shared(scores: Mapping[int, float], track_ids: list[int]) -> dict[int, float]:
    """Speaking of the wanted tracks: their scores, lowered by how much another face's is higher."""
    best = max(scores.values(), default=0.0)
    return {i: (s := scores.get(i, 0.0)) * (s / best if best > 0 else 0.0) for i in track_ids}


def detrended(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`y` less its best parabola in `x`: what is left moves faster than a smile grows."""
    columns = np.vander(x, 3)
    rest: np.ndarray = y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]
    return rest


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-min(max(x, -60.0), 60.0)))
