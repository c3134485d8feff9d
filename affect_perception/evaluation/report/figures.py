"""Figures as SVG text for report.html: drawn by matplotlib, coloured by the page, so that they fit light and dark.

Every function returns one `<svg>` element. Same numbers, same bytes.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from affect_perception.evaluation.metrics.agreement import runs_of

# Told apart also by those who see no red or green (Okabe & Ito 2008); one per smile level, expressions take the rest.
LEVEL_COLOURS = ('#9aa0a6', '#56b4e9', '#e69f00', '#d55e00')
CLASS_COLOURS = (*LEVEL_COLOURS, '#009e73', '#cc79a7', '#0072b2', '#b8a900', '#7a5195')
RATER_COLOURS = ('#2a8fd0', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7a5195', '#b8a900')
_TEXT, _GRID = '#010203', '#040506'  # stand-ins, replaced by what the page says
_POINTS = 1200  # of a line: more are not seen, and make the page heavy
_STYLE = {
    'svg.fonttype': 'none',
    'svg.hashsalt': 'affect_perception',
    'font.family': 'sans-serif',
    'font.size': 10,
    'text.color': _TEXT,
    'axes.labelcolor': _TEXT,
    'axes.edgecolor': _GRID,
    'axes.titlesize': 10,
    'axes.titlelocation': 'left',
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.axisbelow': True,
    'axes.grid': True,
    'grid.color': _GRID,
    'grid.linewidth': 0.6,
    'xtick.color': _TEXT,
    'ytick.color': _TEXT,
    'legend.frameon': False,
    'legend.fontsize': 9,
}


def _styled(draw: Callable[..., str]) -> Callable[..., str]:
    """Draws in our style, and leaves matplotlib as it was."""

    @functools.wraps(draw)
    def drawn(*args, **options) -> str:
        with matplotlib.rc_context(_STYLE):
            return draw(*args, **options)

    return drawn


def _figure(width: float, height: float, rows: int = 1, columns: int = 1, **options):
    """A figure of width × height inches and its axes as a (rows, columns) array."""
    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasSVG(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def _svg(figure: Figure, title: str) -> str:
    text = io.StringIO()
    figure.savefig(text, format='svg', transparent=True, metadata={'Date': None})
    svg = text.getvalue()
    svg = svg[svg.index('<svg') :]
    svg = re.sub(r'<metadata>.*?</metadata>', '', svg, flags=re.DOTALL)
    svg = svg.replace(_TEXT, 'currentColor').replace(_GRID, 'var(--line)')
    svg = re.sub(r'(font: [^;"]*?)(\'[^"]*)(["])', r'\1sans-serif\3', svg)
    name = title.replace('&', '&amp;').replace('<', '&lt;').replace('"', '&quot;')
    return svg.replace('<svg ', f'<svg role="img" aria-label="{name}" ', 1)


@_styled
def confusions(tables: Sequence[tuple[str, np.ndarray]], names: Sequence[str], rows: str, columns: str) -> str:
    """Matrices of shares (K, K) side by side, Fig. 3a and b of Witzig et al. 2019; NaN is left blank."""
    size = 1.2 + 0.52 * len(names)
    figure, axes = _figure(size * len(tables) + 0.6, size + 0.3, 1, len(tables))
    for axis, (title, shares) in zip(axes[0], tables, strict=True):
        axis.grid(visible=False)
        axis.imshow(_cells(shares), aspect='equal')
        for (i, j), share in np.ndenumerate(shares):
            if np.isfinite(share):
                colour = '#ffffff' if share > 0.55 else _TEXT
                axis.text(j, i, f'{share:.2f}', ha='center', va='center', color=colour, fontsize=9.5)
        axis.set_xticks(range(len(names)), names, rotation=90 if len(names) > 5 else 30)
        axis.set_yticks(range(len(names)), names)
        axis.set(title=title, xlabel=columns, ylabel=rows)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    return _svg(figure, 'confusion matrices')


def _cells(shares: np.ndarray) -> np.ndarray:
    """(K, K, 4) blue that is the more opaque the larger the share."""
    blue = np.array([0.0, 0.447, 0.698, 0.0])
    return blue + np.nan_to_num(shares)[..., None] * np.array([0, 0, 0, 1.0])


@_styled
def precision_and_recall(raters: Mapping[str, Mapping[str, np.ndarray]], names: Sequence[str]) -> str:
    """Fig. 3c: each rater's precision over recall per class, one marker a rater, joined per class."""
    figure, ((axis,),) = _figure(4.9, 4.0)
    markers = 'so^Dv<>P'
    found = list(raters.items())
    for k, name in enumerate(names):
        points = [(each['recall'][k], each['precision'][k]) for _, each in found]
        axis.plot(*zip(*points, strict=True), color=CLASS_COLOURS[k], linewidth=1, alpha=0.7)
        for (x, y), marker in zip(points, markers, strict=False):
            axis.plot(x, y, marker, color=CLASS_COLOURS[k], markersize=9)
        axis.plot([], [], '-', color=CLASS_COLOURS[k], linewidth=4, label=name)
    for (rater, _), marker in zip(found, markers, strict=False):
        axis.plot([], [], marker, color=_TEXT, label=rater)
    axis.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel='recall', ylabel='precision')
    axis.legend(loc='center left', bbox_to_anchor=(1, 0.5))
    return _svg(figure, 'precision and recall per class')


