"""Import of torchvision beside a PyTorch that its wheel was not built for.

PyPI's wheel is built for CUDA. Beside PyTorch's CPU build its compiled operators cannot be loaded, and `import
torchvision` then fails with a RuntimeError, which libraries that use it where it is there (torchmetrics) do not expect.
Networks and metrics need none of these operators: those that the import asks for are declared, without implementation.
"""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

_OPERATORS = {
    'nms': '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
    'qnms': '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
}
_library: list[Any] = []  # alive as long as the process: operators vanish with their library


def import_torchvision() -> Any:
    """Import torchvision; ImportError where it is not installed. Later imports by other libraries then work too."""
    try:
        return importlib.import_module('torchvision')
    except RuntimeError as error:
        if 'torchvision::nms' not in str(error):
            raise
    import torch

    library: Any = torch.library.Library('torchvision', 'FRAGMENT')  # type: ignore[no-untyped-call]
    for name, signature in _OPERATORS.items():
        library.define(name + signature)
    _library.append(library)
    return importlib.import_module('torchvision')


def import_torchmetrics() -> Any:
    """Import torchmetrics, which imports torchvision where it is installed; ImportError where torchmetrics is not."""
    with contextlib.suppress(ImportError):  # torchmetrics does without
        import_torchvision()
    return importlib.import_module('torchmetrics')
