"""The summary of report.html: the scores in sentences."""

from __future__ import annotations

import numpy as np

from affect_perception.evaluation.report.analysis import Analysis
from affect_perception.evaluation.report.ratings import MODEL, ClassRatings
from affect_perception.evaluation.report.results import REACTION, EvaluationRun

# Landis & Koch 1977: upper bound of κ, word.
_KAPPA_WORDS = (
    (0.0, 'poor'),
    (0.2, 'slight'),
    (0.4, 'fair'),
    (0.6, 'moderate'),
    (0.8, 'substantial'),
    (1.01, 'almost perfect'),
)


def kappa_word(kappa: float) -> str:
    """The word that papers use for a κ (Landis & Koch 1977)."""
    return next(word for bound, word in _KAPPA_WORDS if kappa <= bound)


def number(found: dict | float | None) -> str:
    """Format a score: `0.71 (0.62 to 0.80)`, without an interval where there is none, `–` for no value."""
    value = found.get('value') if isinstance(found, dict) else found
    if value is None:
        return '–'
    interval = found.get('interval') if isinstance(found, dict) else None
    return _signed(value) + (f' ({_signed(interval[0])} to {_signed(interval[1])})' if interval else '')


def _signed(value: float) -> str:
    """Two decimals, a true minus, and no minus before zero."""
    return f'{round(value, 2) + 0.0:.2f}'.replace('-', '−')


def summarize_recording(run: EvaluationRun, metrics: dict) -> str:
    """Length of the recording, share of frames with a face, number of track ids and of unusable inputs."""
    seconds = float(run.times[-1] + run.period_s) if len(run.times) else 0.0
    faces, frames = metrics.get('frames_with_faces', 0), metrics.get('frames', len(run.frame_numbers))
    ids = len(np.unique(run.track_id))
    length = f'{seconds:.1f} s, {frames} frames' if run.sequence else f'{frames} pictures'
    text = f'{length}; {_percent(faces, frames)} of them show a face'
    if run.sequence:
        text += f', under {ids} track ids' if ids != 1 else ', under one track id'
    sound = metrics.get('sound') or {}
    if sound.get('source'):
        text += (
            f'; {sound["seconds"]:.1f} s of sound, {_percent(sound["speech_seconds"], sound["seconds"])} of it speech'
        )
        spoken = {i: s for i, s in sound.get('speaking_seconds', {}).items() if s >= 0.5}
        text += ''.join(f', {s:.1f} s by person {i}' for i, s in spoken.items())
    skipped = sum(metrics.get('bad_input_counts', {}).values())
    return text + (f'. {skipped} inputs could not be used; metrics.json lists them.' if skipped else '.')


def summarize_people(run: EvaluationRun) -> str:
    """The people who smile most and least, for recordings without labels; empty for single images.

    Of a model without a smile: the expression and the reaction that are strongest on average.
    """
    if not run.predicts('level'):
        return _summarize_labels(run) if run.sequence else ''
    known = np.isfinite(run.level)
    shares = {
        i: float((run.level[known & (run.track_id == i)] > 0).mean()) for i in np.unique(run.track_id[known]).tolist()
    }
    if not shares or not run.sequence:
        return ''
    most, least = max(shares, key=lambda i: shares[i]), min(shares, key=lambda i: shares[i])
    if len(shares) == 1:
        return f'The model predicts a smile in {shares[most]:.0%} of the frames.'
    return (
        f'By the model, person {most} smiles most often ({shares[most]:.0%} of the frames with the face) and person '
        f'{least} least often ({shares[least]:.0%}).'
    )


def _summarize_labels(run: EvaluationRun) -> str:
    """The expression and the reaction with the highest mean over all faces, as sentences."""
    sentences = []
    groups = {'expression': run.expressions, 'reaction': tuple(f'{REACTION}{name}' for name in run.reactions)}
    for kind, names in groups.items():
        means = {name: float(np.nanmean(run.columns[name])) for name in names if run.predicts(name)}
        if means and len(run.track_id):
            name = max(means, key=lambda name: means[name])
            shown = name.removeprefix(REACTION).replace('_', ' ')
            sentences.append(f'The strongest {kind} by the model is {shown}: {means[name]:.2f} on average.')
    return ' '.join(sentences)


