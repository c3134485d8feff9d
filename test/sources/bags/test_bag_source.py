"""Images from bags of every kind: order, stamps, which topic, and what is left of a damaged one."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from builders.bags import (
    EPOCH_NS,
    PERIOD_NS,
    ROS1,
    compressed,
    depth,
    image,
    plain,
    shades,
    write_bag1,
    write_bag2,
)

from affect_perception.errors import ConfigError
from affect_perception.settings import SourceSettings
from affect_perception.sources import open_source
from affect_perception.sources.playback_clock import PlayingTime

COUNT = 12
BAG2 = [(storage, how) for storage in ('mcap', 'sqlite3') for how in ('', 'file', 'message')] + [('mcap', 'storage')]


def opened(path: Path, bad: list | None = None, **settings):
    return open_source(SourceSettings(source=str(path), **settings), [].append if bad is None else bad.append)


def seen(source) -> list[int]:
    """The shade of every frame."""
    return [int(frame.rgb[0, 0, 0]) for frame in source]


def large(count: int) -> list:
    """Noise of 700 kB each, so that a bag has many chunks."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (400, 600, 3), np.uint8) for _ in range(count)]
    return [(EPOCH_NS + i * PERIOD_NS, image(picture, EPOCH_NS + i * PERIOD_NS)) for i, picture in enumerate(pictures)]


