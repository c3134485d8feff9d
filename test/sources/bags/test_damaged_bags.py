"""Damaged rosbags: the readable part is read, the loss is reported."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from builders.bags import EPOCH_NS, PERIOD_NS, ROS1, ROS2, image, shades, write_bag1, write_bag2
from builders.images import opened

from affect_perception.errors import ConfigError


def large(count: int, store=ROS2) -> list:
    """Noise of 700 kB each, so that a bag has many chunks."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (400, 600, 3), np.uint8) for _ in range(count)]
    stamps = [EPOCH_NS + i * PERIOD_NS for i in range(count)]
    return [(t, image(rgb, t, store)) for t, rgb in zip(stamps, images, strict=True)]


def cut(path: Path, share: float) -> Path:
    """The first part of a file, in its place."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def seen(source) -> list[int]:
    """The shade of every frame."""
    return [int(frame.rgb[0, 0, 0]) for frame in source]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_cut_off_rosbag2_is_read_to_its_end_and_the_loss_reported(tmp_path, storage):
    bag = write_bag2(tmp_path / 'bag', {'/image': large(10)}, storage)
    cut(next(bag.glob('bag.*')), 0.6)
    bad = []
    frames = list(opened(bag, bad))
    assert 4 <= len(frames) <= 6
    assert [frame.stamp_ns for frame in frames] == [EPOCH_NS + i * PERIOD_NS for i in range(len(frames))]
    assert len(bad) == 1
    assert f'{len(frames)} messages were found' in str(bad[0])


def without_index(data: bytes) -> bytes:
    at = data.index(b'index_pos=') + len('index_pos=')
    return data[:at] + bytes(8) + data[at + 8 :]


@pytest.mark.parametrize(
    'damage', [without_index, lambda data: data[: len(data) * 3 // 5]], ids=['no index', 'cut off']
)
def test_ros1_bag_without_a_usable_index_is_refused_with_the_command_that_repairs_it(tmp_path, damage):
    bag = write_bag1(tmp_path / 'walk.bag', {'/cam': shades(20, store=ROS1)})
    bag.write_bytes(damage(bag.read_bytes()))
    with pytest.raises(ConfigError, match=r'walk\.bag .*(index|Index).* repair a copy with `rosbag reindex`'):
        opened(bag)


def test_damaged_chunk_of_a_ros1_bag_ends_it_and_is_reported(tmp_path):
    bag = write_bag1(tmp_path / 'walk.bag', {'/cam': large(10, ROS1)}, 'lz4')
    data = bytearray(bag.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200_000] = bytes(200_000)
    bag.write_bytes(data)
    bad = []
    assert 4 <= len(list(opened(bag, bad))) <= 6
    assert len(bad) == 1
    assert 'the rest is not read' in str(bad[0])


def test_recording_that_was_killed_before_its_metadata_is_read(tmp_path):
    bag = write_bag2(tmp_path / 'bag', {'/image': shades(4)})
    (bag / 'metadata.yaml').unlink()
    assert seen(opened(bag)) == [0, 10, 20, 30]


def test_a_damaged_chunk_costs_only_itself(tmp_path):
    bag = write_bag2(tmp_path / 'bag', {'/image': large(10)}, 'mcap', 'storage')
    path = bag / 'bag.mcap'
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200_000] = bytes(200_000)
    path.write_bytes(data)
    bad = []
    assert len(list(opened(bag, bad))) == 8  # two pictures a chunk
    assert len(bad) == 1
    assert '1 chunks' in str(bad[0])


def test_cut_off_compressed_file_is_read_as_far_as_it_decompresses(tmp_path):
    bag = write_bag2(tmp_path / 'bag', {'/image': large(10)}, 'mcap', 'file')
    cut(bag / 'bag.mcap.zstd', 0.6)
    bad = []
    assert 3 <= len(list(opened(bag, bad))) <= 6
    assert 'cut off or damaged in its compression' in str(bad[0])
    assert len(bad) == 2


def test_write_ahead_log_of_a_killed_sqlite_recorder_is_read(tmp_path):
    whole = write_bag2(tmp_path / 'whole', {'/image': shades(4)}, 'sqlite3') / 'whole.db3'
    with contextlib.closing(sqlite3.connect(whole)) as database:
        database.execute('PRAGMA journal_mode = WAL')
        database.execute('DELETE FROM messages WHERE id > 2')
        database.commit()
        killed = tmp_path / 'killed.db3'
        for end in ('', '-wal'):
            shutil.copy(f'{whole}{end}', f'{killed}{end}')
    bad = []
    assert seen(opened(killed, bad)) == [0, 10]
    assert not bad


def test_missing_part_of_a_split_bag_is_reported(tmp_path):
    bag = write_bag2(tmp_path / 'bag', {'/image': shades(4)})
    text = (bag / 'metadata.yaml').read_text()
    (bag / 'metadata.yaml').write_text(text.replace('- bag.mcap', '- bag.mcap\n  - bag_1.mcap'))
    bad = []
    assert len(list(opened(bag, bad))) == 4
    assert 'bag_1.mcap' in str(bad[0])


@pytest.mark.parametrize('name', ['a.mcap', 'a.db3', 'a.bag'])
@pytest.mark.parametrize('content', [b'', b'no bag at all, but a text of some length, longer than any header would be'])
def test_file_that_is_no_bag_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=name):
        opened(tmp_path / name)
