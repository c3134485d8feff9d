"""The summary of report.html: what the numbers say, in sentences."""

from __future__ import annotations

import numpy as np

from affect_perception.evaluation.report.analysis import MODEL, Analysis, Classes
from affect_perception.evaluation.report.data import Run

# Landis & Koch 1977, the words that papers use for κ.
_KAPPA_WORDS = (
    (0.0, 'poor'),
    (0.2, 'slight'),
    (0.4, 'fair'),
    (0.6, 'moderate'),
    (0.8, 'substantial'),
    (1.01, 'almost perfect'),
)


def kappa_word(kappa: float) -> str:
    return next(word for bound, word in _KAPPA_WORDS if kappa <= bound)


def number(found: dict | float | None) -> str:
    """`0.71 (0.62 to 0.80)`, or without the interval where there is none."""
    value = found.get('value') if isinstance(found, dict) else found
    if value is None:
        return '–'
    interval = found.get('interval') if isinstance(found, dict) else None
    return _signed(value) + (f' ({_signed(interval[0])} to {_signed(interval[1])})' if interval else '')


def _signed(value: float) -> str:
    """Two decimals, a true minus, and no minus before zero."""
    return f'{round(value, 2) + 0.0:.2f}'.replace('-', '−')


def of_recording(run: Run, metrics: dict) -> str:
    """What was seen, whoever labelled it."""
    seconds = float(run.times[-1] + run.period_s) if len(run.times) else 0.0
    faces, frames = metrics.get('frames_with_faces', 0), metrics.get('frames', len(run.numbers))
    ids = len(np.unique(run.track_id))
    length = f'{seconds:.1f} s, {frames} frames' if run.sequence else f'{frames} pictures'
    text = f'{length}; somebody was seen in {_percent(faces, frames)} of them'
    if run.sequence:
        text += f', under {ids} track ids' if ids != 1 else ', under one track id'
    skipped = sum(metrics.get('bad_input_counts', {}).values())
    return text + (f'. {skipped} could not be used, and are listed in metrics.json.' if skipped else '.')


def of_people(run: Run) -> str:
    """Who smiles most, for recordings without labels."""
    shares = {i: float(np.nanmean(run.level[run.track_id == i] > 0)) for i in np.unique(run.track_id).tolist()}
    if not shares or not run.sequence:
        return ''
    most, least = max(shares, key=shares.get), min(shares, key=shares.get)
    if len(shares) == 1:
        return f'The model sees a smile in {shares[most]:.0%} of the frames.'
    return (
        f'The model sees smiles most often in person {most} ({shares[most]:.0%} of the frames with the face) and least '
        f'often in person {least} ({shares[least]:.0%}).'
    )


def of_smile(analysis: Analysis) -> list[str]:
    """How the model's smile levels compare with the reference, and with other annotators where there are some."""
    smile, found = analysis.classes['smile'], analysis.metrics['smile']
    model = found[MODEL]
    kappa = model['kappa']['value']
    if smile.frames == 0:
        return ['No frame has both a label and a face: there is nothing to compare.']
    text = [
        f'Over {smile.frames} labelled faces of {_count(len(analysis.people), "person", "people")} the model gives '
        f'the level that {smile.reference} gives in {model["accuracy"]["value"]:.0%} of them'
        + ('.' if kappa is None else f'; κ is {number(model["kappa"])}, {kappa_word(kappa)} agreement.')
    ]
    if smile.without_face:
        share = _percent(smile.without_face, smile.frames + smile.without_face)
        text.append(f'In {share} of the labelled frames no face was found; they are left out.')
    for other in smile.others[:-1]:
        human = found[other]['kappa']
        if human['value'] is not None and kappa is not None:
            how = 'better with' if kappa < human['value'] - 0.01 else 'no better with'
            text.append(f'Annotator {other} agrees {how} {smile.reference} than the model does: κ {number(human)}.')
    text += _of_errors(smile) + _of_onsets(model.get('onset_delay_s'))
    each = {
        p: one['kappa'] for p, one in zip(analysis.people, model['people'], strict=True) if one['kappa'] is not None
    }
    if len(each) > 1:
        worst, best = min(each, key=each.get), max(each, key=each.get)
        if each[best] - each[worst] > 0.05:
            text.append(f'It reads {best} best (κ {each[best]:.2f}) and {worst} worst (κ {each[worst]:.2f}).')
    return text


def _of_errors(smile: Classes) -> list[str]:
    """The commonest error, and whether smiles are read too high or too low."""
    counts = smile.total(MODEL)
    wrong = counts - np.diag(np.diag(counts))
    if not wrong.sum():
        return []
    i, j = np.unravel_index(wrong.argmax(), wrong.shape)
    true, said = smile.names[i], smile.names[j]
    share = _percent(wrong[i, j], counts[i].sum())
    text = [f'The commonest error is {said} where it is {true}: {share} of the {true} frames.']
    lean = float((np.arange(len(counts)) * (counts.sum(0) - counts.sum(1))).sum() / counts.sum())
    if abs(lean) > 0.05:
        way = 'higher' if lean > 0 else 'lower'
        text.append(f'On the whole it reads smiles {way}, by {abs(lean):.2f} levels on average.')
    return text


def _of_onsets(delay: dict | None) -> list[str]:
    if delay is None or delay['median'] is None:
        return []
    side = 'after' if delay['median'] >= 0 else 'before'
    text = (
        f'It begins to see a smile {abs(delay["median"]):.2f} s {side} the reference (median of {delay["matched"]} of '
    )
    text += f'{_count(delay["onsets"], "onset", "onsets")}'
    already = delay['smiling_already']
    return [text + (f'; {already} times it saw a smile already).' if already else ').')]


def of_numbers(analysis: Analysis) -> list[str]:
    return [
        f'{quantity.replace("_", " ").capitalize()}: CCC {number(found["ccc"])}, RMSE {number(found["rmse"])}.'
        for quantity in analysis.numbers
        if (found := analysis.metrics[quantity][MODEL])['frames']
    ]


def _percent(part: float, whole: float) -> str:
    return f'{part / whole:.1%}' if whole else '0 %'


def _count(number: int, one: str, many: str) -> str:
    return f'1 {one}' if number == 1 else f'{number} {many}'