def cut(path: Path, share: float) -> Path:
    """The first part of a file, in its place."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


# ---- whole bags ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(('storage', 'compression'), BAG2)
def test_rosbag2_gives_its_images_with_the_stamps_of_their_headers(tmp_path, storage, compression):
    bad = []
    source = opened(write_bag2(tmp_path / 'bag', {'/image': shades(COUNT)}, storage, compression), bad)
    frames = list(source)
    assert [frame.stamp_ns for frame in frames] == [EPOCH_NS + i * PERIOD_NS for i in range(COUNT)]
    assert [int(frame.rgb[0, 0, 0]) for frame in frames] == [10 * i for i in range(COUNT)]
    assert {frame.frame_id for frame in frames} == {'camera'}
    assert (source.live, source.length, source.fps, bad) == (False, COUNT, 20.0, [])


@pytest.mark.parametrize('compression', ['', 'bz2', 'lz4'])
def test_ros1_bag_gives_its_images_too(tmp_path, compression):
    bag = write_bag1(tmp_path / 'walk.bag', {'/cam': shades(COUNT, store=ROS1)}, compression)
    frames = list(opened(bag))
    assert [frame.stamp_ns for frame in frames] == [EPOCH_NS + i * PERIOD_NS for i in range(COUNT)]
    assert [int(frame.rgb[0, 0, 0]) for frame in frames] == [10 * i for i in range(COUNT)]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_storage_file_alone_is_a_bag(tmp_path, storage):
    bag = write_bag2(tmp_path / 'bag', {'/image': shades(3)}, storage, 'message')
    assert seen(opened(next(bag.glob('bag.*')))) == [0, 10, 20]


@pytest.mark.parametrize('make', [compressed, lambda rgb, t: image(rgb, t, encoding='bgr8')])
def test_compressed_and_other_encodings_become_rgb(tmp_path, make):
    assert seen(opened(write_bag2(tmp_path / 'bag', {'/image': shades(4, make)}))) == [0, 10, 20, 30]


def test_encodings_and_sizes_may_change_within_a_bag(tmp_path):
    pictures = [
        image(plain(10), 1),
        image(plain(20), 2, encoding='bgr8'),
        image(plain(30, 32, 24), 3, encoding='mono8'),
    ]
    bag = write_bag2(tmp_path / 'bag', {'/image': [(EPOCH_NS + i, p) for i, p in enumerate(pictures)]})
    assert [(int(f.rgb[0, 0, 0]), f.width) for f in opened(bag)] == [(10, 64), (20, 64), (30, 32)]


def test_looped_bag_goes_on_in_time(tmp_path):
    frames = []
    source = opened(write_bag2(tmp_path / 'bag', {'/image': shades(3)}), loop=True)
    for frame in source:
        frames.append(frame)
        if len(frames) == 7:
            source.close()
    assert [frame.stamp_ns - EPOCH_NS for frame in frames] == [i * PERIOD_NS for i in range(7)]


# ---- which topic ---------------------------------------------------------------------------------------------------


def test_depth_and_the_compressed_twin_of_a_topic_do_not_count(tmp_path):
    topics = {
        '/depth': [(EPOCH_NS, depth(EPOCH_NS))],
        '/image': shades(2),
        '/image/compressed': shades(2, compressed),
    }
    assert opened(write_bag2(tmp_path / 'bag', topics)).topic == '/image'


def test_two_cameras_are_listed_and_one_can_be_chosen(tmp_path):
    bag = write_bag2(tmp_path / 'bag', {'/left': shades(2), '/right': shades(3)})
    with pytest.raises(ConfigError, match='--bag-topic /left or /right'):
        opened(bag)
    assert len(list(opened(bag, bag_topic='right'))) == 3
    with pytest.raises(ConfigError, match=r'/left \(sensor_msgs/msg/Image, 2\)'):
        opened(bag, bag_topic='/middle')


def test_bag_without_images_lists_its_topics(tmp_path):
    bag = write_bag2(tmp_path / 'bag', {'/only': [(EPOCH_NS, compressed(plain(1), 1).header)]})
    with pytest.raises(ConfigError, match=r'no images; its topics: /only \(std_msgs/msg/Header, 1\)'):
        opened(bag)


# ---- bad input -----------------------------------------------------------------------------------------------------


def test_images_without_a_stamp_get_the_time_of_their_recording(tmp_path):
    bad = []
    bag = write_bag2(tmp_path / 'bag', {'/image': [(EPOCH_NS + i, image(plain(i), 0)) for i in range(3)]})
    assert [frame.stamp_ns for frame in opened(bag, bad)] == [EPOCH_NS, EPOCH_NS + 1, EPOCH_NS + 2]
    assert [error.kind for error in bad] == ['stamp']


def test_image_that_cannot_be_used_is_told_and_the_next_one_comes(tmp_path):
    pictures = shades(3)
    pictures[1][1].encoding = 'rgb9'
    bad = []
    assert seen(opened(write_bag2(tmp_path / 'bag', {'/image': pictures}), bad)) == [0, 20]
    assert [error.kind for error in bad] == ['encoding']


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_cut_off_rosbag2_gives_what_is_there_and_states_the_loss(tmp_path, storage):
    bag = write_bag2(tmp_path / 'bag', {'/image': large(10)}, storage)
    cut(next(bag.glob('bag.*')), 0.6)
    bad = []
    frames = list(opened(bag, bad))
    assert 4 <= len(frames) <= 6
    assert [frame.stamp_ns for frame in frames] == [EPOCH_NS + i * PERIOD_NS for i in range(len(frames))]
    assert len(bad) == 1 and f'{len(frames)} messages were found' in str(bad[0])


def test_cut_off_ros1_bag_gives_what_is_there_and_states_the_loss(tmp_path):
    bag = write_bag1(tmp_path / 'walk.bag', {'/cam': [(t, _as_ros1(m)) for t, m in large(10)]})
    bad = []
    frames = list(opened(cut(bag, 0.6), bad))
    assert 4 <= len(frames) <= 6
    assert len(bad) == 1 and 'cannot be read' in str(bad[0])


def test_ros1_bag_without_its_index_loses_nothing(tmp_path):
    whole = write_bag1(tmp_path / 'walk.bag', {'/cam': shades(3, store=ROS1)}).read_bytes()
    at = whole.index(b'index_pos=') + len('index_pos=')
    (tmp_path / 'walk.bag.active').write_bytes(whole[:at] + bytes(8) + whole[at + 8 :])
    bad = []
    assert seen(opened(tmp_path / 'walk.bag.active', bad)) == [0, 10, 20]
    assert not bad


def _as_ros1(msg):
    rgb = np.asarray(msg.data).reshape(msg.height, msg.width, 3)
    return image(rgb, msg.header.stamp.sec * 10**9 + msg.header.stamp.nanosec, ROS1)


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
    assert len(bad) == 1 and '1 chunks' in str(bad[0])


def test_cut_off_compressed_file_gives_what_comes_out(tmp_path):
    bag = write_bag2(tmp_path / 'bag', {'/image': large(10)}, 'mcap', 'file')
    cut(bag / 'bag.mcap.zstd', 0.6)
    bad = []
    assert 3 <= len(list(opened(bag, bad))) <= 6
    assert 'cut off or damaged in its compression' in str(bad[0])
    assert len(bad) == 2


def test_bag_without_definitions_is_read_as_before_iron(tmp_path):
    bag = write_bag2(tmp_path / 'bag', {'/image': shades(3)}, 'sqlite3')
    with contextlib.closing(sqlite3.connect(bag / 'bag.db3')) as database:
        database.executescript(
            'UPDATE schema SET schema_version = 3; DROP TABLE message_definitions; '
            'ALTER TABLE topics DROP COLUMN type_description_hash'
        )
    assert seen(opened(bag)) == [0, 10, 20]


def test_what_a_killed_sqlite_recorder_had_in_its_log_is_read(tmp_path):
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


def test_missing_part_of_a_split_bag_is_told(tmp_path):
    bag = write_bag2(tmp_path / 'bag', {'/image': shades(4)})
    text = (bag / 'metadata.yaml').read_text()
    (bag / 'metadata.yaml').write_text(text.replace('- bag.mcap', '- bag.mcap\n  - bag_1.mcap'))
    bad = []
    assert len(list(opened(bag, bad))) == 4
    assert 'bag_1.mcap' in str(bad[0])


@pytest.mark.parametrize('name', ['a.mcap', 'a.db3', 'a.bag'])
@pytest.mark.parametrize('content', [b'', b'no bag at all, but a text of some length, longer than any header would be'])
def test_what_is_no_bag_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=name):
        opened(tmp_path / name)


# ---- playing -------------------------------------------------------------------------------------------------------


def test_playing_time_begins_at_zero_and_closes_jumps_to_one_frame():
    clock = PlayingTime(10.0)
    stamps = [EPOCH_NS, EPOCH_NS + 2 * 10**9, EPOCH_NS, EPOCH_NS + 3600 * 10**9]
    assert [clock.since_start(t) for t in stamps] == [0, 2 * 10**9, 21 * 10**8, 22 * 10**8]
