"""Imports point one way (DESIGN §2); a package without ROS, torch and dlib still imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / 'affect_perception'
ROS = {'rclpy', 'affect_perception.msg', 'affect_perception.nodes', 'affect_perception.cli'}
UPPER = {
    f'affect_perception.{name}' for name in ('detectors', 'models', 'inference', 'sources', 'training', 'evaluation')
}
FORBIDDEN = {
    'core': ROS | UPPER | {'torch', 'time', 'threading', 'pathlib', 'os'},
    'detectors': ROS,
    'models': ROS,
    'inference': ROS,
    'sources': ROS,
    'training': ROS,
    'evaluation': ROS,
    'dashboard': ROS,
}


def imports(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f'{node.module}.{alias.name}' for alias in node.names)
    return names


@pytest.mark.parametrize('folder', FORBIDDEN)
def test_folder_imports_nothing_from_above_it(folder):
    for file in (PACKAGE / folder).rglob('*.py'):
        for name in imports(file):
            parents = {name} | {name.rsplit('.', n)[0] for n in range(1, name.count('.') + 1)}
            assert not parents & FORBIDDEN[folder], f'{file.relative_to(PACKAGE)} imports {name}'


@pytest.mark.parametrize('module', ['affect_perception', 'affect_perception.cli', 'affect_perception.core.tracking.tracker'])
def test_module_imports_without_ros_torch_and_dlib(module):
    code = f'import sys; sys.modules.update(rclpy=None, torch=None, dlib=None); import {module}'
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
