"""Packages of users that need our messages alone, in C++ and Python: built and run without torch and dlib."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
import rclpy
from conftest import ROOT
from rclpy.node import Node

from affect_perception.msg import FaceAffect, FaceAffectArray

sys.path.append(str(ROOT / 'resource'))
from mend_ros_wheels import mend, mended

pytestmark = pytest.mark.ros

HERE = Path(__file__).parent
# Imports whose rosdep key is not `python3-` and their name, and those of this package that rosdep has no key for.
ROSDEP_KEYS = {
    'PIL': 'python3-pil', 'cv2': 'python3-opencv', 'dlib': 'python3-dlib-pip', 'onnxruntime': 'python3-onnxruntime-pip',
    'simplejpeg': 'python3-simplejpeg-pip', 'sounddevice': 'python3-sounddevice-pip', 'yaml': 'python3-yaml',
    **{n: f'python3-{n}' for n in (
        'numpy', 'scipy', 'skimage', 'sklearn', 'torch', 'tqdm', 'matplotlib', 'jinja2', 'aiohttp',
    )},
}  # fmt: skip
WITHOUT_KEY = {
    'affect_perception', 'safetensors', 'av', 'rosbags', 'mcap', 'lz4', 'apsw', 'soxr', 'backports', 'compression',
    'MNN', 'openvino', 'motmetrics', 'torchmetrics', 'opensmile', 'ray', 'playwright', 'pyrealsense2',
    'cv_bridge', 'hri_msgs',  # used where they are installed
}  # fmt: skip
NO_NETWORKS = 'import sys; sys.modules.update(torch=None, dlib=None); '


def test_python_package_receives_results(ros):
    node = Node('source')
    publisher = node.create_publisher(FaceAffectArray, 'face_affect', 10)
    code = NO_NETWORKS + 'from affect_listener_py.listener import main; main()'
    paths = [str(HERE / 'affect_listener_py'), *os.environ.get('PYTHONPATH', '').split(os.pathsep)]
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, paths))}
    listener = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True, env=env)
    try:
        for _ in range(600):
            publisher.publish(FaceAffectArray(faces=[FaceAffect(track_id=7, smile_intensity=0.5)]))
            rclpy.spin_once(node, timeout_sec=0.1)
            if listener.poll() is not None:
                break
        assert listener.communicate(timeout=60)[0] == '7 0.50\n'
    finally:
        listener.kill()
        node.destroy_node()


@pytest.mark.slow
def test_cpp_package_with_a_message_of_its_own_builds_and_runs(tmp_path):
    installed = sorted(Path(sys.prefix).glob('share/std_msgs/cmake/*.cmake'))
    if any(mended(file.read_text()) != file.read_text() for file in installed):
        pytest.skip('needs ROS wheels whose CMake files `make set-up` has mended (resource/mend_ros_wheels.py)')
    if shutil.which('cmake') is None:
        pytest.skip('needs cmake')
    prefix = os.environ.get('AMENT_PREFIX_PATH', sys.prefix)
    env = {**os.environ, 'AMENT_PREFIX_PATH': prefix, 'CMAKE_PREFIX_PATH': prefix}
    options = ['-DBUILD_TESTING=OFF', f'-DPython3_EXECUTABLE={sys.executable}', '-Wno-dev']
    for command in (
        ['cmake', '-S', str(HERE / 'affect_listener_cpp'), '-B', str(tmp_path), *options],
        ['cmake', '--build', str(tmp_path), '--parallel', '2'],
    ):
        result = subprocess.run(command, capture_output=True, text=True, env=env, timeout=280)
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    libraries = [str(folder) for folder in Path(prefix).rglob('lib') if folder.is_dir() and list(folder.glob('*.so*'))]
    env['LD_LIBRARY_PATH'] = os.pathsep.join([str(tmp_path), *libraries, os.environ.get('LD_LIBRARY_PATH', '')])
    run = subprocess.run([str(tmp_path / 'smiling')], capture_output=True, text=True, env=env, timeout=120)
    assert run.stdout == '1 smiles: 2\n', run.stderr


def test_wheels_are_mended_once(tmp_path):
    file = tmp_path / 'share' / 'some_msgs' / 'cmake' / 'export.cmake'
    file.parent.mkdir(parents=True)
    rest = 'set_target_properties(a PROPERTIES\n  INTERFACE_INCLUDE_DIRECTORIES "'
    file.write_text(f'{rest}${{_IMPORT_PREFIX}}/include;/opt/python/none;{tmp_path}"\n)\n')
    assert mend(tmp_path) == 1
    assert file.read_text() == f'{rest}${{_IMPORT_PREFIX}}/include;{tmp_path}"\n)\n'
    assert mend(tmp_path) == 0


def imported_packages() -> set[str]:
    """Top-level names of all imports of the package, without those of the standard library."""
    found = set()
    for file in [*(ROOT / 'affect_perception').rglob('*.py'), *(ROOT / 'launch').glob('*.py')]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found.update(alias.name.partition('.')[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition('.')[0])
    return found - sys.stdlib_module_names


def test_every_import_is_a_dependency_where_rosdep_has_a_key():
    declared = set(re.findall(r'depend>([\w-]+)<', (ROOT / 'package.xml').read_text()))
    needed = {ROSDEP_KEYS.get(name, name) for name in imported_packages() - WITHOUT_KEY}
    assert needed - declared == set(), 'name it in package.xml, or in WITHOUT_KEY where rosdep has no key for it'
