"""The bag writer on a slow and on a full disk: what is dropped is counted, what was written can be read."""

import os
import threading

import pytest

pytest.importorskip('rosbags', reason='needs rosbags (pip install affect-perception[bags])')

from builders.full_disk import in_a_process_with_small_files, put

from affect_perception.ros.bag_writer import BagWriter
from affect_perception.sources.bags.reader import BagReader


class SlowDisk(BagWriter):
    """Writes only while `free` is set."""

    def __init__(self, *given, **options):
        self.free = threading.Event()
        super().__init__(*given, **options)

    def _write(self, *item):
        self.free.wait()
        super()._write(*item)


def test_slow_disk_drops_what_does_not_fit_counts_it_and_says_so_once(tmp_path):
    said = []
    writer = SlowDisk(tmp_path / 'bag', said.append, queue_bytes=10_000)
    put(writer, 100, 1000)
    writer.free.set()
    writer.close()
    assert writer.dropped in (89, 90)  # ten wait, one more if the first was already being written
    assert writer.written['/words'] == 100 - writer.dropped
    assert len(said) == 1
    assert 'dropped' in said[0]
    assert BagReader(tmp_path / 'bag', said.append).counts['/words'] == 100 - writer.dropped


def test_bag_on_a_full_disk_keeps_what_was_written(tmp_path):
    said = in_a_process_with_small_files(
        'from pathlib import Path; from builders.full_disk import put\n'
        'from affect_perception.ros.bag_writer import BagWriter\n'
        f'writer = BagWriter(Path({str(tmp_path / "bag")!r}), print)\n'
        'put(writer, 60, 100_000); writer.close(); print(bool(writer.stopped))'
    )
    assert 'stopped' in said
    assert said.endswith('True\n')
    bad = []
    reader = BagReader(tmp_path / 'bag', bad.append)
    assert 20 <= len(list(reader.messages('/words'))) < 30
    assert len(bad) == 1
    assert 'messages were found' in str(bad[0])


def test_recording_ends_whole_before_the_disk_is_full(tmp_path, monkeypatch):
    disk = tmp_path / 'disk'
    disk.mkdir()
    if os.system(f'mount -t tmpfs -o size=6m tmpfs {disk} 2>/dev/null'):
        pytest.skip('needs the right to mount a small disk')
    try:
        said = []
        writer = BagWriter(disk / 'bag', said.append)
        put(writer, 100, 100_000)
        writer.close()
        assert len(said) == 1
        assert 'almost full' in said[0]
        bad = []
        assert BagReader(disk / 'bag', bad.append).counts['/words'] == writer.written['/words'] > 30
        assert not bad
    finally:
        os.system(f'umount {disk}')


def test_recording_is_for_its_user_alone(tmp_path):
    before = os.umask(0o022)
    try:
        writer = BagWriter(tmp_path / 'bag', print)
        writer.close()
    finally:
        os.umask(before)
    assert (tmp_path / 'bag').stat().st_mode & 0o777 == 0o700
    assert next((tmp_path / 'bag').glob('*.mcap')).stat().st_mode & 0o777 == 0o600


def test_message_that_cannot_be_written_is_counted_and_the_next_one_is_recorded(tmp_path):
    said = []
    writer = BagWriter(tmp_path / 'bag', said.append)
    for _ in range(2):
        writer.put('/nonsense', 'no_package/msg/Nothing', 10**18, b'')
    put(writer, 3, 100)
    writer.close()
    assert (writer.failed, writer.stopped, writer.written) == (2, '', {'/words': 3})
    assert len(said) == 1
    assert 'a message of /nonsense cannot be written' in said[0]
    assert BagReader(tmp_path / 'bag', said.append).counts['/words'] == 3


def test_error_of_any_kind_ends_the_recording_and_is_said(tmp_path):
    class Broken(BagWriter):
        def _has_room(self, more):
            raise LookupError('injected')

    said = []
    writer = Broken(tmp_path / 'bag', said.append)
    put(writer, 3, 100)
    writer.close()
    assert 'LookupError: injected' in writer.stopped
    assert len(said) == 1


def test_closing_gives_up_a_disk_that_takes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr('affect_perception.ros.bag_writer.CLOSE_S', 0.1)
    said = []
    writer = SlowDisk(tmp_path / 'bag', said.append)
    put(writer, 3, 100)
    writer.close()
    assert 'has taken nothing' in writer.stopped
    assert len(said) == 1
    writer.free.set()
