"""hri_msgs, generated from its public field lists (ros4hri/hri_msgs 2.0.0) where the real package is not installed.

The real generators make the real Python classes and type supports of the four messages that we publish, so that the
tests publish and receive them; constants are left out. They are made once, in build/ of this repository.
"""

import ctypes
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

FIELDS = {
    'IdsList': 'std_msgs/Header header\nstring[] ids\n',
    'NormalizedRegionOfInterest2D': 'std_msgs/Header header\n'
    + ''.join(f'float32 {name}\n' for name in ('xmin', 'ymin', 'xmax', 'ymax', 'c')),
    'Expression': 'std_msgs/Header header\nstring expression\nfloat32 valence\nfloat32 arousal\nfloat32 confidence\n',
    'FacialActionUnits': 'std_msgs/Header header\nfloat32[99] intensity\nfloat32[99] confidence\n',
}
EXPRESSIONS = (  # the constants of Expression
    'neutral angry sad happy surprised disgusted scared pleading vulnerable despaired guilty disappointed embarrassed '
    'horrified skeptical annoyed furious suspicious rejected bored tired asleep confused amazed excited'
)
PACKAGE = """<?xml version="1.0"?>
<package format="3">
  <name>hri_msgs</name>
  <version>2.0.0</version>
  <description>The public field lists, for tests.</description>
  <maintainer email="test@example.org">test</maintainer>
  <license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <depend>std_msgs</depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
</package>
"""


def cmake_lists() -> str:
    """Our own list, with what it says of the wheels' folders, for another package."""
    ours = (ROOT / 'CMakeLists.txt').read_text().partition('rosidl_generate_interfaces(')[0]
    lines = [line for line in ours.splitlines() if 'find_package(sensor' not in line and 'find_package(geo' not in line]
    files = ' '.join(f'msg/{name}.msg' for name in FIELDS)
    return (
        '\n'.join(lines).replace('project(affect_perception)', 'project(hri_msgs)')
        + f'\nrosidl_generate_interfaces(hri_msgs {files} DEPENDENCIES std_msgs)\nament_package()\n'
    )


def load():
    """The module hri_msgs.msg; skips the test where it can be neither imported nor generated."""
    try:
        return importlib.import_module('hri_msgs.msg')
    except ImportError:
        pass
    prefix = os.environ.get('VIRTUAL_ENV', sys.prefix)
    if shutil.which('cmake') is None or not (Path(prefix) / 'share' / 'rosidl_generator_py').is_dir():
        pytest.skip('needs hri_msgs, or cmake and the generators of ROS 2 to make it (make set-up brings them)')
    installed = made(prefix)
    for kind in ('fastrtps_c', 'introspection_c'):  # found by name once they are loaded
        ctypes.CDLL(str(installed / 'lib' / f'libhri_msgs__rosidl_typesupport_{kind}.so'))
    sys.path.insert(0, str(next(installed.glob('lib/python*/*-packages'))))
    importlib.invalidate_caches()
    return importlib.import_module('hri_msgs.msg')


def made(prefix: str) -> Path:
    """The folder where the package is installed, after making it if need be."""
    text = cmake_lists() + PACKAGE + ''.join(FIELDS.values()) + sys.version + prefix
    folder = ROOT / 'build' / 'test_hri_msgs' / hashlib.sha256(text.encode()).hexdigest()[:12]
    done = folder / 'done'
    if done.exists():
        return folder / 'install'
    shutil.rmtree(folder, ignore_errors=True)
    (folder / 'src' / 'msg').mkdir(parents=True)
    (folder / 'src' / 'package.xml').write_text(PACKAGE)
    (folder / 'src' / 'CMakeLists.txt').write_text(cmake_lists())
    for name, fields in FIELDS.items():
        (folder / 'src' / 'msg' / f'{name}.msg').write_text(fields)
    settings = {
        'CMAKE_INSTALL_PREFIX': folder / 'install',
        'CMAKE_INSTALL_RPATH': folder / 'install' / 'lib',
        'CMAKE_BUILD_TYPE': 'Debug',
        'Python3_EXECUTABLE': sys.executable,
    }
    paths = {'AMENT_PREFIX_PATH': prefix, 'CMAKE_PREFIX_PATH': prefix}
    paths['PATH'] = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    for command in (
        ['cmake', '-S', 'src', '-B', 'build', '-Wno-dev', *(f'-D{name}={value}' for name, value in settings.items())],
        ['cmake', '--build', 'build'],
        ['cmake', '--install', 'build'],
    ):
        result = subprocess.run(command, cwd=folder, env=os.environ | paths, capture_output=True, text=True)
        if result.returncode:
            pytest.skip(f'hri_msgs cannot be made here: {(result.stdout + result.stderr)[-800:]}')
    done.touch()
    return folder / 'install'
