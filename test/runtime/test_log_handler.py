"""Log records of the package: one handler, lines on stderr or in another sink, seen in real commands."""

import json
import logging
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from affect_perception.runtime import log_handler
from affect_perception.runtime.log_handler import log_to


@pytest.fixture
def log():
    """A logger of the package; the handler and level of before are put back."""
    root = logging.getLogger(log_handler.ROOT)
    before = list(root.handlers), root.level, root.propagate
    yield logging.getLogger('affect_perception.inference.test')
    root.handlers, root.propagate = before[0], before[2]
    root.setLevel(before[1])


def test_records_are_lines_on_stderr_with_level_and_name(log, capsys):
    log_to()
    log.info('exporting %s once', 'smile_va')
    log.warning('left out')
    log.debug('not shown')
    assert capsys.readouterr().err.splitlines() == [
        '[INFO] [affect_perception.inference.test]: exporting smile_va once',
        '[WARN] [affect_perception.inference.test]: left out',
    ]


def test_another_sink_replaces_the_first_and_no_line_comes_twice(log, capsys):
    records = []
    log_to()
    log_to(lambda *record: records.append(record))
    log.error('no memory')
    assert records == [(logging.ERROR, 'affect_perception.inference.test', 'no memory')]
    assert capsys.readouterr().err == ''


def test_sink_that_fails_does_not_end_the_work(log, monkeypatch):
    monkeypatch.setattr(logging, 'raiseExceptions', False)

    def broken(*_):
        raise OSError('the terminal is gone')

    log_to(broken)
    log.info('going on')


def test_importing_the_library_configures_no_logging():
    code = (
        'import logging, affect_perception.runtime.log_handler; print(logging.getLogger("affect_perception").handlers)'
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert result.stdout.strip() == '[]', result.stderr


@pytest.mark.slow
def test_first_evaluation_says_on_stderr_what_it_prepares_and_why_it_chose_its_backend(tmp_path):
    (tmp_path / 'in').mkdir()
    cv2.imwrite(str(tmp_path / 'in' / '1.png'), np.full((120, 160, 3), 80, np.uint8))
    command = [sys.executable, '-m', 'affect_perception.cli', 'evaluate', str(tmp_path / 'in'), '--out']
    result = subprocess.run(
        [*command, str(tmp_path / 'out'), '--detector', 'dlib_hog'],
        env=os.environ | {'XDG_CACHE_HOME': str(tmp_path / 'cache')},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    lines = [line for line in result.stderr.splitlines() if '[affect_perception.inference' in line]
    assert any('smile_va on cpu' in line for line in lines), result.stderr
    assert any('backend' in line.lower() for line in lines), result.stderr
    if any('onnx' in line for line in lines):  # a backend that needs an export is installed
        assert any('once' in line for line in lines), result.stderr
    assert json.loads(result.stdout.splitlines()[-1])['frames'] == 1
