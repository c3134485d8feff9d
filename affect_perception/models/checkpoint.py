"""Checkpoints: trained weights as safetensors with a JSON header (network, training, data, scores, terms).

The header is one JSON object under the key `affect_perception` of the safetensors metadata. Loading never runs code
from a file; a file whose tensors do not match its header is refused with a ConfigError.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialised

from affect_perception import __version__
from affect_perception.errors import ConfigError, untrusted
from affect_perception.models import MODELS
from affect_perception.models.face_model import FaceModel
from affect_perception.models.tensor_shapes import MOST_SIDE, shapes

FORMAT = 1
KEY = 'affect_perception'
SUFFIX = '.safetensors'
WEIGHTS = Path(__file__).parents[1] / 'weights'
_LEAST_SIDE, _MOST_MARGIN = 8, 4  # of crops, in px and in sizes of the face
_MAIN_SCORES = {  # of those that training measures, in the words of a user; 1 is perfect
    'lfw_auc': 'smile or not: AUC on LFW',
    'lfw_grading': 'strength of smiles: correlation with teacher',
    'diffusionfer_valence_ccc': 'valence (proxy): CCC',
}
_SHARED = 1000  # parameters that a network may make and not have: shared and replaced ones


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A loaded network in eval mode, with the name, path and header of its file."""

    name: str
    path: Path
    model: FaceModel
    header: dict[str, Any]

    @property
    def crop_size(self) -> int:
        """Side in px of the training crops; crops of another size are resized."""
        return int(self.header['crop_size'])

    @property
    def crop_margin(self) -> float:
        """Margin around the face box on each side, as a share of its size, that the weights expect."""
        return float(self.header['crop_margin'])

    @property
    def min_confidence(self) -> float:
        """Confidence below which the smile is UNKNOWN; 0 where the file states none."""
        return float(self.header.get('min_confidence', 0.0))


def save(path: str | Path, model: FaceModel, model_name: str, **header: Any) -> None:
    """Write `model`; `header` holds crop_size, crop_margin, training, data, scores and terms as JSON values."""
    full = {'format': FORMAT, 'version': __version__, 'model': model_name, 'model_settings': model.settings, **header}
    write_safetensors(path, model.state_dict(), full)


