"""Text files that stay whole on a full disk; files of others, read with limits of size and time."""

import os
import subprocess

import pytest
from builders.full_disk import in_a_process_with_small_files

from affect_perception.runtime import files
from affect_perception.runtime.files import read_file, read_text_file


def test_table_on_a_full_disk_ends_with_a_whole_line(tmp_path):
    said = in_a_process_with_small_files(
        'from pathlib import Path; from affect_perception.runtime.files import LineFile\n'
        'from affect_perception.errors import AffectPerceptionError\n'
        f'file = LineFile(Path({str(tmp_path / "faces.csv")!r}))\n'
        'try:\n'
        '    for i in range(100_000): file.rows([[i, "x" * 90], [i, "y" * 7]])\n'
        'except AffectPerceptionError as error: print(error)'
    )
    lines = (tmp_path / 'faces.csv').read_text().split('\n')
    assert lines[-1] == ''
    assert all(line.endswith(('x' * 90, 'y' * 7)) for line in lines[:-1])
    assert f'its {len(lines) - 1} lines are whole' in said


def test_file_is_read_whole_and_a_larger_one_refused(tmp_path):
    (tmp_path / 'a').write_bytes(b'\xef\xbb\xbfone\r\ntwo')
    assert read_text_file(tmp_path / 'a') == 'one\ntwo'
    assert read_file(tmp_path / 'a', most=11) == b'\xef\xbb\xbfone\r\ntwo'
    with pytest.raises(OSError, match='larger than'):
        read_file(tmp_path / 'a', most=10)
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='no named pipes here')
def test_pipe_that_does_not_end_and_a_device_without_an_end_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, '_PIPE_S', 0.2)
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(OSError, match=r'not ended within 0\.2 s'):
        read_file(tmp_path / 'pipe')
    with pytest.raises(OSError, match='larger than 1 MB'):
        read_file('/dev/zero', most=2**20)


@pytest.mark.skipif(not os.path.isdir('/dev/fd'), reason='no files of descriptors here')
def test_what_a_program_pipes_in_is_read():
    program = subprocess.Popen(['sh', '-c', 'sleep 0.2; echo one; sleep 0.2; echo two'], stdout=subprocess.PIPE)
    assert read_file(f'/dev/fd/{program.stdout.fileno()}') == b'one\ntwo\n'
    assert program.wait(60) == 0
