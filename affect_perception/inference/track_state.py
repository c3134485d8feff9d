"""State per track between frames: number of frames, state of the recurrent layers, last reading, neutral baseline.

Time is the stamps of the frames. A stamp before the last one (a bag that loops) resets the state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from affect_perception.core.neutral_baseline import NeutralBaseline
from affect_perception.inference.audio_input import AudioBuffer
from affect_perception.types import TrackedFrame

MAX_ABSENCE_S = 10.0  # state of a track without a frame for longer is dropped
STRIDE_TOLERANCE_S = 1e-3  # of the time between two readings: stamps of cameras jitter


Rows = tuple[np.ndarray, ...]  # outputs of one face, in the order of SequenceOutput


class FrameCounter:
    """Number of frames in which each track appeared."""

    def __init__(self) -> None:
        self._counts: dict[int, tuple[int, int]] = {}  # track id -> (frames, stamp of the last one)
        self._last_ns = 0

    def update(self, tracked: TrackedFrame) -> list[int]:
        """Count a frame; returns the number of frames of each of its tracks, this one included."""
        now = tracked.stamp_ns
        if now < self._last_ns:
            self._counts.clear()
        self._last_ns = now
        self._counts = {track: (n, at) for track, (n, at) in self._counts.items() if now - at <= MAX_ABSENCE_S * 1e9}
        for track in tracked.tracks:
            frames, _ = self._counts.get(track.track_id, (0, now))
            self._counts[track.track_id] = (frames + 1, now)
        return [self._counts[track.track_id][0] for track in tracked.tracks]

    @property
    def track_ids(self) -> set[int]:
        """Tracks with a frame in the last `MAX_ABSENCE_S`."""
        return set(self._counts)


class RecurrentStates:
    """State of the recurrent layers per track.

    `initial` makes the states (n, ...) of n new tracks; `usual_gap_s` is the gap before a track's first frame.
    """

    def __init__(self, initial: Callable[[int], Tensor], usual_gap_s: float) -> None:
        self._initial = initial
        self._usual_gap_s = usual_gap_s
        self._states: dict[int, tuple[int, Tensor]] = {}  # track id -> (stamp, state)
        self._shared: set[int] = set()  # tracks whose state is a row of the last batch

    @property
    def megabytes(self) -> float:
        """Memory of all states in MB."""
        states = tuple(self._states.values())  # at once: another thread may ask
        return sum(state.numel() * state.element_size() for _, state in states) / 1e6

    def get(self, track_ids: Sequence[int], stamp_ns: int) -> tuple[Tensor, Tensor]:
        """Gaps (N,), seconds since each track's last frame, and states (N, ...); the initial state for new tracks."""
        if any(at > stamp_ns for at, _ in self._states.values()):
            self._states.clear()
        self._states = {t: state for t, state in self._states.items() if stamp_ns - state[0] <= MAX_ABSENCE_S * 1e9}
        initial = self._initial(1)
        states = [self._states.get(track, (None, initial[0])) for track in track_ids]
        gaps = [self._usual_gap_s if at is None else (stamp_ns - at) * 1e-9 for at, _ in states]
        return initial.new_tensor(gaps), torch.stack([state for _, state in states]) if states else initial[:0]

    def put(self, track_ids: Sequence[int], states: Tensor, stamp_ns: int) -> None:
        """Store new states (N, ...); a state with NaN or infinity is dropped, so that the track starts anew."""
        # A row keeps its whole batch in memory: rows of tracks that are not in this batch become tensors of their own.
        for track in self._shared.difference(track_ids):
            if track in self._states:
                at, state = self._states[track]
                self._states[track] = at, state.clone()
        self._shared = set(track_ids)
        finite = torch.isfinite(states).flatten(1).all(1).tolist()
        for row, track in enumerate(track_ids):
            if finite[row]:
                self._states[track] = (stamp_ns, states[row])
            else:
                self._states.pop(track, None)

    def __len__(self) -> int:
        return len(self._states)


class Readings:
    """Last reading of the window of each track, for clip networks, which are read every `stride_s`."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, Rows]] = {}  # track id -> (stamp, reading)

    def overdue(self, tracked: TrackedFrame, stride_s: float) -> list[tuple[bool, bool]]:
        """Whether each track with a crop has a reading, and whether it is `stride_s` old or absent.

        Forgets readings older than `MAX_ABSENCE_S`, and all when stamps go backwards.
        """
        now, oldest = tracked.stamp_ns, tracked.stamp_ns - (stride_s - STRIDE_TOLERANCE_S) * 1e9
        if any(at > now for at, _ in self._last.values()):
            self._last.clear()
        self._last = {t: read for t, read in self._last.items() if now - read[0] <= MAX_ABSENCE_S * 1e9}
        found = [self._last.get(track.track_id) for track in tracked.tracks if track.crop.size > 0]
        return [(read is not None, read is None or read[0] <= oldest) for read in found]

    def put(self, track_id: int, output: Rows, stamp_ns: int) -> None:
        """Store the reading of a track."""
        self._last[track_id] = stamp_ns, output

    def get(self, track_id: int) -> Rows:
        """Last reading of a track; KeyError without one."""
        return self._last[track_id][1]

    def __len__(self) -> int:
        return len(self._last)


class CameraState:
    """State of the tracks of one camera, whose track ids and stamps are its own.

    `recurrent` stays empty for networks without memory; `calibrate_next` starts the neutral baseline with the next
    frame. `audio` holds its sound, None for networks without audio.
    """

    def __init__(self, recurrent: RecurrentStates, baseline: NeutralBaseline, audio: AudioBuffer | None = None) -> None:
        self.frame_counter = FrameCounter()
        self.recurrent = recurrent
        self.readings = Readings()
        self.baseline = baseline
        self.audio = audio
        self.calibrate_next = False
        self.heard = False

    def sound(self, stamp_ns: int) -> np.ndarray | None:
        """Sound of an image, None where there is none; `heard` tells which it was."""
        sound = None if self.audio is None else self.audio.at(stamp_ns)
        self.heard = sound is not None
        return sound
