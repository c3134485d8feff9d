"""`affect-perception compare`: a report of several evaluations of one input, or of one with other labels.

The first run is the baseline of the differences.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.quantities import CLASSES
from affect_perception.evaluation.labels.reader import read_labels
from affect_perception.evaluation.labels.series import add_smile_levels
from affect_perception.evaluation.metrics.bootstrap import intervals_over_people
from affect_perception.evaluation.offline.tables import write_json
from affect_perception.evaluation.report.matching import match_people, parse_people
from affect_perception.evaluation.report.report import ReportOptions, need_eval
from affect_perception.evaluation.report.results import read_run
from affect_perception.runtime.files import read_text_file

if TYPE_CHECKING:
    from affect_perception.evaluation.report.blocks import ReportRun, Section


def compare(folders: Sequence[Path], out: Path, options: ReportOptions) -> dict:
    """Write `report.html` and `metrics.json` to `out`; returns the latter. `options` names the labels, if any.

    Raises ConfigError for a folder without a finished evaluation, and for runs of different inputs.
    """
    need_eval()
    from affect_perception.evaluation.report.analysis import analyse
    from affect_perception.evaluation.report.blocks import ReportRun
    from affect_perception.evaluation.report.page import write_page

    runs = [read_run(folder) for folder in folders]
    metrics = [json.loads(read_text_file(folder / 'metrics.json')) for folder in folders]
    inputs = [str(m.get('input', '')) for m in metrics]
    if len({Path(given).name for given in inputs}) > 1:
        raise ConfigError(f'runs of one input can be compared; these are of {", ".join(inputs)}')
    if out.resolve() in [folder.resolve() for folder in folders]:
        raise ConfigError(f'--out {out} is one of the runs; give another folder')
    labels = add_smile_levels(read_labels(options.labels, inputs[0])) if options.labels else None
    people = parse_people(options.people)
    entries = []
    for name, run, found in zip(_names(folders, metrics), runs, metrics, strict=True):
        analysis = analyse(run, labels, match_people(run, labels, people)) if labels else None
        entries.append(ReportRun(name, run, analysis, {**found, **(analysis.metrics if analysis else {})}))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f'cannot write to {out}: {error.strerror}; give another --out') from None
    found = {
        'input': inputs[0],
        'command': options.command,
        'runs': {e.name: {'folder': str(f), **e.metrics} for e, f in zip(entries, folders, strict=True)},
    }
    more = []
    if labels is not None and len(entries) > 1:
        found['differences'] = differences(entries)
        more = [differences_section(entries[0].name, found['differences'])]
    write_page(out / 'report.html', Path(inputs[0]).name, entries, None, more)
    write_json(out / 'metrics.json', found)
    return found


def _names(folders: Sequence[Path], metrics: Sequence[dict]) -> list[str]:
    """Shown names: the models where they differ, else the folders."""
    models = [f'model {m["model"]}' for m in metrics]
    names = models if len(set(models)) == len(models) else [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def differences_section(first: str, found: dict) -> Section:
    """Build the section with the differences from the run named `first`."""
    from affect_perception.evaluation.report.blocks import Figure, Section, Table
    from affect_perception.evaluation.report.figures.plots import interval_plot
    from affect_perception.evaluation.report.score_rows import TITLES
    from affect_perception.evaluation.report.summary import number

    text = (
        f'Score minus that of {first}, with a paired bootstrap: the same people are drawn for both, so that '
        'differences between people cancel out. An interval without 0: other people would probably differ, too.'
    )
    section = Section('Differences between runs', text)
    for quantity, titles in TITLES.items():
        names = [name for name, each in found.items() if quantity in each]
        shown = {
            title: {name: found[name][quantity][measure] for name in names}
            for measure, title in titles.items()
            if names and measure in found[names[0]][quantity]
        }
        if shown:
            rows = [[title, *(number(each[name]) for name in names)] for title, each in shown.items()]
            section.blocks.append(Table([quantity, *(f'{name} minus {first}' for name in names)], rows))
            caption = f'{quantity.capitalize()}: right of 0 is better than {first}.'
            section.blocks.append(Figure(interval_plot(shown), caption))
    return section


def differences(entries: Sequence[ReportRun]) -> dict:
    """Score of each later run minus that of the first, with intervals of a paired bootstrap over people."""
    from affect_perception.evaluation.report.analysis import class_scores, to_json
    from affect_perception.evaluation.report.ratings import MODEL

    first = entries[0]
    found: dict[str, dict] = {}
    for entry in entries[1:]:
        both = [p for p in first.scored.people if p in entry.scored.people]
        places = [[e.scored.people.index(p) for p in both] for e in (first, entry)]
        for quantity in CLASSES:
            if not all(quantity in e.scored.classes for e in (first, entry)):
                continue
            tables = [
                [e.scored.classes[quantity].tables[MODEL][p] for p in place]
                for e, place in zip((first, entry), places, strict=True)
            ]

            def difference(
                drawn: list[int], quantity: str = quantity, tables: list[list[np.ndarray]] = tables
            ) -> dict[str, float]:
                old, new = (class_scores(quantity, np.sum([table[p] for p in drawn], axis=0)) for table in tables)
                return {name: new[name] - old[name] for name in old}

            found.setdefault(entry.name, {})[quantity] = intervals_over_people(difference, len(both))
    return to_json(found)
