"""Images of rosbags of every kind: order, stamps, choice of the topic."""

import contextlib
import sqlite3

import pytest
from builders.bags import (
    EPOCH_NS,
    PERIOD_NS,
    ROS1,
    compressed,
    depth,
    image,
    shades,
    write_bag1,
    write_bag2,
)
from builders.images import BadInputList, opened, plain

from affect_perception.errors import ConfigError

COUNT = 12
BAG2 = [(storage, how) for storage in ('mcap', 'sqlite3') for how in ('', 'file', 'message')] + [('mcap', 'storage')]


def seen(source) -> list[int]:
    """The shade of every frame."""
    return [int(frame.rgb[0, 0, 0]) for frame in source]


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


def test_images_without_a_stamp_get_the_time_of_their_recording(tmp_path):
    bad = []
    bag = write_bag2(tmp_path / 'bag', {'/image': [(EPOCH_NS + i, image(plain(i), 0)) for i in range(3)]})
    assert [frame.stamp_ns for frame in opened(bag, bad)] == [EPOCH_NS, EPOCH_NS + 1, EPOCH_NS + 2]
    assert [error.kind for error in bad] == ['stamp']


def test_unusable_image_is_reported_and_skipped(tmp_path):
    pictures = shades(3)
    pictures[1][1].encoding = 'rgb9'
    bad = []
    assert seen(opened(write_bag2(tmp_path / 'bag', {'/image': pictures}), bad)) == [0, 20]
    assert [error.kind for error in bad] == ['encoding']


def test_bag_without_definitions_is_read_as_before_iron(tmp_path):
    bag = write_bag2(tmp_path / 'bag', {'/image': shades(3)}, 'sqlite3')
    with contextlib.closing(sqlite3.connect(bag / 'bag.db3')) as database:
        database.executescript(
            'UPDATE schema SET schema_version = 3; DROP TABLE message_definitions; '
            'ALTER TABLE topics DROP COLUMN type_description_hash'
        )
    assert seen(opened(bag)) == [0, 10, 20]


def test_a_bag_of_depth_alone_is_refused_unless_its_topic_is_named(tmp_path):
    messages = [(EPOCH_NS + i, depth(EPOCH_NS + i)) for i in range(3)]
    bag = write_bag2(tmp_path / 'bag', {'/camera/depth/image_rect_raw': messages})
    with pytest.raises(ConfigError, match='holds depth alone'):
        opened(bag)
    assert len(list(opened(bag, bag_topic='/camera/depth/image_rect_raw'))) == 3
    grey = write_bag2(tmp_path / 'grey', {'/infrared': messages})
    assert len(list(opened(grey))) == 3


def test_stamps_that_are_stuck_give_way_to_the_times_of_recording_with_one_warning(tmp_path):
    messages = [(EPOCH_NS + i * PERIOD_NS, image(plain(10 * i), 5_000_000_000)) for i in range(12)]
    bag, bad = write_bag2(tmp_path / 'bag', {'/image': messages}), BadInputList()
    assert [frame.stamp_ns for frame in opened(bag, bad)] == [at for at, _ in messages]
    assert bad.kinds == ['stamp']
    assert 'stamped 5.000 s' in str(bad[0])


def test_stamps_that_begin_at_zero_give_way_to_the_times_of_recording(tmp_path):
    messages = [(EPOCH_NS + i * PERIOD_NS, image(plain(10 * i), i * PERIOD_NS)) for i in range(12)]
    bag, bad = write_bag2(tmp_path / 'bag', {'/image': messages}), BadInputList()
    assert [frame.stamp_ns for frame in opened(bag, bad)] == [at for at, _ in messages]
    assert bad.kinds == ['stamp']
