"""Files made once: what does not fit its checksum is made anew, and a temporary folder does not stay."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from affect_perception.runtime.kept_files import cache_folder, discard, is_whole, kept, temporary_folder


class Maker:
    """Writes `content`, and counts how often."""

    def __init__(self, content: bytes = b'weights'):
        self.content, self.calls = content, 0

    def __call__(self, part: Path) -> None:
        self.calls += 1
        part.write_bytes(self.content)


def test_a_file_is_made_once_and_anew_when_it_was_cut_off_or_its_checksum_is_gone(tmp_path):
    make, path = Maker(), tmp_path / 'file.onnx'
    for damage, calls in (
        (lambda: None, 1),
        (lambda: None, 1),
        (lambda: path.write_bytes(b'wei'), 2),
        (lambda: path.with_name('file.onnx.sha256').write_bytes(b'\xff'), 3),
        (lambda: path.unlink(), 4),
        (lambda: discard(path), 5),
    ):
        damage()
        assert kept(path, make) == path
        assert (path.read_bytes(), make.calls) == (b'weights', calls)
    assert is_whole(path)


def test_a_maker_that_fails_leaves_nothing_behind(tmp_path):
    def fail(part: Path) -> None:
        part.write_bytes(b'half')
        raise RuntimeError('no memory')

    with pytest.raises(RuntimeError, match='no memory'):
        kept(tmp_path / 'file', fail)
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_replaced_by_one_temporary_folder(monkeypatch, tmp_path):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    assert cache_folder() == cache_folder() == temporary_folder()


def test_the_temporary_folder_is_removed_when_the_program_ends(tmp_path):
    code = (
        'from affect_perception.runtime.kept_files import cache_folder; '
        "(cache_folder() / 'large').write_bytes(bytes(10)); print(cache_folder())"
    )
    env = {**os.environ, 'XDG_CACHE_HOME': '/proc/nowhere', 'TMPDIR': str(tmp_path)}
    done = subprocess.run([sys.executable, '-c', code], env=env, cwd=ROOT, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).parent == tmp_path
    assert not list(tmp_path.iterdir())
