"""Sections of report.html about continuous quantities and expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from affect_perception.evaluation.labels.quantities import RANGES
from affect_perception.evaluation.metrics import agreement
from affect_perception.evaluation.report.blocks import Figure, ReportRun, Section, Table
from affect_perception.evaluation.report.figures import plots
from affect_perception.evaluation.report.ratings import MODEL
from affect_perception.evaluation.report.score_rows import EXPRESSION_TITLES, compared_raters, raters_of
from affect_perception.evaluation.report.summary import number


def value_sections(entries: Sequence[ReportRun]) -> list[Section]:
    """Build the section on valence, arousal and other continuous quantities; [] where none is labelled."""
    first = entries[0].scored
    names = [q for q in first.values if first.metrics[q][MODEL]['frames']]
    if not names:
        return []
    section = Section(
        'Continuous quantities: valence, arousal, intensity',
        'CCC, the concordance correlation coefficient, is 1 only for equal values; Pearson’s r ignores scale '
        'and offset. RMSE is in the units of the quantity.',
    )
    rows = []
    for quantity in names:
        raters: dict[str, Mapping] = {r: first.metrics[quantity][r] for r in _annotators(entries[0], quantity)}
        raters |= {e.name: e.scored.metrics[quantity][MODEL] for e in entries if quantity in e.scored.values}
        title = quantity.replace('_', ' ')
        for rater, found in raters.items():
            rows.append([title, rater, *(number(found[m]) for m in ('ccc', 'pearson', 'rmse')), f'{found["frames"]}'])
    section.blocks.append(Table(['', 'rater', 'CCC', 'Pearson’s r', 'RMSE', 'frames'], rows))
    for quantity in names:
        pairs = {}
        for entry in entries:
            ratings = entry.scored.values.get(quantity)
            if ratings is not None:
                pairs[entry.name] = ratings.pairs(MODEL, list(range(len(entry.scored.people))))
        title = quantity.replace('_', ' ')
        svg = plots.scatter(pairs, RANGES.get(quantity, _limits(pairs)), title)
        section.blocks.append(Figure(svg, f'{title.capitalize()}: equal values lie on the line.'))
    return [section]


def _annotators(entry: ReportRun, quantity: str) -> list[str]:
    ratings = entry.scored.values[quantity]
    return [r for r in ratings.ratings if r not in (MODEL, ratings.reference)]


def _limits(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    values = np.concatenate([v for pair in pairs.values() for v in pair])
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)


def expression_section(entries: Sequence[ReportRun]) -> list[Section]:
    """Build the section on expressions; [] where labels and model have none in common."""
    entries = [e for e in entries if 'expression' in e.scored.classes and e.scored.classes['expression'].frames]
    if not entries:
        return []
    raters = raters_of(entries, 'expression', lambda e, r: e.scored.metrics['expression'][r])
    section = Section('Expressions', 'Over the expressions that both the labels and the model have.')
    rows = [[title, *(number(found[name]) for found in raters.values())] for name, title in EXPRESSION_TITLES.items()]
    section.blocks.append(Table(['', *raters], rows))
    for rater, one, name in compared_raters(entries, 'expression'):
        shares = [('by recall', agreement.shares_by_recall(one.total(rater)))]
        svg = plots.confusions(shares, one.names, one.reference, name)
        dual = [('by precision', agreement.shares_by_precision(one.total(rater)))]
        svg += plots.confusions(dual, one.names, name, one.reference)
        section.blocks.append(Figure(svg, f'{name} against {one.reference}.'))
    return [section]
