"""`colcon test` in the build folder that `make set-up` makes: runs tests of this suite, and its result is reported."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.ros

BUILDS = [folder for folder in (ROOT / 'build', ROOT / 'build-jazzy') if folder.is_dir()]


def colcon(*arguments: str) -> subprocess.CompletedProcess:
    prefix = os.environ.get('AMENT_PREFIX_PATH', sys.prefix)
    env = {**os.environ, 'AMENT_PREFIX_PATH': prefix, 'CMAKE_PREFIX_PATH': prefix}
    command = [sys.executable, '-m', 'colcon', *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT, timeout=280, check=False)


def test_colcon_test_runs_the_suite_and_reports_it(tmp_path):
    pytest.importorskip('colcon_core', reason='needs colcon (make set-up brings it)')
    texts = {folder: folder / 'affect_perception' / 'CMakeCache.txt' for folder in BUILDS}
    mine = [f for f, cache in texts.items() if cache.exists() and f'={sys.prefix}/' in cache.read_text()]
    if not mine or 'test_settings' not in (mine[0] / 'affect_perception' / 'CTestTestfile.cmake').read_text():
        pytest.skip('needs a build folder of this environment with tests (make set-up makes it)')
    places = ['--build-base', str(mine[0]), '--install-base', sys.prefix, '--merge-install']
    base = ['--log-base', str(tmp_path), 'test', '--packages-select', 'affect_perception', *places]
    ran = colcon(*base, '--return-code-on-test-failure', '--ctest-args', '-R', '^test_settings$')
    assert ran.returncode == 0, ran.stdout + ran.stderr
    result = colcon('test-result', '--all', '--test-result-base', str(mine[0] / 'affect_perception'))
    (line,) = [line for line in result.stdout.splitlines() if 'test_settings.xunit.xml: ' in line]
    assert '0 errors, 0 failures' in line
    assert int(line.partition(': ')[2].split()[0]) > 10
