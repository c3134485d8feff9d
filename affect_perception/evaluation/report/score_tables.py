"""The sections of report.html that compare with labels: smile levels, numbers, expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from affect_perception.evaluation.labels.labels import RANGES, SMILE_LEVELS
from affect_perception.evaluation.metrics import agreement, level_scores
from affect_perception.evaluation.report import figures
from affect_perception.evaluation.report.analysis import MODEL, Classes
from affect_perception.evaluation.report.blocks import Entry, Figure, Section, Table
from affect_perception.evaluation.report.disagreements import disagreements
from affect_perception.evaluation.report.wording import number

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
_MOST_STRIPS = 12


def smile_sections(entries: Sequence[Entry]) -> list[Section]:
    """Scores, Fig. 3 and 4 of the paper, calibration, onsets; [] where no smile is labelled."""
    entries = [e for e in entries if 'smile' in e.analysis.classes]
    if not entries or not entries[0].analysis.classes['smile'].frames:
        return []
    found = [_agreement(entries), _confusions(entries), _probabilities(entries)]
    if entries[0].run.sequence:  # strangers to each other have no order in time
        found += [_strips(entries), _where(entries)]
    return found


def _raters(entries: Sequence[Entry], quantity: str, of: Callable[[Entry, str], object]) -> dict:
    """What `of` gives for every annotator but the reference, as compared in the first run, then for every run."""
    first = entries[0]
    found = {r: of(first, r) for r in first.analysis.classes[quantity].others if r != MODEL}
    return found | {e.name: of(e, MODEL) for e in entries}


def _agreement(entries: Sequence[Entry]) -> Section:
    reference = entries[0].analysis.classes['smile'].reference
    raters = _raters(entries, 'smile', lambda e, r: e.analysis.metrics['smile'][r])
    shown = {title: {r: found[name] for r, found in raters.items()} for name, title in SMILE_TITLES.items()}
    people = entries[0].analysis.people
    lines = {
        'κ': 'Cohen’s kappa, agreement beyond chance: 0 is chance, 1 is perfect',
        'quadratic': 'a miss by two levels weighs four times a miss by one',
        'by segments': 'every stretch of one level counts once, however long it is',
    }
    section = Section(
        'Agreement on smiles',
        f'Everybody against {reference}, the reference, on the same frames. '
        + '; '.join(f'{k}: {v}' for k, v in lines.items())
        + '. In brackets and as bars: 95 % intervals, by drawing people with replacement'
        + _caution(len(people)),
    )
    rows = [[title, *(number(found.get(r)) for r in raters)] for title, found in shown.items()]
    section.blocks.append(Table(['', *raters], rows))
    section.blocks.append(Figure(figures.intervals(shown), f'Scores against {reference}.'))
    if len(people) > 1:
        each = {r: [_or_nan(p['kappa']) for p in found['people']] for r, found in raters.items()}
        svg = figures.people_dots(people, each, 'κ per frame')
        section.blocks.append(Figure(svg, 'Each person alone: a good mean can hide somebody who is read badly.'))
    between = entries[0].analysis.metrics['smile']['kappa_between']
    if len(between) > 2:
        names = {MODEL: entries[0].name}
        rows = [[names.get(a, a), *(number(k) for k in row.values())] for a, row in between.items()]
        head = ['', *(names.get(b, b) for b in between)]
        section.blocks.append(Table(head, rows, 'κ per frame between every two raters.'))
    return section


def _caution(people: int) -> str:
    if people == 1:
        return ' (none here: one person says nothing about others).'
    return f'; with {people} people they are rough.' if people < 10 else '.'


def _confusions(entries: Sequence[Entry]) -> Section:
    section = Section(
        'Which levels are confused',
        'By recall: where do the frames of a true level go? By precision, its dual: what are the frames of a said '
        'level really? A level that swallows the others looks good in the first and bad in the second.',
    )
    for rater, one, name in _confused(entries, 'smile'):
        counts = one.total(rater)
        tables = [('(a) by recall', agreement.by_recall(counts))]
        svg = figures.confusions(tables, one.names, one.reference, name)
        dual = figures.confusions(
            [('(b) by precision', agreement.by_precision(counts))], one.names, name, one.reference
        )
        section.blocks.append(Figure(svg + dual, f'{name} against {one.reference}, shares of each row.'))
    raters = _raters(entries, 'smile', lambda e, r: agreement.per_class(e.analysis.classes['smile'].total(r)))
    svg = figures.precision_and_recall(raters, SMILE_LEVELS)
    section.blocks.append(
        Figure(
            svg,
            '(c) Precision and recall per level: a line joins what the raters reach on one level.',
        )
    )
    rows = [
        [level, *(f'{each["precision"][k]:.2f} / {each["recall"][k]:.2f}' for each in raters.values())]
        for k, level in enumerate(SMILE_LEVELS)
    ]
    frames = next(iter(raters.values()))['frames']
    rows = [[*row, f'{frames[k]}'] for k, row in enumerate(rows)]
    section.blocks.append(Table(['', *raters, 'frames'], rows, 'Precision / recall per level.'))
    return section


def _confused(entries: Sequence[Entry], quantity: str) -> list[tuple[str, Classes, str]]:
    """(rater, classes, shown name) of the runs, then of the annotators."""
    found = [(MODEL, e.analysis.classes[quantity], e.name) for e in entries]
    first = entries[0].analysis.classes[quantity]
    return found + [(r, first, r) for r in first.others if r != MODEL]


def _probabilities(entries: Sequence[Entry]) -> Section:
    section = Section(
        'What the probabilities are worth',
        'A threshold other than "the likeliest level" trades precision for recall along these curves. Calibrated '
        'probabilities lie on the diagonal: of all frames said to smile with 0.7, 70 % do.',
    )
    calibration = {}
    for entry in entries:
        true, chance = entry.analysis.classes['smile'].pooled()
        curves = {
            name: level_scores.precision_recall(chance[:, k], true == k)
            for k, name in enumerate(SMILE_LEVELS)
            if (true == k).any()
        }
        svg = figures.precision_recall_curves(curves, SMILE_LEVELS)
        section.blocks.append(Figure(svg, f'{entry.name}: precision and recall at every threshold.'))
        calibration[entry.name] = level_scores.calibration_curve(1 - chance[:, 0], true > 0)
    errors = ', '.join(f'{e.name} {number(e.analysis.metrics["smile"][MODEL]["ece"])}' for e in entries)
    caption = (
        f'Smile or not: the larger a dot, the more frames. Expected calibration error of the likeliest level: {errors}.'
    )
    section.blocks.append(Figure(figures.calibration(calibration), caption))
    return section


def _strips(entries: Sequence[Entry]) -> Section:
    first = entries[0]
    smile, times = first.analysis.classes['smile'], first.run.times
    section = Section(
        'Frame by frame',
        'Who says which level when, from left to right. Blank: not labelled, or no face found.',
    )
    for p, person in enumerate(first.analysis.people[:_MOST_STRIPS]):
        raters = {r: each[p] for r, each in smile.said.items() if r != MODEL}
        for entry in entries:
            mine = entry.analysis.classes['smile']
            if person in entry.analysis.people and len(entry.run.times) == len(times):
                raters[entry.name] = mine.said[MODEL][entry.analysis.people.index(person)]
        section.blocks.append(Figure(figures.strips(times, raters, smile.names), str(person)))
    return section


def _where(entries: Sequence[Entry]) -> Section:
    section = Section(
        'Where and when they differ',
        'Onsets: how much later than the reference a smile is seen to begin. Below, the longest stretches in which '
        'model and reference differ: the places to look at first.',
    )
    delays = {e.name: e.analysis.delays for e in entries}
    if any(delays.values()):
        counts = [e.analysis.metrics['smile'][MODEL]['onset_delay_s'] for e in entries]
        said = '; '.join(
            f'{e.name}: median {number(c["median"])} s, {c["matched"]} of {c["onsets"]} onsets matched'
            + (f', {c["smiling_already"]} smiling already' if c['smiling_already'] else '')
            for e, c in zip(entries, counts, strict=True)
        )
        section.blocks.append(Figure(figures.onset_delays(delays), said + '.'))
    for entry in entries:
        rows = [
            [d.person, f'{d.start_s:.2f}', f'{d.end_s - d.start_s:.2f}', d.reference, d.model]
            for d in disagreements(entry.analysis)
        ]
        if rows:
            reference = entry.analysis.classes['smile'].reference
            head = ['person', 'from, s', 'lasts, s', reference, entry.name]
            section.blocks.append(Table(head, rows, f'Longest disagreements of {entry.name} and {reference}.'))
    return section


def value_sections(entries: Sequence[Entry]) -> list[Section]:
    """Valence, arousal and every other quantity that is a number."""
    first = entries[0].analysis
    names = [q for q in first.numbers if first.metrics[q][MODEL]['frames']]
    if not names:
        return []
    section = Section(
        'Numbers: valence, arousal, intensity',
        'CCC, the concordance correlation coefficient, is 1 only for equal values; Pearson’s r forgives a wrong scale. '
        'RMSE is in the units of the quantity.',
    )
    rows = []
    for quantity in names:
        raters: dict[str, Mapping] = {r: first.metrics[quantity][r] for r in _annotators(entries[0], quantity)}
        raters |= {e.name: e.analysis.metrics[quantity][MODEL] for e in entries if quantity in e.analysis.numbers}
        title = quantity.replace('_', ' ')
        for rater, found in raters.items():
            rows.append([title, rater, *(number(found[m]) for m in ('ccc', 'pearson', 'rmse')), f'{found["frames"]}'])
    section.blocks.append(Table(['', 'rater', 'CCC', 'Pearson’s r', 'RMSE', 'frames'], rows))
    for quantity in names:
        pairs = {}
        for entry in entries:
            numbers = entry.analysis.numbers.get(quantity)
            if numbers is not None:
                pairs[entry.name] = numbers.pairs(MODEL, list(range(len(entry.analysis.people))))
        title = quantity.replace('_', ' ')
        svg = figures.scatter(pairs, RANGES.get(quantity, _limits(pairs)), title)
        section.blocks.append(Figure(svg, f'{title.capitalize()}: equal values lie on the line.'))
    return [section]


def _annotators(entry: Entry, quantity: str) -> list[str]:
    numbers = entry.analysis.numbers[quantity]
    return [r for r in numbers.said if r not in (MODEL, numbers.reference)]


def _limits(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    values = np.concatenate([v for pair in pairs.values() for v in pair])
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)


def expression_section(entries: Sequence[Entry]) -> list[Section]:
    """Expressions, where labels and model name them."""
    entries = [e for e in entries if 'expression' in e.analysis.classes and e.analysis.classes['expression'].frames]
    if not entries:
        return []
    raters = _raters(entries, 'expression', lambda e, r: e.analysis.metrics['expression'][r])
    section = Section('Expressions', 'Among the expressions that both the labels and the model know.')
    rows = [[title, *(number(found[name]) for found in raters.values())] for name, title in EXPRESSION_TITLES.items()]
    section.blocks.append(Table(['', *raters], rows))
    for rater, one, name in _confused(entries, 'expression'):
        shares = [('by recall', agreement.by_recall(one.total(rater)))]
        svg = figures.confusions(shares, one.names, one.reference, name)
        dual = [('by precision', agreement.by_precision(one.total(rater)))]
        svg += figures.confusions(dual, one.names, name, one.reference)
        section.blocks.append(Figure(svg, f'{name} against {one.reference}.'))
    return [section]


def _or_nan(value: float | None) -> float:
    return float('nan') if value is None else value
