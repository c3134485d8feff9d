"""Elements of a report page: the runs it shows, sections, figures and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from affect_perception.evaluation.report.analysis import Analysis
from affect_perception.evaluation.report.results import EvaluationRun
from affect_perception.evaluation.report.thumbnails import Thumbnail


@dataclass(frozen=True, eq=False)
class ReportRun:
    """One run on the page, its analysis where there are labels, and the content of its metrics.json."""

    name: str
    run: EvaluationRun
    analysis: Analysis | None
    metrics: dict

    @property
    def scored(self) -> Analysis:
        """The analysis of a run with labels; sections about labels are made of such runs only."""
        if self.analysis is None:
            raise ValueError(f'{self.name} was not compared with labels')
        return self.analysis


@dataclass(frozen=True, eq=False)
class Figure:
    """An `<svg>` element and the text below it."""

    svg: str
    caption: str


@dataclass(frozen=True, eq=False)
class Table:
    """Cells as text; the first cell of a row is its heading."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ''


@dataclass(eq=False)
class Section:
    """A heading, a sentence or two, then figures, tables and thumbnails in the order of `blocks`."""

    title: str
    text: str = ''
    blocks: list[Figure | Table | list[Thumbnail]] = field(default_factory=list)
