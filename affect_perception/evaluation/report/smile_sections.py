"""Sections of report.html about smile levels: agreement, confusions, probabilities, timelines, onsets."""

from __future__ import annotations

from collections.abc import Sequence

from affect_perception.evaluation.labels.quantities import SMILE_LEVELS
from affect_perception.evaluation.metrics import agreement, calibration
from affect_perception.evaluation.report.blocks import Figure, ReportRun, Section, Table
from affect_perception.evaluation.report.disagreements import disagreements
from affect_perception.evaluation.report.figures import plots
from affect_perception.evaluation.report.ratings import MODEL
from affect_perception.evaluation.report.score_rows import SMILE_TITLES, compared_raters, raters_of
from affect_perception.evaluation.report.summary import number

_MOST_STRIPS = 12


def smile_sections(entries: Sequence[ReportRun]) -> list[Section]:
    """Build the sections on smiles (Fig. 3 and 4 of Witzig et al. 2019 among them); [] where no smile is labelled."""
    entries = [e for e in entries if 'smile' in e.scored.classes]
    if not entries or not entries[0].scored.classes['smile'].frames:
        return []
    found = [_agreement(entries), _confusions(entries), _probabilities(entries)]
    if entries[0].run.sequence:  # single images have no order in time
        found += [_strips(entries), _differences(entries)]
    return found


def _agreement(entries: Sequence[ReportRun]) -> Section:
    reference = entries[0].scored.classes['smile'].reference
    raters = raters_of(entries, 'smile', lambda e, r: e.scored.metrics['smile'][r])
    shown = {title: {r: found[name] for r, found in raters.items()} for name, title in SMILE_TITLES.items()}
    people = entries[0].scored.people
    lines = {
        'κ': 'Cohen’s kappa, agreement beyond chance: 0 is chance, 1 is perfect',
        'quadratic': 'a miss by two levels weighs four times a miss by one',
        'by segments': 'every run of one level counts once, however long it is',
    }
    section = Section(
        'Agreement on smiles',
        f'All raters against {reference}, the reference, on the same frames. '
        + '; '.join(f'{k}: {v}' for k, v in lines.items())
        + '. In brackets and as bars: 95 % intervals, by bootstrap over people'
        + _caution(len(people)),
    )
    rows = [[title, *(number(found.get(r)) for r in raters)] for title, found in shown.items()]
    section.blocks.append(Table(['', *raters], rows))
    section.blocks.append(Figure(plots.interval_plot(shown), f'Scores against {reference}.'))
    if len(people) > 1:
        each = {r: [_or_nan(p['kappa']) for p in found['people']] for r, found in raters.items()}
        svg = plots.people_dots(people, each, 'κ per frame')
        section.blocks.append(Figure(svg, 'κ of each person alone: a good mean can hide a person with bad scores.'))
    between = entries[0].scored.metrics['smile']['kappa_between']
    if len(between) > 2:
        names = {MODEL: entries[0].name}
        rows = [[names.get(a, a), *(number(k) for k in row.values())] for a, row in between.items()]
        head = ['', *(names.get(b, b) for b in between)]
        section.blocks.append(Table(head, rows, 'κ per frame between every two raters.'))
    return section


def _caution(people: int) -> str:
    if people == 1:
        return ' (none here: one person gives no interval).'
    return f'; with {people} people they are rough.' if people < 10 else '.'


def _confusions(entries: Sequence[ReportRun]) -> Section:
    section = Section(
        'Which levels are confused',
        'By recall: the predicted levels of the frames of each true level. By precision, its dual: the true levels '
        'of the frames of each predicted level. A level predicted too often looks good in the first and bad in the '
        'second.',
    )
    for rater, one, name in compared_raters(entries, 'smile'):
        counts = one.total(rater)
        tables = [('(a) by recall', agreement.shares_by_recall(counts))]
        svg = plots.confusions(tables, one.names, one.reference, name)
        dual = plots.confusions(
            [('(b) by precision', agreement.shares_by_precision(counts))], one.names, name, one.reference
        )
        section.blocks.append(Figure(svg + dual, f'{name} against {one.reference}, shares of each row.'))
    raters = raters_of(entries, 'smile', lambda e, r: agreement.scores_per_class(e.scored.classes['smile'].total(r)))
    svg = plots.precision_and_recall(raters, SMILE_LEVELS)
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


def _probabilities(entries: Sequence[ReportRun]) -> Section:
    section = Section(
        'Quality of the probabilities',
        'A threshold other than "the likeliest level" trades precision for recall along these curves. Calibrated '
        'probabilities lie on the diagonal: of all frames with a predicted probability of 0.7, 70 % are smiles.',
    )
    reliability = {}
    for entry in entries:
        reference, probabilities = entry.scored.classes['smile'].pooled()
        curves = {
            name: calibration.precision_recall(probabilities[:, k], reference == k)
            for k, name in enumerate(SMILE_LEVELS)
            if (reference == k).any()
        }
        svg = plots.precision_recall_curves(curves, SMILE_LEVELS)
        section.blocks.append(Figure(svg, f'{entry.name}: precision and recall at every threshold.'))
        reliability[entry.name] = calibration.reliability_curve(1 - probabilities[:, 0], reference > 0)
    errors = ', '.join(f'{e.name} {number(e.scored.metrics["smile"][MODEL]["ece"])}' for e in entries)
    caption = (
        f'Smile or not: the larger a dot, the more frames. Expected calibration error of the likeliest level: {errors}.'
    )
    section.blocks.append(Figure(plots.calibration(reliability), caption))
    return section


def _strips(entries: Sequence[ReportRun]) -> Section:
    first = entries[0]
    smile, times = first.scored.classes['smile'], first.run.times
    section = Section(
        'Frame by frame',
        'Level of every rater over time, from left to right. Blank: not labelled, or no face found.',
    )
    for p, person in enumerate(first.scored.people[:_MOST_STRIPS]):
        raters = {r: each[p] for r, each in smile.ratings.items() if r != MODEL}
        for entry in entries:
            mine = entry.scored.classes['smile']
            if person in entry.scored.people and len(entry.run.times) == len(times):
                raters[entry.name] = mine.ratings[MODEL][entry.scored.people.index(person)]
        section.blocks.append(Figure(plots.strips(times, raters, smile.names), str(person)))
    return section


def _differences(entries: Sequence[ReportRun]) -> Section:
    section = Section(
        'Onset delays and disagreements',
        'Onset delay: time from the onset of a smile in the reference to that of the model. Below, the longest '
        'stretches in which model and reference differ.',
    )
    delays = {e.name: e.scored.delays for e in entries}
    if any(delays.values()):
        counts = [e.scored.metrics['smile'][MODEL]['onset_delay_s'] for e in entries]
        caption = '; '.join(
            f'{e.name}: median {number(c["median"])} s, {c["matched"]} of {c["onsets"]} onsets matched'
            + (f', {c["smiling_already"]} smiling already' if c['smiling_already'] else '')
            for e, c in zip(entries, counts, strict=True)
        )
        section.blocks.append(Figure(plots.onset_delay_histogram(delays), caption + '.'))
    for entry in entries:
        rows = [
            [d.person, f'{d.start_s:.2f}', f'{d.end_s - d.start_s:.2f}', d.reference, d.model]
            for d in disagreements(entry.scored)
        ]
        if rows:
            reference = entry.scored.classes['smile'].reference
            head = ['person', 'from, s', 'lasts, s', reference, entry.name]
            section.blocks.append(Table(head, rows, f'Longest disagreements of {entry.name} and {reference}.'))
    return section


def _or_nan(value: float | None) -> float:
    return float('nan') if value is None else value
