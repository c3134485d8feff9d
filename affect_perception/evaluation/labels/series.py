"""Labels of a recording in one form, whatever file they come from: a `Series` per annotator, person and quantity."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from affect_perception.types import LEVEL_BOUNDS

BOX = 'box'  # the quantity of face boxes
UNITS = ('time', 'stamp', 'frame', 'file')
_EDGE = 1e-6  # a frame whose time was printed and read again still lies in the segment that begins with it


@dataclass(frozen=True, eq=False)
class Series:
    """Values of one quantity, of one person by one annotator, that hold from `starts` to `ends` (N,), half open.

    `unit` of the positions: `time` is s since the first frame, `stamp` s as in faces.csv, `frame` the frame number from
    0, `file` an index into `files`, the names of images. `values` is (N,), a class index from 0 or a number, or (N, 4)
    boxes x, y, width, height in px. `gap` is the value between segments (NaN: not labelled). `where` is the place in
    the file, for messages.
    """

    person: str
    annotator: str
    quantity: str
    unit: str
    starts: np.ndarray
    ends: np.ndarray
    values: np.ndarray
    gap: float = math.nan
    files: tuple[str, ...] = ()
    where: str = ''
    segments: bool = False

    def at(self, position: np.ndarray) -> np.ndarray:
        """(F,) or (F, 4) values at positions (F,) in the unit of this series; NaN where nothing is labelled."""
        if self.unit == 'file':
            place = {name: i for i, name in enumerate(self.files)}
            position = np.array([place.get(name, -1) for name in position], float)
        found = np.full((len(position), *self.values.shape[1:]), self.gap)
        if not len(self.starts):
            return found
        index = np.searchsorted(self.starts, position + _EDGE, side='right') - 1
        inside = (index >= 0) & (position + _EDGE < self.ends[index])
        found[inside] = self.values[index[inside]]
        return found

    def share_within(self, low: float, high: float) -> float:
        """Share of the labels that overlap [low, high), in the unit of this series."""
        return float(np.mean((self.ends > low) & (self.starts < high))) if len(self.starts) else 0.0


@dataclass(frozen=True, eq=False)
class Labels:
    """All series of a recording, and `notes`: oddities found while reading, as sentences for the report."""

    series: tuple[Series, ...]
    notes: tuple[str, ...] = ()

    @property
    def annotators(self) -> tuple[str, ...]:
        """Names in order of appearance; the first is the reference."""
        return tuple(dict.fromkeys(s.annotator for s in self.series if s.quantity != BOX))

    @property
    def people(self) -> tuple[str, ...]:
        """Names of the labelled people in order of appearance."""
        return tuple(dict.fromkeys(s.person for s in self.series))

    @property
    def quantities(self) -> tuple[str, ...]:
        """Labelled quantities, boxes not included."""
        return tuple(dict.fromkeys(s.quantity for s in self.series if s.quantity != BOX))

    def get(self, annotator: str, person: str, quantity: str) -> Series | None:
        """The one series of this key, or None."""
        wanted = (annotator, person, quantity)
        return next((s for s in self.series if (s.annotator, s.person, s.quantity) == wanted), None)

    def box(self, person: str) -> Series | None:
        """The face boxes of a person, whichever annotator drew them, or None."""
        return next((s for s in self.series if s.quantity == BOX and s.person == person), None)


def series_from_segments(
    segments: Iterable[tuple[float, float, float]],
    notes: list[str],
    unlabelled: Iterable[tuple[float, float, float]] = (),
    *,
    where: str,
    quantity: str,
    person: str,
    annotator: str,
) -> Series:
    """Build a series of (start, end, value) in seconds; overlaps are cut short and added to `notes`.

    Between smile segments the level is neutral, as in Witzig et al. 2019, unless neutral is itself among the segments:
    then the gaps are unlabelled. A segment that overlaps the next one ends where that one begins. What lies in the
    intervals `unlabelled` (start, end, NaN) and in no segment is unlabelled, too; all gaps where such an interval is
    infinite.
    """
    ordered = sorted(segments)
    starts = np.array([s for s, _, _ in ordered], float)
    ends = np.array([e for _, e, _ in ordered], float)
    values = np.array([v for _, _, v in ordered], float)
    over = ends[:-1] > starts[1:] + _EDGE
    if over.any():
        first = starts[1:][over][0]
        notes.append(
            f'{where}: {int(over.sum())} segments overlap, the first at {first:.2f} s; each ends where the next begins'
        )
        ends[:-1] = np.minimum(ends[:-1], starts[1:])
    gap = 0.0 if quantity == 'smile' and not (values == 0).any() else math.nan
    unlabelled = list(unlabelled)
    if not all(math.isfinite(bound) for low, high, _ in unlabelled for bound in (low, high)):
        gap = math.nan
    if gap == 0.0:
        starts, ends, values = _with_unlabelled(starts, ends, values, unlabelled)
    return Series(person, annotator, quantity, 'time', starts, ends, values, gap, where=where, segments=True)


def _with_unlabelled(
    starts: np.ndarray, ends: np.ndarray, values: np.ndarray, unlabelled: list[tuple[float, float, float]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add a segment of NaN for each part of a gap between the segments (N,) that an interval covers."""
    if not unlabelled:
        return starts, ends, values
    gaps = list(zip([-np.inf, *ends], [*starts, np.inf], strict=True))
    parts = {(max(low, a), min(high, b)) for low, high, _ in unlabelled for a, b in gaps if max(low, a) < min(high, b)}
    merged: list[list[float]] = []
    for low, high in sorted(parts):
        if merged and low <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([low, high])
    more = np.array(merged).reshape(-1, 2)
    starts, ends = np.append(starts, more[:, 0]), np.append(ends, more[:, 1])
    values = np.append(values, np.full(len(more), np.nan))
    order = np.argsort(starts, kind='stable')
    return starts[order], ends[order], values[order]


def series_from_points(unit: str, points: Mapping[float, np.ndarray | float], **names: Any) -> Series:
    """Build a series of single frames, position -> value; each holds for one step around its position.

    `names` are the remaining fields of `Series`: person, annotator, quantity, and files, where.
    """
    position = np.array(sorted(points), float)
    values = np.array([points[p] for p in position.tolist()], float)
    if unit in ('frame', 'file'):
        return Series(unit=unit, starts=position, ends=position + 1, values=values, **names)
    step = float(np.median(np.diff(position))) if len(position) > 1 else 1 / 30
    starts = position - step / 2
    ends = np.minimum(position + step / 2, np.append(starts[1:], np.inf))
    return Series(unit=unit, starts=starts, ends=ends, values=values, **names)


def add_smile_levels(labels: Labels) -> Labels:
    """Add smile levels from intensities (bounds types.LEVEL_BOUNDS) for annotators who labelled no levels."""
    more = [
        replace(s, quantity='smile', values=_levels(s.values), gap=math.nan)
        for s in labels.series
        if s.quantity == 'smile_intensity' and labels.get(s.annotator, s.person, 'smile') is None
    ]
    return Labels(labels.series + tuple(more), labels.notes)


def _levels(intensity: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(intensity), np.nan, np.digitize(intensity, LEVEL_BOUNDS, right=True).astype(float))
