"""Table (Markdown), plot (PNG) and JSON of an ablation."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from affect_perception.errors import ConfigError

_COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7')  # told apart with every kind of colour vision


@dataclass
class Report:
    """Rows {row: {metric: {value, interval}}} and curves {axis: {name: [[x, y], …]}}."""

    title: str
    rows: dict[str, dict[str, Any]]
    curves: dict[str, dict[str, list[list[float]]]] = field(default_factory=dict)
    note: str = ''
    about: dict[str, Any] = field(default_factory=dict)


def write_report(report: Report, out: Path) -> dict[str, Any]:
    """Write table.md, plot.png and ablation.json to `out`; returns the content of the JSON file."""
    out.mkdir(parents=True, exist_ok=True)
    found = {**report.about, 'title': report.title, 'note': report.note, 'rows': report.rows, 'curves': report.curves}
    (out / 'ablation.json').write_text(json.dumps(found, indent=1) + '\n')
    (out / 'table.md').write_text('\n'.join(table(report)) + '\n', encoding='utf-8')
    _plot(report, out / 'plot.png')
    return found


def table(report: Report) -> list[str]:
    """Markdown lines: a table of the rows, one of each curve."""
    metrics = list(dict.fromkeys(metric for row in report.rows.values() for metric in row))
    lines = [f'# {report.about.get("paper", "")}: {report.title}', '']
    lines += [f'Data: {report.about.get("data", "")}. 95 % intervals over persons of the test split. {report.note}', '']
    lines += ['| |' + '|'.join(metrics) + '|', '|' + '---|' * (len(metrics) + 1)]
    for name, row in report.rows.items():
        lines.append(f'| {name} |' + '|'.join(_cell(row.get(metric)) for metric in metrics) + '|')
    for axis, curves in report.curves.items():
        places = [x for x, _ in next(iter(curves.values()))]
        lines += ['', f'| {axis} |' + '|'.join(f'{x:g}' for x in places) + '|', '|' + '---|' * (len(places) + 1)]
        lines += [f'| {name} |' + '|'.join(f'{y:.3g}' for _, y in points) + '|' for name, points in curves.items()]
    return lines


def _cell(score: dict[str, Any] | None) -> str:
    if score is None or score['value'] is None:
        return ''
    interval = score.get('interval')
    return f'{score["value"]:.3f}' + (f' ({interval[0]:.3f} to {interval[1]:.3f})' if interval else '')


def _plot(report: Report, path: Path) -> None:
    """Bars with intervals of the rows' first metrics, and the curves."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise ConfigError('plots need matplotlib; pip install "affect-perception[eval]"') from None
    mpl.use('Agg')
    import matplotlib.pyplot as plt

    metrics = list(dict.fromkeys(m for row in report.rows.values() for m in row if m != 'paper'))[:4]
    count = 1 + len(report.curves)
    figure, axes = plt.subplots(1, count, figsize=(6 * count, 4), squeeze=False)
    axis, names = axes[0][0], list(report.rows)
    width = 0.8 / len(metrics)
    for i, metric in enumerate(metrics):
        for at, name in enumerate(names):
            score = report.rows[name].get(metric)
            if score is None or score['value'] is None:
                continue
            low, high = score['interval'] or (score['value'], score['value'])
            error = [[max(score['value'] - low, 0)], [max(high - score['value'], 0)]]
            axis.bar(
                at + i * width, score['value'], width, yerr=error, color=_COLOURS[i], label=metric if not at else None
            )
    axis.set_xticks([at + 0.4 for at in range(len(names))], names, rotation=30, ha='right', fontsize=7)
    axis.legend(fontsize=7)
    for at, (title, curves) in enumerate(report.curves.items(), 1):
        for i, (name, points) in enumerate(curves.items()):
            axes[0][at].plot(*zip(*points, strict=True), marker='o', color=_COLOURS[i % len(_COLOURS)], label=name)
        axes[0][at].set_ylabel(title)
        axes[0][at].legend(fontsize=7)
    figure.suptitle(report.title, fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    plt.close(figure)
