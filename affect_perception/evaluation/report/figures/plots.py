"""Figures of report.html: each function returns one `<svg>` element. Equal numbers give equal bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from affect_perception.evaluation.metrics.runs import find_runs
from affect_perception.evaluation.report.figures.svg import (
    CLASS_COLOURS,
    GRID,
    RATER_COLOURS,
    TEXT,
    average_bins,
    new_figure,
    styled,
    thin,
    to_svg,
)  # fmt: skip


@styled
def confusions(tables: Sequence[tuple[str, np.ndarray]], names: Sequence[str], rows: str, columns: str) -> str:
    """Draw matrices of shares (K, K) side by side, Fig. 3a and b of Witzig et al. 2019; NaN stays blank."""
    size = 1.2 + 0.52 * len(names)
    figure, axes = new_figure(size * len(tables) + 0.6, size + 0.3, 1, len(tables))
    for axis, (title, shares) in zip(axes[0], tables, strict=True):
        axis.grid(visible=False)
        axis.imshow(_cells(shares), aspect='equal')
        for (i, j), share in np.ndenumerate(shares):
            if np.isfinite(share):
                colour = '#ffffff' if share > 0.55 else TEXT
                axis.text(j, i, f'{share:.2f}', ha='center', va='center', color=colour, fontsize=9.5)
        axis.set_xticks(range(len(names)), names, rotation=90 if len(names) > 5 else 30)
        axis.set_yticks(range(len(names)), names)
        axis.set(title=title, xlabel=columns, ylabel=rows)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    return to_svg(figure, 'confusion matrices')


def _cells(shares: np.ndarray) -> np.ndarray:
    """(K, K, 4) RGBA: blue, more opaque for larger shares."""
    blue = np.array([0.0, 0.447, 0.698, 0.0])
    return blue + np.nan_to_num(shares)[..., None] * np.array([0, 0, 0, 1.0])


@styled
def precision_and_recall(raters: Mapping[str, Mapping[str, np.ndarray]], names: Sequence[str]) -> str:
    """Draw precision over recall per class, a marker per rater, joined per class (Fig. 3c)."""
    figure, ((axis,),) = new_figure(4.9, 4.0)
    markers = 'so^Dv<>P'
    found = list(raters.items())
    for k, name in enumerate(names):
        points = [(each['recall'][k], each['precision'][k]) for _, each in found]
        axis.plot(*zip(*points, strict=True), color=CLASS_COLOURS[k], linewidth=1, alpha=0.7)
        for (x, y), marker in zip(points, markers, strict=False):
            axis.plot(x, y, marker, color=CLASS_COLOURS[k], markersize=9)
        axis.plot([], [], '-', color=CLASS_COLOURS[k], linewidth=4, label=name)
    for (rater, _), marker in zip(found, markers, strict=False):
        axis.plot([], [], marker, color=TEXT, label=rater)
    axis.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel='recall', ylabel='precision')
    axis.legend(loc='center left', bbox_to_anchor=(1, 0.5))
    return to_svg(figure, 'precision and recall per class')


@styled
def precision_recall_curves(curves: Mapping[str, tuple[np.ndarray, np.ndarray, float]], names: Sequence[str]) -> str:
    """Draw precision over recall at every threshold of each class's probability; legend: average precision."""
    figure, ((axis,),) = new_figure(4.9, 3.8)
    for name, (precision, recall, average) in curves.items():
        kept = thin(len(recall))
        colour = CLASS_COLOURS[list(names).index(name)]
        axis.plot(recall[kept], precision[kept], color=colour, label=f'{name}  {average:.2f}')
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04), xlabel='recall', ylabel='precision')
    axis.legend(title='average precision', loc='center left', bbox_to_anchor=(1, 0.5))
    return to_svg(figure, 'precision-recall curves')


@styled
def strips(times: np.ndarray, raters: Mapping[str, np.ndarray], names: Sequence[str]) -> str:
    """Draw a strip per rater over time, coloured by level, blank where unknown (Fig. 4, all levels at once)."""
    figure, ((axis,),) = new_figure(10, 0.75 + 0.34 * len(raters))
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1 / 30
    for row, levels in enumerate(raters.values()):
        stretches = find_runs(levels)
        for k in range(len(names)):
            bars = [(times[s], times[e - 1] + step - times[s]) for s, e, level in stretches if level == k]
            if bars:
                colour, alpha = CLASS_COLOURS[k], 0.35 if k == 0 else 1
                axis.broken_barh(bars, (row - 0.4, 0.8), facecolors=colour, alpha=alpha, linewidth=0)
    axis.set_yticks(range(len(raters)), list(raters))
    axis.set(ylim=(len(raters) - 0.4, -0.6), xlim=(times[0], times[-1] + step), xlabel='time, s')
    axis.grid(visible=False, axis='y')
    axis.tick_params(axis='y', length=0)
    return to_svg(figure, 'timeline of annotators and predictions')


