"""Import first in test modules that need torchmetrics: prepares its import of torchvision, where both are installed."""

import contextlib

from affect_perception.runtime.imports.torchvision_import import import_torchmetrics

with contextlib.suppress(ImportError):
    import_torchmetrics()
