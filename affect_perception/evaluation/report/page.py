"""The page: what stands in report.html, in which order. How it looks stands in report.html.j2."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import jinja2
import numpy as np

from affect_perception.errors import AffectPerceptionError
from affect_perception.evaluation.labels.labels import RANGES, SMILE_LEVELS
from affect_perception.evaluation.report import figures
from affect_perception.evaluation.report import wording as words
from affect_perception.evaluation.report.analysis import MODEL
from affect_perception.evaluation.report.blocks import Entry, Figure, Section, Table
from affect_perception.evaluation.report.data import NOBODY
from affect_perception.evaluation.report.faces import Thumbnail, Thumbnails
from affect_perception.evaluation.report.score_tables import expression_section, smile_sections, value_sections

_PANELS = (('smile_intensity', 'smile'), ('valence', 'valence'), ('arousal', 'arousal'))
_MOST_PEOPLE = 40  # timelines on a page


def write_page(
    path: Path, title: str, entries: Sequence[Entry], faces: Thumbnails | None, more: Sequence[Section] = ()
) -> None:
    """One self-contained page about one run, or several side by side; `more` comes first.

    Raises AffectPerceptionError on a full disk.
    """
    first = entries[0]
    sections: list[Section] = list(more)
    if first.analysis is not None:
        sections += smile_sections(entries) + value_sections(entries) + expression_section(entries)
    if any('ids' in e.metrics for e in entries):
        sections.append(_ids(entries))
    sections.append(_people(entries, faces))
    context = {
        'title': title,
        'subtitle': ' against '.join(e.name for e in entries),
        'summary': [s for e in entries for s in _summary(e, several=len(entries) > 1)],
        'notes': list(dict.fromkeys(n for e in entries if e.analysis for n in e.analysis.notes)),
        'labels': first.metrics.get('labels'),
        'sections': sections,
        'made': [(e.name, _made(e)) for e in entries],
        'levels': figures.legend_colours(SMILE_LEVELS),
        'kind': lambda block: type(block).__name__,
    }
    here = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    page = here.get_template('report.html.j2').render(context)
    part = path.with_name(path.name + '.part')
    try:
        part.write_text(page, encoding='utf-8')
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise AffectPerceptionError(
            f'{path} cannot be written: {error.strerror}; the tables beside it are whole'
        ) from None


def _summary(entry: Entry, several: bool) -> list[str]:
    found = [words.of_recording(entry.run, entry.metrics)]
    if entry.analysis is None:
        found.append(words.of_people(entry.run))
    else:
        if 'smile' in entry.analysis.classes:
            found += words.of_smile(entry.analysis)
        found += words.of_numbers(entry.analysis)
    found = [sentence for sentence in found if sentence]
    return [f'{entry.name}: ' + ' '.join(found)] if several else found


def _ids(entries: Sequence[Entry]) -> Section:
    names = ['IDF1', 'MOTA', 'switches', 'misses', 'false_alarms']
    rows = [
        [e.name, *(_plain(e.metrics['ids'].get(n, e.metrics['ids'].get(n.lower()))) for n in names)]
        for e in entries
        if 'ids' in e.metrics
    ]
    text = 'Do people keep their ids? Against the labelled boxes, by py-motmetrics; a box counts from an IoU of 0.5.'
    return Section('Ids', text, [Table(['', *(n.replace('_', ' ') for n in names)], rows)])


def _plain(value) -> str:
    return '–' if value is None else f'{value:g}'


def _people(entries: Sequence[Entry], faces: Thumbnails | None) -> Section:
    """Per person, or per track where nobody was labelled: smile, valence and arousal over time, and faces at peaks."""
    first = entries[0]
    rows = _rows(first)
    section = Section('Person by person', 'What was said over time; breaks are frames without the face.')
    if not first.run.sequence:
        section.text = 'The pictures are of strangers to each other, so there is nothing to follow over time.'
        if faces is not None:
            section.blocks.append([t for _, tracks, _ in rows for t in _from_start(first, faces.of(tracks))][:60])
        return section
    for name, tracks, row in rows[:_MOST_PEOPLE]:
        panels = {}
        for quantity, title in _PANELS:
            lines = _lines(entries, name, row, quantity)
            if any(np.isfinite(v).any() for v in lines.values()):
                panels[title] = (RANGES[quantity], lines)
        if not panels:
            continue
        said = first.analysis is not None
        svg = figures.timeline(first.run.times, panels, said)
        share = float(np.mean(row != NOBODY))
        ids = 'id ' + ', '.join(map(str, tracks))
        section.blocks.append(
            Figure(
                svg,
                f'{name} ({ids}): in {share:.0%} of the frames.' if said else f'{name}: in {share:.0%} of the frames.',
            )
        )
        if faces is not None:
            section.blocks.append(_from_start(first, faces.of(tracks)))
    if len(rows) > _MOST_PEOPLE:
        section.text += f' Of {len(rows)} people the {_MOST_PEOPLE} seen longest are shown.'
    return section


def _from_start(entry: Entry, faces: Sequence[Thumbnail]) -> list[Thumbnail]:
    """With times as the figures have them: live recordings are stamped with the time of day."""
    return [replace(face, stamp_s=face.stamp_s - float(entry.run.stamps[0])) for face in faces]


def _rows(entry: Entry) -> list[tuple[str, list[int], np.ndarray]]:
    """(name, tracks, row of each frame), those seen longest first where there are no labels to give an order."""
    if entry.analysis is not None:
        tracks = entry.analysis.matched.tracks(entry.run)
        return [(p, tracks[p], row) for p, row in entry.analysis.matched.rows.items()]
    found = []
    ids, counts = np.unique(entry.run.track_id, return_counts=True)
    for track in ids[np.argsort(-counts, kind='stable')].tolist():
        row = np.full(len(entry.run.numbers), NOBODY)
        mine = np.flatnonzero(entry.run.track_id == track)
        row[entry.run.row_frame[mine]] = mine
        found.append((f'id {track}', [track], row))
    return found


def _lines(entries: Sequence[Entry], person: str, row: np.ndarray, quantity: str) -> dict[str, np.ndarray]:
    first = entries[0]
    if first.analysis is None:
        return {'said': first.run.of(row, quantity)}
    lines = {}
    numbers = first.analysis.numbers.get(quantity)
    if numbers is not None:
        lines = {r: each[first.analysis.people.index(person)] for r, each in numbers.said.items() if r != MODEL}
    for entry in entries:
        theirs = entry.analysis.matched.rows.get(person)
        if theirs is not None and len(entry.run.times) == len(first.run.times):
            lines[entry.name] = entry.run.of(theirs, quantity)
    if numbers is None:  # the first line is drawn as an annotator's
        return {'': np.full(len(row), np.nan), **lines}
    return lines


def _made(entry: Entry) -> list[tuple[str, str]]:
    made = entry.metrics.get('made', {})
    found = [
        ('command', made.get('command') or 'not known: called from Python'),
        ('input', str(entry.metrics.get('input', ''))),
    ]
    found.append(('model', f'{entry.metrics.get("model", "")}, sha256 {made.get("model_sha256") or "not known"}'))
    found.append(('versions', ', '.join(f'{k} {v}' for k, v in made.get('versions', {}).items())))
    for node, values in made.get('settings', {}).items():
        found.append((f'settings of {node}', json.dumps(values, indent=1)))
    return found