def summarize_smile(analysis: Analysis) -> list[str]:
    """Agreement of the model's smile levels with the reference, beside that of other annotators."""
    smile, found = analysis.classes['smile'], analysis.metrics['smile']
    model = found[MODEL]
    kappa = model['kappa']['value']
    if smile.frames == 0:
        unknown = f' (of {smile.frames_unknown} the level is unknown)' if smile.frames_unknown else ''
        return [f'No frame has both a label and a predicted level{unknown}: there is nothing to compare.']
    text = [
        f'Over {smile.frames} labelled faces of {_count(len(analysis.people), "person", "people")} the model gives '
        f'the level that {smile.reference} gives in {model["accuracy"]["value"]:.0%} of them'
        + ('.' if kappa is None else f'; κ is {number(model["kappa"])}, {kappa_word(kappa)} agreement.')
    ]
    labelled = smile.frames + smile.frames_without_face + smile.frames_unknown
    if smile.frames_without_face:
        share = _percent(smile.frames_without_face, labelled)
        text.append(f'In {share} of the labelled frames the face was not tracked; these are left out.')
    if smile.frames_unknown:
        share = _percent(smile.frames_unknown, labelled)
        text.append(f'In {share} the model gave no level, for want of confidence; these are left out, too.')
    for other in smile.compared[:-1]:
        human = found[other]['kappa']
        if human['value'] is not None and kappa is not None:
            how = 'better with' if kappa < human['value'] - 0.01 else 'no better with'
            text.append(f'Annotator {other} agrees {how} {smile.reference} than the model does: κ {number(human)}.')
    text += _summarize_errors(smile) + _summarize_onsets(model.get('onset_delay_s'))
    each = {
        p: one['kappa'] for p, one in zip(analysis.people, model['people'], strict=True) if one['kappa'] is not None
    }
    if len(each) > 1:
        worst, best = min(each, key=lambda p: each[p]), max(each, key=lambda p: each[p])
        if each[best] - each[worst] > 0.05:
            text.append(
                f'Agreement is best for {best} (κ {each[best]:.2f}) and worst for {worst} (κ {each[worst]:.2f}).'
            )
    return text


def _summarize_errors(smile: ClassRatings) -> list[str]:
    """The commonest error, and the bias of the levels."""
    counts = smile.total(MODEL)
    wrong = counts - np.diag(np.diag(counts))
    if not wrong.sum():
        return []
    i, j = np.unravel_index(wrong.argmax(), wrong.shape)
    reference, predicted = smile.names[i], smile.names[j]
    share = _percent(wrong[i, j], counts[i].sum())
    text = [f'The commonest error is {predicted} instead of {reference}: {share} of the {reference} frames.']
    bias = float((np.arange(len(counts)) * (counts.sum(0) - counts.sum(1))).sum() / counts.sum())
    if abs(bias) > 0.05:
        way = 'higher' if bias > 0 else 'lower'
        text.append(f'On average the model is {abs(bias):.2f} levels {way} than the reference.')
    return text


def _summarize_onsets(delay: dict | None) -> list[str]:
    if delay is None or delay['median'] is None:
        return []
    side = 'after' if delay['median'] >= 0 else 'before'
    text = (
        f'Its smiles begin {abs(delay["median"]):.2f} s {side} those of the reference (median of {delay["matched"]} of '
    )
    text += f'{_count(delay["onsets"], "onset", "onsets")}'
    already = delay['smiling_already']
    return [text + (f'; at {already} it smiled already).' if already else ').')]


def summarize_values(analysis: Analysis) -> list[str]:
    """CCC and RMSE of each continuous quantity, a sentence each."""
    return [
        f'{quantity.replace("_", " ").capitalize()}: CCC {number(found["ccc"])}, RMSE {number(found["rmse"])}.'
        for quantity in analysis.values
        if (found := analysis.metrics[quantity][MODEL])['frames']
    ]


def _percent(part: float, whole: float) -> str:
    return f'{part / whole:.1%}' if whole else '0 %'


def _count(number: int, one: str, many: str) -> str:
    return f'1 {one}' if number == 1 else f'{number} {many}'
