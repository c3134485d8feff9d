"""CNN stage of the engine: face crops of any size to embeddings, in batches of bounded size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from affect_perception.inference.backends.backend import Backend
from affect_perception.models.face_model import FaceModel
from affect_perception.models.sequence_model import SequenceModel

MAX_BATCH = {'cpu': 64, 'cuda': 256}  # faces per call of the backend: bounds the memory, and larger ones are slower
_SIDE = 96  # px; on a CPU, network inputs with more pixels get smaller batches


class CropEncoder:
    """Preprocessing of `model` and its CNN, run by `backend` on `device`."""

    def __init__(self, model: FaceModel, backend: Backend, device: torch.device) -> None:
        self._model, self._backend, self._device = model, backend, device

    @property
    def device(self) -> torch.device:
        """Device of the embeddings."""
        return self._device

    def encode(self, crops: Sequence[np.ndarray], audio: Tensor | None = None) -> Tensor:
        """Embeddings (N, E) of N uint8 RGB crops (S, S, 3), in their order; (0, 0) for none.

        `audio` (N, A): the sound of each, for networks whose CNN hears.
        """
        step = max_batch(self._device.type, self._model)
        parts = [
            self._embeddings(crops[start : start + step], None if audio is None else audio[start : start + step])
            for start in range(0, len(crops), step)
        ]
        return torch.cat(parts) if parts else torch.empty(0, 0)

    def _embeddings(self, crops: Sequence[np.ndarray], audio: Tensor | None) -> Tensor:
        """Embeddings of one batch; NaN for network inputs with NaN or infinity, which some backends turn into 0."""
        x = self._network_input(crops)
        if isinstance(self._model, SequenceModel):
            x = self._model.with_sound(x, audio)
        finite = torch.isfinite(x).flatten(1).all(1)
        return self._backend(x).masked_fill(~finite[:, None], np.nan)

    def _network_input(self, crops: Sequence[np.ndarray]) -> Tensor:
        """Network input (N, C, H, W) of a batch; crops of one shape are preprocessed together."""
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, crop in enumerate(crops):
            by_shape.setdefault(crop.shape, []).append(index)
        parts = [
            self._model.preprocess(torch.from_numpy(np.stack([crops[i] for i in group])).to(self._device))
            for group in by_shape.values()
        ]
        if len(parts) == 1:
            return parts[0]
        order = torch.tensor([index for group in by_shape.values() for index in group], device=self._device)
        return torch.cat(parts)[order.argsort()]


def max_batch(device: str, model: FaceModel) -> int:
    """Faces per call of the backend on a device type."""
    side = model.inputs.side if isinstance(model, SequenceModel) else 0
    if device == 'cpu' and side > _SIDE:
        return max(MAX_BATCH['cpu'] * _SIDE * _SIDE // (side * side), 1)
    return MAX_BATCH[device]