@styled
def timeline(
    times: np.ndarray, panels: Mapping[str, tuple[tuple[float, float], Mapping[str, np.ndarray]]], first_is_label: bool
) -> str:
    """Draw values over time, a panel per quantity: name -> (range, line by rater); NaN breaks a line.

    With `first_is_label` the first rater of a panel is an annotator, drawn dark and dashed.
    """
    figure, axes = new_figure(10, 0.5 + 1.15 * len(panels), len(panels), 1, sharex=True)
    for i, (axis, (name, (limits, lines))) in enumerate(zip(axes[:, 0], panels.items(), strict=True)):
        for k, (rater, values) in enumerate(lines.items()):
            x, y = average_bins(times, values)
            dashed = first_is_label and k == 0 and len(lines) > 1
            style: dict = {'color': TEXT, 'linestyle': (0, (4, 2))} if dashed else {'color': RATER_COLOURS[k % 8]}
            axis.plot(x, y, linewidth=1.3, label=rater, **style)
        pad = 0.04 * (limits[1] - limits[0])
        axis.set(ylim=(limits[0] - pad, limits[1] + pad), ylabel=name)
        if limits[0] < 0:
            axis.axhline(0, color=GRID, linewidth=1)
        if len(lines) > 1:
            axis.legend(loc='lower right', bbox_to_anchor=(1, 0.98), ncols=len(lines), borderaxespad=0.1)
        if i == len(panels) - 1:
            axis.set(xlabel='time, s', xlim=(times[0], max(times[-1], times[0] + 1e-3)))
    return to_svg(figure, 'timeline of ' + ', '.join(panels))


@styled
def calibration(curves: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> str:
    """Draw the share of frames labelled as a smile over the predicted probability; dots grow with the frames."""
    figure, ((axis,),) = new_figure(4.9, 3.8)
    axis.plot([0, 1], [0, 1], color=GRID, linewidth=1.5)
    for (name, (predicted, share, frames)), colour in zip(curves.items(), RATER_COLOURS, strict=False):
        axis.plot(predicted, share, color=colour, label=name)
        axis.scatter(predicted, share, s=12 + 160 * frames / frames.sum(), color=colour, alpha=0.75, linewidth=0)
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel='predicted probability of a smile')
    axis.set_ylabel('share of frames that are smiles')
    if len(curves) > 1:
        axis.legend(loc='center left', bbox_to_anchor=(1, 0.5))
    return to_svg(figure, 'calibration')


@styled
def onset_delay_histogram(delays: Mapping[str, Sequence[float]]) -> str:
    """Draw a histogram of the onset delays of each run, in s after the reference."""
    figure, ((axis,),) = new_figure(4.9, 3.2)
    edges = np.arange(-0.5, 2.01, 0.1)
    colours = RATER_COLOURS[: len(delays)]
    axis.hist([list(d) for d in delays.values()], edges, color=list(colours), label=list(delays))
    axis.axvline(0, color=TEXT, linewidth=1)
    axis.set(xlabel='delay of the onset, s (negative: earlier)', ylabel='smiles')
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    if len(delays) > 1:
        axis.legend(loc='upper right')
    return to_svg(figure, 'onset delays')


@styled
def scatter(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]], limits: tuple[float, float], name: str) -> str:
    """Draw predictions over labels, a panel per run."""
    figure, axes = new_figure(3.4 * len(pairs), 3.3, 1, len(pairs))
    for axis, (title, (predicted, reference)), colour in zip(axes[0], pairs.items(), RATER_COLOURS, strict=False):
        kept = thin(len(predicted))
        axis.plot(limits, limits, color=GRID, linewidth=1.5)
        axis.scatter(reference[kept], predicted[kept], s=7, color=colour, alpha=0.3, linewidth=0)
        pad = 0.04 * (limits[1] - limits[0])
        axis.set(xlim=(limits[0] - pad, limits[1] + pad), ylim=(limits[0] - pad, limits[1] + pad), title=title)
        axis.set(xlabel=f'{name}, labelled', ylabel=f'{name}, predicted', aspect='equal')
    return to_svg(figure, f'{name}, predicted over labelled')


@styled
def people_dots(people: Sequence[str], raters: Mapping[str, Sequence[float]], xlabel: str) -> str:
    """Draw one line per person and a dot per rater, of one score."""
    figure, ((axis,),) = new_figure(6.2, 0.9 + 0.3 * len(people))
    for (rater, values), colour in zip(raters.items(), RATER_COLOURS, strict=False):
        axis.plot(values, range(len(people)), 'o', color=colour, markersize=8, alpha=0.85, label=rater)
    low = min([0.0, *(v for values in raters.values() for v in values if np.isfinite(v))])
    axis.set_yticks(range(len(people)), people)
    axis.set(xlim=(low - 0.03, 1.03), ylim=(len(people) - 0.5, -0.5), xlabel=xlabel)
    axis.legend(loc='center left', bbox_to_anchor=(1, 0.5))
    return to_svg(figure, f'{xlabel} of each person')


@styled
def interval_plot(measures: Mapping[str, Mapping[str, Mapping]]) -> str:
    """Draw values with their 95 % intervals: measure -> rater -> {value, interval}."""
    raters = list(dict.fromkeys(r for each in measures.values() for r in each))
    step = 0.8 / max(len(raters), 1)
    figure, ((axis,),) = new_figure(7.4, 0.8 + 0.24 * len(measures) * max(len(raters), 1.4))
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
    axis.axvline(0, color=GRID, linewidth=1.5)
    axis.xaxis.set_major_locator(MaxNLocator(6))
    axis.set_yticks(range(len(measures)), list(measures))
    axis.set_ylim(len(measures) - 0.5, -0.5)
    axis.legend(loc='center left', bbox_to_anchor=(1, 0.5))
    return to_svg(figure, 'scores with 95 % intervals')


def legend_colours(names: Iterable[str]) -> list[tuple[str, str]]:
    """(class, colour) for the legend of the strips."""
    return list(zip(names, CLASS_COLOURS, strict=False))
