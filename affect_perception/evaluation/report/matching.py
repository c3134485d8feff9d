"""Match the labelled people of a recording to the faces of a run: by track ids, boxes or position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affect_perception.core.boxes import iou
from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.series import Labels, Series
from affect_perception.evaluation.metrics.mot import SAME_FACE_IOU
from affect_perception.evaluation.report.results import NO_FACE, EvaluationRun


@dataclass(frozen=True, eq=False)
class PersonMatch:
    """Per person the row of the face (or NO_FACE) in each frame (F,), the way people were matched, and oddities.

    `absent` are the labelled people without a face in any frame. They have no entry in `rows`, unless nobody has a
    face: then all people are in `rows`, with NO_FACE throughout.
    """

    rows: dict[str, np.ndarray]
    how: str
    notes: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def tracks(self, run: EvaluationRun) -> dict[str, list[int]]:
        """Track ids of each person, ascending."""
        return {p: sorted(set(run.track_id[r[r != NO_FACE]].tolist())) for p, r in self.rows.items()}


def parse_people(text: str) -> dict[str, tuple[int, ...]]:
    """Parse `anna=1,ben=2+5` to track ids by person; ConfigError for anything else."""
    people: dict[str, tuple[int, ...]] = {}
    for part in filter(None, (p.strip() for p in text.split(','))):
        person, _, ids = part.partition('=')
        if not person.strip() or not ids or not all(i.strip().isdecimal() for i in ids.split('+')):
            raise ConfigError(f'--people {text!r}: {part!r} is no PERSON=TRACK; write it as anna=1,ben=2+5')
        people[person.strip()] = tuple(int(i) for i in ids.split('+'))
    return people


def check_people(labels: Labels, people: dict[str, tuple[int, ...]]) -> None:
    """Check that each of `people` is labelled; ConfigError names the others."""
    unknown = [person for person in people if person not in labels.people]
    if unknown:
        raise ConfigError(f'--people names {", ".join(unknown)}; the labels are of {", ".join(labels.people)}')


def match_people(run: EvaluationRun, labels: Labels, people: dict[str, tuple[int, ...]]) -> PersonMatch:
    """Match by the explicit map `people` (person -> track ids), else by the boxes of the labels, else left to right.

    Without a face of any labelled person the match is empty, with a note: the tracker missed all of them. Raises
    ConfigError where `people` is given and names none of the tracks.
    """
    check_people(labels, people)
    boxes = [series for person in labels.people if (series := labels.box(person)) is not None]
    if people:
        matched = PersonMatch({p: run.rows_of_tracks(ids) for p, ids in people.items()}, 'as given by --people')
    elif len(boxes) == len(labels.people):
        matched = PersonMatch(_match_by_box(run, labels.people, boxes), 'by their boxes')
    elif not run.sequence:
        matched = PersonMatch(_largest_faces(run, labels), 'the largest face of each picture')
    else:
        matched = _match_left_to_right(run, labels)
    absent = tuple(p for p in labels.people if p not in matched.rows or (matched.rows[p] == NO_FACE).all())
    if len(absent) == len(labels.people):
        text = (
            f'no labelled person ({", ".join(labels.people)}) has a face in {run.name}; tracks there: '
            f'{", ".join(map(str, np.unique(run.track_id).tolist()[:20])) or "none"}'
        )
        if people:
            raise ConfigError(f'{text}; say who is who with --people')
        nobody = np.full(len(run.frame_numbers), NO_FACE)
        notes = (*matched.notes, f'{text}; all labels count as frames without a face')
        return PersonMatch(dict.fromkeys(labels.people, nobody), matched.how, notes, absent)
    notes = (*matched.notes, *(f'no face was matched to {person!r} of the labels' for person in absent))
    rows = {p: matched.rows[p] for p in labels.people if p not in absent}
    return PersonMatch(rows, matched.how, notes, absent)


def _match_by_box(run: EvaluationRun, people: tuple[str, ...], series: list[Series]) -> dict[str, np.ndarray]:
    """One-to-one in each frame by IoU, so that a person whose track id changes stays the same person."""
    from scipy.optimize import linear_sum_assignment  # slow to import: half a second that the first result waits for

    boxes = [_at_frames(run, one) for one in series]  # (F, 4) each
    rows = {person: np.full(len(run.frame_numbers), NO_FACE) for person in people}
    order = np.argsort(run.frame_of_row, kind='stable')
    bounds = np.searchsorted(run.frame_of_row[order], np.arange(len(run.frame_numbers) + 1))
    for frame in range(len(run.frame_numbers)):
        faces = order[bounds[frame] : bounds[frame + 1]]
        there = [i for i in range(len(people)) if np.isfinite(boxes[i][frame]).all()]
        if not len(faces) or not there:
            continue
        overlap = iou(_centred(np.stack([boxes[i][frame] for i in there])), _centred(run.boxes[faces]))
        for a, b in zip(*linear_sum_assignment(-overlap), strict=True):
            if overlap[a, b] >= SAME_FACE_IOU:
                rows[people[there[a]]][frame] = faces[b]
    return rows


def _centred(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) corner and size to centre and size, the form of `core.boxes`."""
    return np.hstack([boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]])


def _at_frames(run: EvaluationRun, series: Series) -> np.ndarray:
    return series.at(run.positions(series.unit))


def _largest_faces(run: EvaluationRun, labels: Labels) -> dict[str, np.ndarray]:
    """Single images of one person each: the person labelled there has the largest face."""
    rows = np.full(len(run.frame_numbers), NO_FACE)
    largest = np.argsort(run.boxes[:, 2] * run.boxes[:, 3], kind='stable')
    rows[run.frame_of_row[largest]] = largest  # the last one written stays
    found = {}
    for person in labels.people:
        labelled = [~np.isnan(_at_frames(run, s)) for s in labels.series if s.person == person]
        found[person] = np.where(np.any(labelled, axis=0), rows, NO_FACE)
    return found


def _match_left_to_right(run: EvaluationRun, labels: Labels) -> PersonMatch:
    """The first person named is the leftmost one. With more tracks than people the longest tracks count."""
    ids, counts = np.unique(run.track_id, return_counts=True)
    kept = ids[np.argsort(-counts, kind='stable')][: len(labels.people)]
    centre = {i: float(np.median((run.boxes[:, 0] + run.boxes[:, 2] / 2)[run.track_id == i])) for i in kept.tolist()}
    ordered = sorted(centre, key=lambda i: centre[i])
    notes = []
    if len(ids) > len(labels.people):
        notes.append(
            f'{len(ids)} tracks for {len(labels.people)} labelled people: those seen in most frames are taken; '
            '--people says otherwise'
        )
    rows = {p: run.rows_of_tracks([i]) for p, i in zip(labels.people, ordered, strict=False)}
    how = 'from left to right, in the order in which the labels name them' if len(labels.people) > 1 else 'the only one'
    return PersonMatch(rows, how, tuple(notes))
