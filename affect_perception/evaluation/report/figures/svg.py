"""SVG text of matplotlib figures, coloured by the page (light or dark), and the style that all figures share."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

P = ParamSpec('P')
# Safe for colour-blind readers (Okabe & Ito 2008); one per smile level, expressions take the rest.
LEVEL_COLOURS = ('#9aa0a6', '#56b4e9', '#e69f00', '#d55e00')
CLASS_COLOURS = (*LEVEL_COLOURS, '#009e73', '#cc79a7', '#0072b2', '#b8a900', '#7a5195')
RATER_COLOURS = ('#2a8fd0', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7a5195', '#b8a900')
TEXT, GRID = '#010203', '#040506'  # placeholders, replaced by the colours of the page
MAX_POINTS = 1200  # of a line: more are invisible and make the page heavy
_STYLE: dict[str, Any] = {
    'svg.fonttype': 'none',
    'svg.hashsalt': 'affect_perception',
    'font.family': 'sans-serif',
    'font.size': 10,
    'text.color': TEXT,
    'axes.labelcolor': TEXT,
    'axes.edgecolor': GRID,
    'axes.titlesize': 10,
    'axes.titlelocation': 'left',
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.axisbelow': True,
    'axes.grid': True,
    'grid.color': GRID,
    'grid.linewidth': 0.6,
    'xtick.color': TEXT,
    'ytick.color': TEXT,
    'legend.frameon': False,
    'legend.fontsize': 9,
}


def styled(draw: Callable[P, str]) -> Callable[P, str]:
    """Decorate a drawing function: the style of the report inside, matplotlib unchanged outside."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **options: P.kwargs) -> str:
        with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]  # matplotlib's keys are one Literal per setting
            return draw(*args, **options)

    return drawn


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, np.ndarray]:
    """Create a figure of width × height inches; returns it and its axes as a (rows, columns) array."""
    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasSVG(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def to_svg(figure: Figure, title: str) -> str:
    """Render one `<svg>` element, labelled `title` for screen readers; equal numbers give equal bytes."""
    text = io.StringIO()
    figure.savefig(text, format='svg', transparent=True, metadata={'Date': None})
    svg = text.getvalue()
    svg = svg[svg.index('<svg') :]
    svg = re.sub(r'<metadata>.*?</metadata>', '', svg, flags=re.DOTALL)
    svg = svg.replace(TEXT, 'currentColor').replace(GRID, 'var(--line)')
    svg = re.sub(r'(font: [^;"]*?)(\'[^"]*)(["])', r'\1sans-serif\3', svg)
    name = title.replace('&', '&amp;').replace('<', '&lt;').replace('"', '&quot;')
    return svg.replace('<svg ', f'<svg role="img" aria-label="{name}" ', 1)


def thin(count: int) -> np.ndarray:
    """Choose at most MAX_POINTS indices of `count` points, the first and last among them."""
    return (
        np.unique(np.linspace(0, count - 1, min(count, MAX_POINTS)).round().astype(int)) if count else np.zeros(0, int)
    )


def average_bins(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reduce a line (F,) to at most MAX_POINTS means of neighbours; a bin without any number stays NaN."""
    size = -(-len(values) // MAX_POINTS)
    if size <= 1:
        return times, values
    edges = np.arange(0, len(values), size)
    known = np.isfinite(values)
    counts = np.add.reduceat(known, edges)
    sums = np.add.reduceat(np.where(known, values, 0), edges)
    return times[edges], np.divide(sums, counts, out=np.full(len(edges), np.nan), where=counts > 0)
