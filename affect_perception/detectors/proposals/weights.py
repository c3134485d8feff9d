"""File of the proposal network: read, checked by its checksum, and refused when it is another one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from affect_perception.detectors.proposals.network import ProposalNetwork
from affect_perception.errors import ConfigError

SHIPPED = Path(__file__).parents[2] / 'weights' / 'detectors' / 'face_proposals.safetensors'
SHA256 = '0a77aeb6a401efafa4417720cb85db7c1b1043085933084821a3af443f6fcbc5'
_KEY = 'affect_perception'


def load(path: str | Path = '') -> ProposalNetwork:
    """Load the network from `path`, empty for the shipped file; ConfigError if it is missing, damaged or another."""
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load as tensors_of

    file = Path(path) if path else SHIPPED
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(
            f'cannot read the proposal network {file}: {error.strerror}; install the package again, or set '
            'detect_exhaustive:=true, which needs no proposals'
        ) from error
    if not path and hashlib.sha256(data).hexdigest() != SHA256:
        raise ConfigError(
            f'the proposal network {file} is damaged or another version (its checksum is not that of this package); '
            'install the package again, or set detect_exhaustive:=true, which needs no proposals'
        )
    try:
        with safe_open(file, 'pt') as opened:
            settings = json.loads((opened.metadata() or {}).get(_KEY, '{}'))['settings']
        network = ProposalNetwork(**settings)
        network.load_state_dict(tensors_of(data))
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f'{file} holds no proposal network: {" ".join(str(error).split())[:200]}') from error
    return network.eval()