def write_safetensors(path: str | Path, tensors: dict[str, torch.Tensor], header: dict[str, Any]) -> None:
    """Write tensors and a JSON header to `path` atomically: readers see the old or the new file, never a part."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + '.part')
    packed = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    # Not safetensors' save_file, which creates files that other users cannot read.
    part.write_bytes(serialised(packed, metadata={KEY: json.dumps(header)}))
    os.replace(part, path)


def read_safetensors(path: str | Path, tensors: bool = True) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read (tensors, header) written by `write_safetensors`; no tensors are read for `tensors=False`.

    ConfigError for a missing or damaged file, one of another program, or another format.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f'no checkpoint at {path}; see `affect-perception models` for the installed ones')
    try:
        with safe_open(path, framework='pt') as file:
            metadata = file.metadata() or {}
            content = {name: file.get_tensor(name) for name in file.keys()} if tensors else {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        text = ' '.join(str(error).split())
        raise ConfigError(
            f'{path} is not a readable safetensors file ({text}); copy it again or train it again'
        ) from None
    try:
        header = json.loads(metadata[KEY])
        given = header['format']
    except (KeyError, TypeError, ValueError):
        raise ConfigError(
            f'{path} is a safetensors file of another program (no {KEY} header); give one of ours'
        ) from None
    if given != FORMAT:
        raise ConfigError(
            f'{path} has format {given!r}; this version reads {FORMAT}: update affect_perception or train again'
        )
    return content, header


def resolve(name_or_path: str) -> Path:
    """Path of an installed checkpoint such as `smile_va`, or the given path; ConfigError for a name not installed."""
    if name_or_path.endswith(SUFFIX) or os.sep in name_or_path:
        return Path(name_or_path).expanduser()
    path = WEIGHTS / f'{name_or_path}{SUFFIX}'
    if not path.is_file():
        names = ', '.join(p.stem for p in sorted(WEIGHTS.glob(f'*{SUFFIX}'))) or 'none'
        raise ConfigError(f'no model {name_or_path!r}; installed: {names}; or give the path of a {SUFFIX} file')
    return path


def load(name_or_path: str, device: str | torch.device = 'cpu') -> Checkpoint:
    """Load an installed checkpoint or a file onto `device`; ConfigError says what is wrong with the file."""
    path = resolve(name_or_path)
    with untrusted(path):
        return _load(path, device)


def _load(path: Path, device: str | torch.device) -> Checkpoint:
    tensors, header = read_safetensors(path)
    if header.get('model') not in MODELS:
        raise ConfigError(f'{path} is for the network {header.get("model")!r}; this version knows {", ".join(MODELS)}')
    size, margin = header.get('crop_size', ''), header.get('crop_margin', '')
    if not _is_number(size, _LEAST_SIDE, MOST_SIDE) or size % 1 or not _is_number(margin, 0, _MOST_MARGIN):
        wanted = f'wanted a whole number of {_LEAST_SIDE} to {MOST_SIDE} px, and 0 to {_MOST_MARGIN}'
        given = f'crop_size {str(size)[:20]}, crop_margin {str(margin)[:20]}'
        raise ConfigError(f'{path} has {given}; {wanted}: train it again')
    network = MODELS[header['model']]
    try:
        wanted_shapes = shapes(network, header['model_settings'], most=len(tensors) + _SHARED)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        text = ' '.join(str(error).split())[:200]
        raise ConfigError(f'{path} has model settings that {header["model"]} cannot use: {text}') from None
    _check_tensors(path, wanted_shapes, tensors)  # before memory is taken for them
    model = network(**header['model_settings'])
    model.load_state_dict(tensors)
    return Checkpoint(path.stem, path, model.eval().to(device), header)


def _is_number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _check_tensors(path: Path, wanted: dict[str, torch.Size], given: dict[str, torch.Tensor]) -> None:
    hint = 'it was made for another network or is damaged: copy it again or train it again'
    for problem, names in (('lacks', wanted.keys() - given.keys()), ('has unknown', given.keys() - wanted.keys())):
        if names:
            raise ConfigError(f'{path} {problem} tensor {min(names)} ({len(names)} in all); {hint}')
    for name, tensor in given.items():
        if tensor.shape != wanted[name]:
            raise ConfigError(f'{path}: {name} is {tuple(tensor.shape)}; wanted {tuple(wanted[name])}; {hint}')
        if not torch.isfinite(tensor).all():
            raise ConfigError(f'{path}: {name} holds NaN or infinite numbers; the training went wrong: train it again')


def installed() -> list[dict[str, Any]]:
    """List the checkpoints in `weights/`: name, network, MB, scores and terms; `error` for a damaged file."""
    rows = []
    for path in sorted(WEIGHTS.glob(f'*{SUFFIX}')):
        row: dict[str, Any] = {'name': path.stem, 'megabytes': round(path.stat().st_size / 1e6, 1)}
        try:
            _, header = read_safetensors(path, tensors=False)
        except ConfigError as error:
            rows.append(row | {'error': str(error)})
            continue
        rows.append(row | {key: header.get(key) for key in ('model', 'version', 'crop_size', 'scores', 'terms')})
    return rows


def _score_line(name: str, score: dict[str, Any]) -> str:
    """Line of a score and its interval; None stands for an infinite one, as the delay of a smile that is never read."""
    value, (low, high) = score['value'], score['interval']
    shown = 'not finite' if value is None else f'{value:.3f}'
    bounds = f'{low:.3f} to {high:.3f}' if None not in (low, high) else '' if low is None else f'{low:.3f} or more'
    return f'    {name:<45}{shown}' + f' (95 %: {bounds})' * bool(bounds)


def installed_report() -> str:
    """Output of the command `affect-perception models`: main scores for people, one JSON object as the last line."""
    rows, lines = installed(), []
    for row in rows:
        lines.append(f'{row["name"]}  ({row.get("model", "?")}, {row["megabytes"]} MB)')
        scores = (row.get('scores') or {}).get('test', {})
        main = [name for name in _MAIN_SCORES if name in scores] or list(scores)[:3]
        lines += [_score_line(_MAIN_SCORES.get(name, name), scores[name]) for name in main]
        if more := len(scores) - len(main):
            lines.append(f'    {more} more scores: JSON below, or the model card in docs/models')
        lines += [f'    {name}: {terms}' for name, terms in (row.get('terms') or {}).items()]
        if 'error' in row:
            lines.append(f'    {row["error"]}')
    if not rows:
        lines.append(
            f'no checkpoints in {WEIGHTS}; train one with `affect-perception train config/training/smile_va.yaml`'
        )
    return '\n'.join([*lines, json.dumps({'models': rows})])
