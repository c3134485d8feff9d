"""Allow list of imports between the folders of the package (DESIGN §2), and imports without ROS, torch and dlib."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / 'affect_perception'
# Folder or file -> what it may import of ours, besides itself and BASE. The longest matching row counts.
BASE = {'types', 'settings', 'errors', 'expressions'}
ALLOWED: dict[str, set[str]] = {
    'types': set(),
    'errors': set(),
    'expressions': set(),
    'settings': set(),
    'runtime': set(),
    'core/boxes': set(),
    'core/neutral_baseline': set(),
    'core/behaviour': {'core/agent'},  # alias of a public name
    'core/stamp_buffer': set(),
    'core/sound': set(),
    'core/face_position': {'core/stamp_buffer', 'core/images'},
    'core/message_readers': {'core/images', 'core/face_position', 'core/agent', 'core/sound'},
    'core/images': {'core/boxes'},
    'core/tracking': {'core/boxes', 'core/images'},
    'core/agent': set(),
    'core/display': {'core/boxes'},
    'models': {'runtime/imports/torchvision_import'},
    'detectors': {'core', 'runtime'},
    'audio': {'core', 'runtime'},
    'sources': {'core', 'runtime', 'audio'},
    'inference': {'core', 'models', 'runtime'},
    'dashboard': {'core'},
    'training': {  # datasets and labels: the papers' networks learn from prepared sets
        *('core', 'models', 'evaluation/metrics', 'evaluation/labels', 'sources', 'detectors', 'runtime', 'datasets'),
    },
    'datasets': {'audio', 'core', 'detectors', 'sources', 'evaluation/labels', 'runtime'},
    # torchmetrics imports torchvision; files of others are read with limits
    'evaluation/metrics': {'core/boxes', 'runtime/imports/torchvision_import', 'runtime/files'},
    'evaluation/labels': {'core/boxes', 'runtime/files'},
    'evaluation/report': {'evaluation/metrics', 'evaluation/labels', 'models', 'core', 'runtime'},
    'evaluation/offline': {'audio', 'core', 'runtime', 'detectors', 'sources', 'inference', 'models', 'evaluation'},
    'ros': {'audio', 'core', 'runtime', 'sources/bags'},
    'nodes': {'ros', 'audio', 'core', 'runtime', 'detectors', 'sources', 'inference', 'dashboard'},
    'graph': {'nodes', 'ros', 'core', 'sources', 'runtime'},
    'bench': {''},
    'cli': {''},
}
USES_ROS = {'ros', 'nodes', 'graph', 'bench', 'cli'}  # rclpy and generated messages
NOT_IN_CORE = {'torch', 'time', 'threading', 'pathlib', 'os', 'multiprocessing', 'subprocess', 'socket'}
LOCKS = {'core/images/quiet_opencv'}  # OpenCV has one log level for all threads of the caller: changing it needs a lock


def imports(code: str) -> set[str]:
    """Dotted names of all modules and names that `code` imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(f'{node.module}.{alias.name}' for alias in node.names)
    return names


def within(place: str, folders: set[str]) -> bool:
    return any(not folder or place == folder or place.startswith(f'{folder}/') for folder in folders)


def row_of(place: str) -> str:
    """The row of ALLOWED that a module belongs to; fails for a folder that has none."""
    rows = [row for row in ALLOWED if within(place, {row})]
    assert rows, f'{place} is in no row of the table: add one, here and in DESIGN §2'
    return max(rows, key=len)


def violations(place: str, code: str) -> list[str]:
    """Imports in the module `place` ('core/boxes') that its row does not allow."""
    row, found = row_of(place), []
    for name in imports(code):
        parts = name.split('.')
        if parts[:2] == ['affect_perception', 'msg'] or parts[0] == 'rclpy':
            if row not in USES_ROS:
                found.append(name)
        elif parts[0] == 'affect_perception' and len(parts) > 1 and not parts[1].startswith('__'):
            target = '/'.join(parts[1:])
            if not within(target, ALLOWED[row] | {row} | BASE):
                found.append(name)
        elif row.startswith('core') and parts[0] in NOT_IN_CORE and not (place in LOCKS and name == 'threading'):
            found.append(name)
    return found


def modules() -> list[tuple[str, Path]]:
    return [
        (file.relative_to(PACKAGE).with_suffix('').as_posix().removesuffix('/__init__'), file)
        for file in sorted(PACKAGE.rglob('*.py'))
        if file != PACKAGE / '__init__.py'
    ]


def test_every_module_imports_only_what_the_table_allows():
    wrong = {}
    for place, file in modules():
        if place in ('core', 'evaluation'):  # docstrings only
            assert not imports(file.read_text())
            continue
        if found := violations(place, file.read_text()):
            wrong[place] = found
    assert not wrong


@pytest.mark.parametrize(
    ('place', 'code'),
    [
        ('core/images/crops', 'from affect_perception.core.tracking import tracker'),
        ('core/agent/policy', 'import time'),
        ('runtime/files', 'from affect_perception.core.boxes import iou'),
        ('models/smile_va', 'def f():\n    import rclpy'),
        ('sources/folder', 'from affect_perception.msg import FaceTrack'),
        ('nodes/camera_node', 'from affect_perception.evaluation.offline import runner'),
        ('evaluation/labels/elan', 'from affect_perception.evaluation import report'),
    ],
)
def test_a_violation_of_the_table_is_found(place, code):
    assert violations(place, code)


def test_a_folder_outside_the_table_is_found():
    with pytest.raises(AssertionError, match='in no row'):
        row_of('helpers/strings')


@pytest.mark.parametrize(
    'module', ['affect_perception', 'affect_perception.cli', 'affect_perception.core.tracking.tracker']
)
def test_module_imports_without_ros_torch_and_dlib(module):
    code = f'import sys; sys.modules.update(rclpy=None, torch=None, dlib=None); import {module}'
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
