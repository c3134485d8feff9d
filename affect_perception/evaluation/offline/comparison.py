"""`affect-perception compare`: evaluations of one input side by side, and new labels without doing the work again.

The first run is the one that others are compared with.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.labels import CLASSES, levels_from_intensity, read_labels
from affect_perception.evaluation.metrics import level_scores
from affect_perception.evaluation.report.data import match, parse_people, read_run
from affect_perception.evaluation.report.report import ReportOptions, need_eval


def compare(folders: Sequence[Path], out: Path, options: ReportOptions) -> dict:
    """Writes `report.html` and `metrics.json` to `out`; returns the latter. Labels are those of `options`, if any.

    Raises ConfigError for a folder without a finished evaluation, and for runs of different inputs.
    """
    need_eval()
    from affect_perception.evaluation.offline.runner import write_json
    from affect_perception.evaluation.report.analysis import analyse
    from affect_perception.evaluation.report.page import Entry, write_page

    runs = [read_run(folder) for folder in folders]
    metrics = [json.loads((folder / 'metrics.json').read_text()) for folder in folders]
    inputs = [str(m.get('input', '')) for m in metrics]
    if len({Path(given).name for given in inputs}) > 1:
        raise ConfigError(f'runs of one input can be compared; these are of {", ".join(inputs)}')
    if out.resolve() in [folder.resolve() for folder in folders]:
        raise ConfigError(f'--out {out} is one of the runs; give another folder')
    labels = levels_from_intensity(read_labels(options.labels, inputs[0])) if options.labels else None
    people = parse_people(options.people)
    entries = []
    for name, run, found in zip(_names(folders, metrics), runs, metrics, strict=True):
        analysis = analyse(run, labels, match(run, labels, people)) if labels else None
        entries.append(Entry(name, run, analysis, {**found, **(analysis.metrics if analysis else {})}))
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
        more = gains(entries[0].name, found['differences'])
    write_page(out / 'report.html', Path(inputs[0]).name, entries, None, more)
    write_json(out / 'metrics.json', found)
    return found


def _names(folders: Sequence[Path], metrics: Sequence[dict]) -> list[str]:
    """The models, where that tells the runs apart, else the folders."""
    models = [f'model {m["model"]}' for m in metrics]
    names = models if len(set(models)) == len(models) else [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def gains(first: str, found: dict) -> list:
    """The differences as a section of the page."""
    from affect_perception.evaluation.report.blocks import Figure, Section, Table
    from affect_perception.evaluation.report.figures import intervals
    from affect_perception.evaluation.report.score_tables import TITLES
    from affect_perception.evaluation.report.wording import number

    text = (
        f'Score minus that of {first}. The same people are drawn for both, so that what is hard about a person cancels '
        'out: where the interval leaves out 0, other people would probably show a difference too.'
    )
    section = Section('Better or worse?', text)
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
            section.blocks.append(Figure(intervals(shown), caption))
    return [section]


def differences(entries: Sequence) -> dict:
    """Each score of a later run minus that of the first, with an interval: the same people are drawn for both."""
    from affect_perception.evaluation.report.analysis import MODEL, clean, measured

    first, found = entries[0], {}
    for entry in entries[1:]:
        both = [p for p in first.analysis.people if p in entry.analysis.people]
        places = [[e.analysis.people.index(p) for p in both] for e in (first, entry)]
        for quantity in CLASSES:
            if not all(quantity in e.analysis.classes for e in (first, entry)):
                continue
            tables = [
                [e.analysis.classes[quantity].counts[MODEL][p] for p in place]
                for e, place in zip((first, entry), places, strict=True)
            ]

            def gain(drawn, quantity=quantity, tables=tables):
                old, new = (measured(quantity, np.sum([table[p] for p in drawn], axis=0)) for table in tables)
                return {name: new[name] - old[name] for name in old}

            found.setdefault(entry.name, {})[quantity] = level_scores.intervals(gain, len(both))
    return clean(found)
