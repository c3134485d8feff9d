"""Titles of scores and rows shared by the sections of report.html that compare runs with labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from affect_perception.evaluation.report.blocks import ReportRun
from affect_perception.evaluation.report.ratings import MODEL, ClassRatings

SMILE_TITLES = {
    'kappa': 'κ per frame',
    'kappa_quadratic': 'κ per frame, quadratic',
    'kappa_without_levels': 'κ per frame, smile or not',
    'kappa_segments': 'κ by segments',
    'kappa_segments_without_levels': 'κ by segments, smile or not',
    'accuracy': 'accuracy',
    'balanced_accuracy': 'balanced accuracy',
    'macro_f1': 'macro F1',
}
EXPRESSION_TITLES = {name: SMILE_TITLES[name] for name in ('kappa', 'accuracy', 'balanced_accuracy', 'macro_f1')}
TITLES = {'smile': SMILE_TITLES, 'expression': EXPRESSION_TITLES}


def raters_of(entries: Sequence[ReportRun], quantity: str, of: Callable[[ReportRun, str], Any]) -> dict:
    """Map every annotator but the reference (of the first run), then every run, to `of(run, rater)`, by shown name."""
    first = entries[0]
    found = {r: of(first, r) for r in first.scored.classes[quantity].compared if r != MODEL}
    return found | {e.name: of(e, MODEL) for e in entries}


def compared_raters(entries: Sequence[ReportRun], quantity: str) -> list[tuple[str, ClassRatings, str]]:
    """(rater, ratings, shown name) of the runs, then of the annotators."""
    found = [(MODEL, e.scored.classes[quantity], e.name) for e in entries]
    first = entries[0].scored.classes[quantity]
    return found + [(r, first, r) for r in first.compared if r != MODEL]
