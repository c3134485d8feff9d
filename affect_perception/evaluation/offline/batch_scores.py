"""Smile scores of a batch with labels: per input for the table, and over the people of all inputs together."""

from __future__ import annotations

from collections.abc import Sequence

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.reader import read_labels
from affect_perception.evaluation.labels.series import add_smile_levels
from affect_perception.evaluation.offline.jobs import Job
from affect_perception.evaluation.report.matching import match_people
from affect_perception.evaluation.report.ratings import MODEL, ClassRatings, class_ratings
from affect_perception.evaluation.report.results import read_run

REFERENCE = 'reference'  # the first annotator of each input, whatever the name
SCORES = ('accuracy', 'macro_f1', 'kappa_quadratic')


def smile_row(result: dict) -> dict[str, float | int | None]:
    """Columns of one input in the summary: labelled faces with a level of the model and without, and SCORES.

    `result` is the content of metrics.json; all values are None where it has no smile labels.
    """
    smile = result.get('smile')
    columns = ('smile_frames', 'smile_without_face', 'smile_unknown', *(f'smile_{name}' for name in SCORES))
    if smile is None:
        return dict.fromkeys(columns)
    counts = (smile['frames'], smile['frames_without_face'], smile['frames_unknown'])
    return dict(zip(columns, (*counts, *(smile[MODEL][name]['value'] for name in SCORES)), strict=True))


def pooled_smile(jobs: Sequence[Job]) -> dict | None:
    """Smile scores over all people of the finished `jobs` together; None where no input has smile labels.

    The content is that of `smile` in metrics.json. A person of two inputs counts as two.
    """
    from affect_perception.evaluation.report.analysis import class_metrics, to_json

    found = [ratings for job in jobs if (ratings := _ratings_of(job)) is not None]
    if not found:
        return None
    each = {
        REFERENCE: [values for one in found for values in one.ratings[one.reference]],
        MODEL: [values for one in found for values in one.ratings[MODEL]],
    }
    pooled = ClassRatings(
        found[0].names,
        REFERENCE,
        each,
        {MODEL: [table for one in found for table in one.tables[MODEL]]},
        [values for one in found for values in one.probabilities],
        [values for one in found for values in one.intensities],
        sum(one.frames for one in found),
        sum(one.frames_without_face for one in found),
        sum(one.frames_unknown for one in found),
    )
    people = len(pooled.ratings[REFERENCE])
    scored: dict = to_json({'inputs': len(found), 'people': people, **class_metrics('smile', pooled, people)})
    return scored


def _ratings_of(job: Job) -> ClassRatings | None:
    """Smile levels of the labels and of the finished results of one input; None without labels or results."""
    options = job.options.get('report')
    if options is None or not options.labels:
        return None
    try:
        labels, run = add_smile_levels(read_labels(options.labels, job.given)), read_run(job.out)
    except ConfigError:  # a failed input: its line of the table says why
        return None
    if 'smile' not in labels.quantities:
        return None
    return class_ratings('smile', run, labels, match_people(run, labels, {}))


def format_pooled(smile: dict) -> str:
    """The pooled scores as lines for the console."""
    model = smile[MODEL]

    def shown(name: str) -> str:
        value, interval = model[name]['value'], model[name]['interval']
        if value is None:
            return '–'
        return f'{value:.3f}' + ('' if interval is None else f' ({interval[0]:.3f} to {interval[1]:.3f})')

    medians = ', '.join(f'{name} {"–" if v is None else f"{v:.2f}"}' for name, v in model['intensity_median'].items())
    recall = model['per_class']['recall'][smile['classes'][0]]
    auc = model['intensity_auc']
    return '\n'.join(
        [
            f'smile levels: {smile["frames"]} labelled faces of {smile["people"]} people; '
            f'{smile["frames_unknown"]} more with an unknown level, '
            f'{smile["frames_without_face"]} without a tracked face',
            f'  accuracy {shown("accuracy")}, macro F1 {shown("macro_f1")}, quadratic κ {shown("kappa_quadratic")}',
            f'  neutral read neutral {"–" if recall is None else f"{recall:.1%}"}, AUC of the intensity '
            f'{"–" if auc is None else f"{auc:.3f}"}, median intensity: {medians}',
        ]
    )
