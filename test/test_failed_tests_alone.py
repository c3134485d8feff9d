"""The second chance of `make test`: a test that fails only beside others passes, a defect does not."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / 'resource' / 'failed_tests_alone.py'
# Each test fails at its first call; those named `defect` at every call.
TESTS = """
from pathlib import Path
import pytest

def tried(name):
    mark = Path(name)
    again = mark.exists()
    mark.touch()
    return again

@pytest.mark.parametrize('number', range({crowded}))
def test_crowded(number):
    assert tried(f'crowded{{number}}')

@pytest.mark.parametrize('number', range({defects}))
def test_defect(number):
    assert False

def test_fine():
    assert not tried('fine')  # a second call would fail
"""


@pytest.mark.parametrize(
    ('crowded', 'defects', 'status', 'told'),
    [
        (1, 0, 0, 'PASSED ALONE'),
        (1, 1, 1, 'Run again, alone:'),
        (4, 0, 1, '4 tests failed; up to 3 would be run again'),
    ],
)
def test_failed_tests_run_once_more_unless_there_are_many(tmp_path, crowded, defects, status, told):
    (tmp_path / 'pytest.ini').write_text('[pytest]\n')
    (tmp_path / 'test_sample.py').write_text(TESTS.format(crowded=crowded, defects=defects))
    subprocess.run([sys.executable, '-m', 'pytest', '-q'], cwd=tmp_path, timeout=60, check=False, capture_output=True)
    ended = subprocess.run(
        [sys.executable, SCRIPT], cwd=tmp_path, timeout=60, check=False, capture_output=True, text=True
    )
    assert ended.returncode == status, ended.stdout
    assert told in ended.stdout
