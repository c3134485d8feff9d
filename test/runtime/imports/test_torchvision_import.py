"""torchvision beside a PyTorch that it was not built for: whatever imports it goes through one place."""

import ast
import importlib.util
import subprocess
import sys

import pytest
from conftest import ROOT

needs_torchvision = pytest.mark.skipif(
    importlib.util.find_spec('torchvision') is None, reason='needs torchvision (pip install affect-perception[papers])'
)


def run(code: str) -> None:
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


@needs_torchvision
@pytest.mark.skipif(importlib.util.find_spec('torchmetrics') is None, reason='needs torchmetrics')
def test_torchmetrics_first_and_backbones_afterwards_both_work():
    run(
        'import numpy as np\n'
        'from affect_perception.evaluation.metrics.calibration import expected_calibration_error\n'
        'expected_calibration_error(np.array([[0.9, 0.1]]), np.array([0]))\n'
        'from affect_perception.models.backbones.torchvision_nets import Backbone\n'
        "Backbone('resnet18', 1 / 16)\n"
    )


def test_a_missing_torchvision_is_an_import_error(monkeypatch):
    from affect_perception.runtime.imports.torchvision_import import import_torchvision

    monkeypatch.setitem(sys.modules, 'torchvision', None)
    with pytest.raises(ImportError):
        import_torchvision()


def test_no_other_file_imports_torchvision_or_torchmetrics_before_it_is_prepared():
    """A function that imports from torchmetrics calls import_torchmetrics() in the line before."""
    wrong = []
    for path in sorted((ROOT / 'affect_perception').rglob('*.py')):
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text()
        for node in ast.walk(ast.parse(text)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ''] if isinstance(node, ast.ImportFrom) else []
            prepared = 'import_torchmetrics()' in text.splitlines()[node.lineno - 2] if names else True
            if any(n.split('.')[0] in ('torchvision', 'torchmetrics') for n in names) and not prepared:
                wrong.append(f'{name}:{node.lineno}')
    assert not wrong
