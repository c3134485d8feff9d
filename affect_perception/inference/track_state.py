"""State per track between frames: number of frames, state of the recurrent layers, neutral baseline.

Time is the stamps of the frames. A stamp before the last one (a bag that loops) resets the state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from affect_perception.core.neutral_baseline import NeutralBaseline
from affect_perception.types import TrackedFrame

MAX_ABSENCE_S = 10.0  # state of a track without a frame for longer is dropped


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
        finite = torch.isfinite(states).flatten(1).all(1).tolist()
        for row, track in enumerate(track_ids):
            if finite[row]:
                self._states[track] = (stamp_ns, states[row])
            else:
                self._states.pop(track, None)

    def __len__(self) -> int:
        return len(self._states)


class CameraState:
    """State of the tracks of one camera, whose track ids and stamps are its own.

    `recurrent` stays empty for networks without memory; `calibrate_next` starts the neutral baseline with the next
    frame.
    """

    def __init__(self, recurrent: RecurrentStates, baseline: NeutralBaseline) -> None:
        self.frame_counter = FrameCounter()
        self.recurrent = recurrent
        self.baseline = baseline
        self.calibrate_next = False