@_styled
def precision_recall_curves(curves: Mapping[str, tuple[np.ndarray, np.ndarray, float]], names: Sequence[str]) -> str:
    """Precision over recall at every threshold of each class's probability; the legend has the average precision."""
    figure, ((axis,),) = _figure(4.9, 3.8)
    for name, (precision, recall, average) in curves.items():
        kept = _thinned(len(recall))
        colour = CLASS_COLOURS[list(names).index(name)]
        axis.plot(recall[kept], precision[kept], color=colour, label=f'{name}  {average:.2f}')
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04), xlabel='recall', ylabel='precision')
    axis.legend(title='average precision', loc='center left', bbox_to_anchor=(1, 0.5))
    return _svg(figure, 'precision-recall curves')


@_styled
def strips(times: np.ndarray, raters: Mapping[str, np.ndarray], names: Sequence[str]) -> str:
    """Fig. 4 for all levels at once: a strip per rater from left to right, coloured by level, blank where unknown."""
    figure, ((axis,),) = _figure(10, 0.75 + 0.34 * len(raters))
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1 / 30
    for row, levels in enumerate(raters.values()):
        stretches = runs_of(levels)
        for k in range(len(names)):
            bars = [(times[s], times[e - 1] + step - times[s]) for s, e, level in stretches if level == k]
            if bars:
                colour, alpha = CLASS_COLOURS[k], 0.35 if k == 0 else 1
                axis.broken_barh(bars, (row - 0.4, 0.8), facecolors=colour, alpha=alpha, linewidth=0)
    axis.set_yticks(range(len(raters)), list(raters))
    axis.set(ylim=(len(raters) - 0.4, -0.6), xlim=(times[0], times[-1] + step), xlabel='time, s')
    axis.grid(visible=False, axis='y')
    axis.tick_params(axis='y', length=0)
    return _svg(figure, 'timeline of annotators and predictions')


@_styled
def timeline(
    times: np.ndarray, panels: Mapping[str, tuple[tuple[float, float], Mapping[str, np.ndarray]]], first_is_said: bool
) -> str:
    """One panel per quantity, name -> (range, line by rater): what is said over time; NaN breaks a line.

    With `first_is_said` the first rater of a panel is an annotator, drawn dark and dashed.
    """
    figure, axes = _figure(10, 0.5 + 1.15 * len(panels), len(panels), 1, sharex=True)
    for i, (axis, (name, (limits, lines))) in enumerate(zip(axes[:, 0], panels.items(), strict=True)):
        for k, (rater, values) in enumerate(lines.items()):
            x, y = _averaged(times, values)
            said = first_is_said and k == 0 and len(lines) > 1
            style = {'color': _TEXT, 'linestyle': (0, (4, 2))} if said else {'color': RATER_COLOURS[k % 8]}
            axis.plot(x, y, linewidth=1.3, label=rater, **style)
        pad = 0.04 * (limits[1] - limits[0])
        axis.set(ylim=(limits[0] - pad, limits[1] + pad), ylabel=name)
        if limits[0] < 0:
            axis.axhline(0, color=_GRID, linewidth=1)
        if len(lines) > 1:
            axis.legend(loc='lower right', bbox_to_anchor=(1, 0.98), ncols=len(lines), borderaxespad=0.1)
        if i == len(panels) - 1:
            axis.set(xlabel='time, s', xlim=(times[0], max(times[-1], times[0] + 1e-3)))
    return _svg(figure, 'timeline of ' + ', '.join(panels))


@_styled
def calibration(curves: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> str:
    """Share of frames labelled as a smile over the probability that was said; dots grow with the number of frames."""
    figure, ((axis,),) = _figure(4.9, 3.8)
    axis.plot([0, 1], [0, 1], color=_GRID, linewidth=1.5)
    for (name, (said, share, frames)), colour in zip(curves.items(), RATER_COLOURS, strict=False):
        axis.plot(said, share, color=colour, label=name)
        axis.scatter(said, share, s=12 + 160 * frames / frames.sum(), color=colour, alpha=0.75, linewidth=0)
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel='probability of a smile, as said')
    axis.set_ylabel('share of frames that are smiles')
    if len(curves) > 1:
        axis.legend(loc='center left', bbox_to_anchor=(1, 0.5))
    return _svg(figure, 'calibration')


