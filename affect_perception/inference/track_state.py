"""What is kept of each track between frames: how often it was seen, and the state of the recurrent layers.

Time comes from the stamps. Stamps that go backwards (a bag that loops) start everything anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from affect_perception.core.neutral_baseline import NeutralBaseline
from affect_perception.types import TrackedFrame

FORGET_S = 10.0  # a track unseen for this long starts from nothing again


class Evidence:
    """In how many frames each track was seen, this one included."""

    def __init__(self):
        self._seen: dict[int, tuple[int, int]] = {}  # track -> (frames, stamp of the last one)
        self._last_ns = 0

    def count(self, tracked: TrackedFrame) -> list[int]:
        """Frames seen of each track of `tracked`."""
        now = tracked.stamp_ns
        if now < self._last_ns:
            self._seen.clear()
        self._last_ns = now
        self._seen = {track: (n, at) for track, (n, at) in self._seen.items() if now - at <= FORGET_S * 1e9}
        for track in tracked.tracks:
            frames, _ = self._seen.get(track.track_id, (0, now))
            self._seen[track.track_id] = (frames + 1, now)
        return [self._seen[track.track_id][0] for track in tracked.tracks]

    @property
    def tracks(self) -> set[int]:
        """Those that are not forgotten."""
        return set(self._seen)


class TrackMemory:
    """One row of recurrent state per track. `initial(n)` makes (n, layers, hidden) of tracks never seen."""

    def __init__(self, initial: Callable[[int], Tensor], usual_gap_s: float):
        self._initial = initial
        self._usual_gap_s = usual_gap_s
        self._rows: dict[int, tuple[int, Tensor]] = {}  # track -> (stamp, state)

    def recall(self, tracks: Sequence[int], stamp_ns: int) -> tuple[Tensor, Tensor]:
        """Seconds since each track was read (N,), and its state (N, layers, hidden)."""
        if any(at > stamp_ns for at, _ in self._rows.values()):
            self._rows.clear()
        self._rows = {t: row for t, row in self._rows.items() if stamp_ns - row[0] <= FORGET_S * 1e9}
        nothing = self._initial(1)
        rows = [self._rows.get(track, (None, nothing[0])) for track in tracks]
        gaps = [self._usual_gap_s if at is None else (stamp_ns - at) * 1e-9 for at, _ in rows]
        return nothing.new_tensor(gaps), torch.stack([row for _, row in rows]) if rows else nothing[:0]

    def keep(self, tracks: Sequence[int], state: Tensor, stamp_ns: int) -> None:
        """The new states (N, layers, hidden); one that is no number is forgotten, so that it does not last."""
        good = torch.isfinite(state).flatten(1).all(1).tolist()
        for place, track in enumerate(tracks):
            if good[place]:
                self._rows[track] = (stamp_ns, state[place])
            else:
                self._rows.pop(track, None)

    def __len__(self) -> int:
        return len(self._rows)


class Camera:
    """What is kept of the people before one camera, whose track ids and stamps are its own."""

    def __init__(self, memory: TrackMemory | None, baseline: NeutralBaseline):
        self.evidence = Evidence()
        self.memory = memory
        self.baseline = baseline
        self.begin_baseline = False
