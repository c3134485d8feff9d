"""Model card of a paper's network, written after training: network, data, settings, scores, limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from affect_perception.models import MODELS
from affect_perception.training.papers.settings import PaperSettings


def write_card(path: Path, settings: PaperSettings, header: dict[str, Any]) -> None:
    """Write the card as Markdown to `path`, from the header of the checkpoint."""
    training, data = header['training'], header['data']
    lines = [
        f'# {settings.name}',
        '',
        f'Network `{settings.model}` (`affect_perception/models/{settings.model}.py`), settings {settings.network}, '
        f'{training["parameters"] / 1e6:.2f} million parameters. Written by `affect-perception train`.',
        '',
        '## Paper',
        '',
        (MODELS[settings.model].__module__ and _first_sentence(settings.model)),
        "Trained on other data than the paper: no figure below is the paper's or compares with it.",
        '',
        '## Data',
        '',
        f'Prepared set `{data["name"]}` of {data["source"]}; crops of {header["crop_size"]} px, margin '
        f'{header["crop_margin"]:g}. Persons are in one split each'
        + ('.' if data['persons_named'] else ' as far as they are named: some clips name none.'),
        '',
        '| split | samples | persons | without a label |',
        '|---|---|---|---|',
        *(f'| {s} | {r["samples"]} | {r["persons"]} | {r["left_out"]} |' for s, r in data['splits'].items()),
        '',
    ]
    for target, counts in data['classes'].items():
        lines += [f'Training entries of {target}: ' + ', '.join(f'{n} {c}' for n, c in counts.items()) + '.', '']
    if data.get('no_face_share') is not None:
        lines += [f"Frames without the person's face, left out: {data['no_face_share']:.1%}.", '']
    lines += ['## Training', '', f'{training["minutes"]} minutes on {training["device"]}. Stages:', '']
    for stage in training['stages']:
        lines.append(f'- `{stage["name"]}`: {len(stage["history"])} scored epochs, best choice {stage["best"]:.4f}')
    changed = {k: v for k, v in training['settings'].items() if v != getattr(PaperSettings(), k)}
    lines += ['', 'Settings that differ from the defaults:', '', '```', json.dumps(changed, indent=1), '```', '']
    if header['scores'].get('test'):
        lines += [
            '## Scores on the test split', '',
            '95 % bootstrap intervals over persons; the gain is that of the network over the baseline.', '',
            '| metric | predictor | value | interval | gain of the network |', '|---|---|---|---|---|',
        ]  # fmt: skip
        for metric, rows in header['scores']['table'].items():
            for who, row in rows.items():
                gain = ''
                if 'gain' in row:
                    gain = f'{row["gain"]:.3f} ({row["gain_interval"][0]:.3f} to {row["gain_interval"][1]:.3f})'
                low, high = row['interval']
                lines.append(f'| {metric} | {who} | {row["value"]:.3f} | {low:.3f} to {high:.3f} | {gain} |')
        lines.append('')
    lines += ['## Terms', '', *(f'- {name}: {terms}' for name, terms in header['terms'].items()), '']
    path.write_text('\n'.join(lines), encoding='utf-8')


def _first_sentence(model: str) -> str:
    """First paragraph of the docstring of a network's module."""
    import importlib

    text = importlib.import_module(MODELS[model].__module__).__doc__ or ''
    return ' '.join(text.strip().split('\n\n')[0].split())
