"""Section of report.html with values, expressions and reactions over time and thumbnails, per person or per track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from affect_perception.evaluation.labels.quantities import RANGES
from affect_perception.evaluation.report.blocks import Figure, ReportRun, Section
from affect_perception.evaluation.report.figures import plots
from affect_perception.evaluation.report.ratings import MODEL
from affect_perception.evaluation.report.results import NO_FACE, REACTION
from affect_perception.evaluation.report.thumbnails import Thumbnail, Thumbnails

_PANELS = (('smile_intensity', 'smile'), ('valence', 'valence'), ('arousal', 'arousal'))
_MOST_LINES = 5  # of expressions or reactions
_MOST_PEOPLE = 40  # timelines on a page
_MOST_IMAGES = 60


def people_section(entries: Sequence[ReportRun], faces: Thumbnails | None) -> Section:
    """Build the section: per labelled person, else per track, smile, valence and arousal over time and thumbnails."""
    first = entries[0]
    rows = _rows(first)
    section = Section('Person by person', 'Values over time; breaks are frames without the face.')
    if not first.run.sequence:
        section.text = 'The input is single images without an order in time.'
        if faces is not None:
            shown = [t for _, tracks, _ in rows for t in _from_start(first, faces.of(tracks))]
            section.blocks.append(shown[:_MOST_IMAGES])
        return section
    for name, tracks, row in rows[:_MOST_PEOPLE]:
        figures = _figures(entries, name, tracks, row)
        section.blocks += figures
        if figures and faces is not None:
            section.blocks.append(_from_start(first, faces.of(tracks)))
    if len(rows) > _MOST_PEOPLE:
        section.text += f' Of {len(rows)} people the {_MOST_PEOPLE} with the most frames are shown.'
    return section


def _figures(entries: Sequence[ReportRun], name: str, tracks: list[int], row: np.ndarray) -> list[Figure]:
    """Timelines of a person: smile, valence and arousal of all runs, then expressions and reactions of the first."""
    first, panels, figures = entries[0], {}, []
    for quantity, title in _PANELS:
        lines = _lines(entries, name, row, quantity)
        if any(np.isfinite(v).any() for v in lines.values()):
            panels[title] = (RANGES[quantity], lines)
    if panels:
        labelled = first.analysis is not None
        shown_name = f'{name} (id {", ".join(map(str, tracks))})' if labelled else name
        caption = f'{shown_name}: in {float(np.mean(row != NO_FACE)):.0%} of the frames.'
        figures.append(Figure(plots.timeline(first.run.times, panels, labelled), caption))
    if named := _named_panels(first, row):
        caption = f'{name}: the labels that {first.name} names, at most {_MOST_LINES}, the strongest first.'
        figures.append(Figure(plots.timeline(first.run.times, named, False), caption))
    return figures


def _named_panels(entry: ReportRun, row: np.ndarray) -> dict[str, tuple[tuple[float, float], dict[str, np.ndarray]]]:
    """Panels of expressions and reactions with a line per label, at most _MOST_LINES, the highest mean first."""
    run, panels = entry.run, {}
    groups = {'expressions': run.expressions, 'reactions': tuple(f'{REACTION}{name}' for name in run.reactions)}
    for title, names in groups.items():
        lines = {name: run.values_of(row, name) for name in names}
        lines = {name: values for name, values in lines.items() if np.isfinite(values).any()}
        order = sorted(lines, key=lambda name: -float(np.nanmean(lines[name])))[:_MOST_LINES]
        if order:
            shown = {name.removeprefix(REACTION).replace('_', ' '): lines[name] for name in order}
            panels[title] = ((0.0, 1.0), shown)
    return panels


def _from_start(entry: ReportRun, faces: Sequence[Thumbnail]) -> list[Thumbnail]:
    """Thumbnails with the time since the first frame, as in the figures: live recordings are stamped by the clock."""
    return [replace(face, stamp_s=face.stamp_s - float(entry.run.stamps[0])) for face in faces]


def _rows(entry: ReportRun) -> list[tuple[str, list[int], np.ndarray]]:
    """(name, track ids, row of each frame) in the order of the labels; without labels the longest tracks first."""
    if entry.analysis is not None:
        tracks = entry.analysis.matched.tracks(entry.run)
        return [(p, tracks[p], row) for p, row in entry.analysis.matched.rows.items()]
    found = []
    ids, counts = np.unique(entry.run.track_id, return_counts=True)
    for track in ids[np.argsort(-counts, kind='stable')].tolist():
        found.append((f'id {track}', [track], entry.run.rows_of_tracks([track])))
    return found


def _lines(entries: Sequence[ReportRun], person: str, row: np.ndarray, quantity: str) -> dict[str, np.ndarray]:
    """(F,) values of a quantity by shown name: annotators first, then the runs with as many frames."""
    first = entries[0]
    if first.analysis is None:
        return {'predicted': first.run.values_of(row, quantity)}
    lines = {}
    ratings = first.analysis.values.get(quantity)
    if ratings is not None:
        place = first.analysis.people.index(person)
        lines = {r: each[place] for r, each in ratings.ratings.items() if r != MODEL}
    for entry in entries:
        theirs = entry.scored.matched.rows.get(person)
        if theirs is not None and len(entry.run.times) == len(first.run.times):
            lines[entry.name] = entry.run.values_of(theirs, quantity)
    if ratings is None:  # the first line is drawn as an annotator's
        return {'': np.full(len(row), np.nan), **lines}
    return lines