@_styled
def onset_delays(delays: Mapping[str, Sequence[float]]) -> str:
    """How much later than the reference each run begins to smile, as a histogram."""
    figure, ((axis,),) = _figure(4.9, 3.2)
    edges = np.arange(-0.5, 2.01, 0.1)
    colours = RATER_COLOURS[: len(delays)]
    axis.hist([list(d) for d in delays.values()], edges, color=list(colours), label=list(delays))
    axis.axvline(0, color=_TEXT, linewidth=1)
    axis.set(xlabel='delay of the onset, s (negative: earlier)', ylabel='smiles')
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    if len(delays) > 1:
        axis.legend(loc='upper right')
    return _svg(figure, 'onset delays')


@_styled
def scatter(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]], limits: tuple[float, float], name: str) -> str:
    """What was said over what was labelled, for each run."""
    figure, axes = _figure(3.4 * len(pairs), 3.3, 1, len(pairs))
    for axis, (title, (said, true)), colour in zip(axes[0], pairs.items(), RATER_COLOURS, strict=False):
        kept = _thinned(len(said))
        axis.plot(limits, limits, color=_GRID, linewidth=1.5)
        axis.scatter(true[kept], said[kept], s=7, color=colour, alpha=0.3, linewidth=0)
        pad = 0.04 * (limits[1] - limits[0])
        axis.set(xlim=(limits[0] - pad, limits[1] + pad), ylim=(limits[0] - pad, limits[1] + pad), title=title)
        axis.set(xlabel=f'{name}, labelled', ylabel=f'{name}, said', aspect='equal')
    return _svg(figure, f'{name}, said over labelled')


@_styled
def people_dots(people: Sequence[str], raters: Mapping[str, Sequence[float]], xlabel: str) -> str:
    """One line per person, one dot per rater: who is read well and who is not."""
    figure, ((axis,),) = _figure(6.2, 0.9 + 0.3 * len(people))
    for (rater, values), colour in zip(raters.items(), RATER_COLOURS, strict=False):
        axis.plot(values, range(len(people)), 'o', color=colour, markersize=8, alpha=0.85, label=rater)
    low = min([0.0, *(v for values in raters.values() for v in values if np.isfinite(v))])
    axis.set_yticks(range(len(people)), people)
    axis.set(xlim=(low - 0.03, 1.03), ylim=(len(people) - 0.5, -0.5), xlabel=xlabel)
    axis.legend(loc='center left', bbox_to_anchor=(1, 0.5))
    return _svg(figure, f'{xlabel} of each person')


@_styled
def intervals(measures: Mapping[str, Mapping[str, Mapping]]) -> str:
    """Values with their 95 % intervals, measure -> rater -> {value, interval}."""
    raters = list(dict.fromkeys(r for each in measures.values() for r in each))
    step = 0.8 / max(len(raters), 1)
    figure, ((axis,),) = _figure(7.4, 0.8 + 0.24 * len(measures) * max(len(raters), 1.4))
    for k, rater in enumerate(raters):
        colour = RATER_COLOURS[k % len(RATER_COLOURS)]
        y, x, low, high = [], [], [], []
        for i, each in enumerate(measures.values()):
            one = each.get(rater)
            if one and one['value'] is not None:
                ends = one['interval'] or (one['value'], one['value'])
                y.append(i + (k - (len(raters) - 1) / 2) * step)
                x.append(one['value'])
                low.append(max(one['value'] - ends[0], 0))
                high.append(max(ends[1] - one['value'], 0))
        axis.errorbar(x, y, xerr=[low, high], fmt='o', color=colour, capsize=2, label=rater)
    axis.axvline(0, color=_GRID, linewidth=1.5)
    axis.xaxis.set_major_locator(MaxNLocator(6))
    axis.set_yticks(range(len(measures)), list(measures))
    axis.set_ylim(len(measures) - 0.5, -0.5)
    axis.legend(loc='center left', bbox_to_anchor=(1, 0.5))
    return _svg(figure, 'scores with 95 % intervals')


def _thinned(count: int) -> np.ndarray:
    """Indices of at most _POINTS of `count` points, the first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(int)) if count else np.zeros(0, int)


def _averaged(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most _POINTS means of neighbours; a bin without any number stays NaN."""
    size = -(-len(values) // _POINTS)
    if size <= 1:
        return times, values
    edges = np.arange(0, len(values), size)
    known = np.isfinite(values)
    counts = np.add.reduceat(known, edges)
    sums = np.add.reduceat(np.where(known, values, 0), edges)
    return times[edges], np.divide(sums, counts, out=np.full(len(edges), np.nan), where=counts > 0)


def legend_colours(names: Iterable[str]) -> list[tuple[str, str]]:
    """(class, colour) for the legend of the strips."""
    return list(zip(names, CLASS_COLOURS, strict=False))
