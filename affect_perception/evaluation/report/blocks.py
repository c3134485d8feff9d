"""What a page is made of: runs to show, sections, figures, tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from affect_perception.evaluation.report.analysis import Analysis
from affect_perception.evaluation.report.data import Run
from affect_perception.evaluation.report.faces import Thumbnail


@dataclass(frozen=True, eq=False)
class Entry:
    """One run on the page, its analysis where there are labels, and what its metrics.json holds."""

    name: str
    run: Run
    analysis: Analysis | None
    metrics: dict


@dataclass(frozen=True, eq=False)
class Figure:
    svg: str
    caption: str


@dataclass(frozen=True, eq=False)
class Table:
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ''


@dataclass(eq=False)
class Section:
    """A heading, a sentence or two, then figures, tables and faces in the order of `blocks`."""

    title: str
    text: str = ''
    blocks: list[Figure | Table | list[Thumbnail]] = field(default_factory=list)
