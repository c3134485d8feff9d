"""Counts of a prepared data set per split, findings about absent classes, and the table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from affect_perception.datasets.records import KINDS, SPLITS, Finding
from affect_perception.datasets.units import Unit
from affect_perception.evaluation.labels.quantities import CLASSES

_COUNTS = ('frames', 'labelled', 'unlabelled', 'no_face', 'crops')


def merge_counts(units: Sequence[Unit], results: Mapping[str, dict]) -> dict[str, dict[str, Any]]:
    """Per split: clips, persons, frame counts, crops per class, and number, mean and std of the other quantities."""
    merged: dict[str, dict[str, Any]] = {}
    for split in SPLITS:
        mine = [u for u in units if u.name.startswith(f'{split}-')]
        done = [results[u.name] for u in mine if u.name in results]
        if not mine:
            continue
        clips = [clip for unit in mine for clip in unit.clips]
        names = {quantity: None for result in done for quantity in [*result['classes'], *result['numbers']]}
        merged[split] = {
            'clips': len(clips),
            'persons': len({clip.person for clip in clips if clip.person}),
            **{name: sum(result[name] for result in done) for name in _COUNTS},
            'classes': {
                q: {c: sum(r['classes'][q].get(c, 0) for r in done) for c in CLASSES[q]} for q in names if q in CLASSES
            },
            'numbers': {q: _moments([r['numbers'][q] for r in done]) for q in names if q not in CLASSES},
        }
    return merged


def _moments(sums: Sequence[Sequence[float]]) -> dict[str, float | int | None]:
    count, total, squares = (sum(s[i] for s in sums) for i in range(3))
    if not count:
        return {'crops': 0, 'mean': None, 'std': None}
    mean = total / count
    std = max(squares / count - mean**2, 0.0) ** 0.5
    return {'crops': int(count), 'mean': round(mean, 4), 'std': round(std, 4)}


def missing_classes(counts: Mapping[str, Mapping[str, Any]], expected: Mapping[str, Sequence[str]]) -> list[Finding]:
    """A finding per split and quantity with classes that have no crop, of those `expected`, else of any split."""
    found: list[Finding] = []
    for split, row in counts.items():
        for quantity, classes in row['classes'].items():
            anywhere = [n for n in classes if any(other['classes'][quantity][n] for other in counts.values())]
            wanted = expected.get(quantity, anywhere) if anywhere else []
            missing = [name for name in wanted if not classes[name]]
            if missing:
                text = f'{quantity} without samples in {split}: {", ".join(missing)}'
                found.append(Finding('empty_class', split, 0, text, len(missing)))
    return found


def format_table(report: Mapping[str, Any]) -> str:
    """Report of `prepare` as a table: splits, class balance in %, findings by kind."""
    head = ('split', 'clips', 'persons', *_COUNTS, 'no face %')
    rows = [head]
    for split, row in report['counts'].items():
        share = f'{100 * row["no_face"] / row["labelled"]:.1f}' if row['labelled'] else '–'
        rows.append((split, str(row['clips']), str(row['persons'] or '?'), *(str(row[n]) for n in _COUNTS), share))
    lines = _aligned(rows)
    for quantity in report['quantities']:
        lines += ['', *_aligned(_balance(quantity, report))]
    if report['findings']:
        lines += ['', 'findings (each with file and line in findings.csv)']
        lines += _aligned([(kind, str(count), KINDS[kind]) for kind, count in report['findings'].items()])
    return '\n'.join(lines)


def _balance(quantity: str, report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    counts = report['counts']
    if quantity not in CLASSES:
        rows: list[tuple[str, ...]] = [(quantity, 'crops', 'mean', 'std')]
        for split, row in counts.items():
            numbers = row['numbers'].get(quantity, {'crops': 0, 'mean': None, 'std': None})
            rows.append((split, *('–' if v is None else f'{v:g}' for v in numbers.values())))
        return rows
    used = [n for n in CLASSES[quantity] if any(r['classes'].get(quantity, {}).get(n, 0) for r in counts.values())]
    rows = [(quantity, *used)]
    for split, row in counts.items():
        numbers = row['classes'].get(quantity, {})
        total = max(sum(numbers.values()), 1)
        rows.append((split, *(f'{numbers.get(n, 0)} ({100 * numbers.get(n, 0) / total:.1f} %)' for n in used)))
    return rows


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows)))]
    return ['  '.join(c.ljust(w) for c, w in zip(row, widths, strict=False)).rstrip() for row in rows]
