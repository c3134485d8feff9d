"""Render report.html: the sections in their order; report.html.j2 holds the layout."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import jinja2

from affect_perception.errors import AffectPerceptionError
from affect_perception.evaluation.labels.quantities import SMILE_LEVELS
from affect_perception.evaluation.report import summary
from affect_perception.evaluation.report.blocks import ReportRun, Section, Table
from affect_perception.evaluation.report.figures.plots import legend_colours
from affect_perception.evaluation.report.people_section import people_section
from affect_perception.evaluation.report.smile_sections import smile_sections
from affect_perception.evaluation.report.thumbnails import Thumbnails
from affect_perception.evaluation.report.value_sections import expression_section, value_sections

_MOST_FILES = 10  # that were left out, in the notes


def write_page(
    path: Path, title: str, entries: Sequence[ReportRun], faces: Thumbnails | None, more: Sequence[Section] = ()
) -> None:
    """Write one self-contained page about one run, or several side by side; the sections `more` come first.

    Replaces the file at once. Raises AffectPerceptionError on a full disk.
    """
    first = entries[0]
    sections: list[Section] = list(more)
    if first.analysis is not None:
        sections += smile_sections(entries) + value_sections(entries) + expression_section(entries)
    if any('ids' in e.metrics for e in entries):
        sections.append(_id_section(entries))
    sections.append(people_section(entries, faces))
    context = {
        'title': title,
        'subtitle': ' against '.join(e.name for e in entries),
        'summary': [s for e in entries for s in _sentences(e, several=len(entries) > 1)],
        'notes': list(dict.fromkeys([*(n for e in entries for n in _left_out(e)), *_label_notes(entries)])),
        'labels': first.metrics.get('labels'),
        'sections': sections,
        'made': [(e.name, _made(e)) for e in entries],
        'levels': legend_colours(SMILE_LEVELS),
        'kind': lambda block: type(block).__name__,
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True
    )
    page = environment.get_template('report.html.j2').render(context)
    part = path.with_name(path.name + '.part')
    try:
        part.write_text(page, encoding='utf-8')
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise AffectPerceptionError(
            f'{path} cannot be written: {error.strerror}; the tables beside it are whole'
        ) from None


def _label_notes(entries: Sequence[ReportRun]) -> list[str]:
    return [note for entry in entries if entry.analysis for note in entry.analysis.notes]


def _left_out(entry: ReportRun) -> list[str]:
    """Notes about the given files that were not read, or not wholly; the first ten, and a count."""
    others = [row for row in entry.metrics.get('files', []) if row['status'] != 'read']
    notes = [f'{row["file"]}: {row["status"]} ({row["reason"]})' for row in others[:_MOST_FILES]]
    more = len(others) - len(notes)
    return [*notes, f'{more} more files were left out; files.csv lists them'] if more else notes


def _sentences(entry: ReportRun, several: bool) -> list[str]:
    found = [summary.summarize_recording(entry.run, entry.metrics)]
    if entry.analysis is None:
        found.append(summary.summarize_people(entry.run))
    else:
        if 'smile' in entry.analysis.classes:
            found += summary.summarize_smile(entry.analysis)
        found += summary.summarize_values(entry.analysis)
    found = [sentence for sentence in found if sentence]
    return [f'{entry.name}: ' + ' '.join(found)] if several else found


def _id_section(entries: Sequence[ReportRun]) -> Section:
    names = ['IDF1', 'MOTA', 'switches', 'misses', 'false_alarms']
    rows = [
        [e.name, *(_plain(e.metrics['ids'].get(n, e.metrics['ids'].get(n.lower()))) for n in names)]
        for e in entries
        if 'ids' in e.metrics
    ]
    text = 'Track ids against the labelled boxes, by py-motmetrics; a box is matched from an IoU of 0.5.'
    return Section('Ids', text, [Table(['', *(n.replace('_', ' ') for n in names)], rows)])


def _plain(value: float | None) -> str:
    return '–' if value is None else f'{value:g}'


def _made(entry: ReportRun) -> list[tuple[str, str]]:
    """(term, value) of all that is needed to repeat the run."""
    made = entry.metrics.get('made', {})
    found = [
        ('command', made.get('command') or 'unknown: called from Python'),
        ('input', str(entry.metrics.get('input', ''))),
    ]
    found.append(('model', f'{entry.metrics.get("model", "")}, sha256 {made.get("model_sha256") or "unknown"}'))
    if detector := entry.metrics.get('detector'):
        found.append(('detector', detector))
    found.append(('versions', ', '.join(f'{k} {v}' for k, v in made.get('versions', {}).items())))
    for node, values in made.get('settings', {}).items():
        found.append((f'settings of {node}', json.dumps(values, indent=1)))
    return found
