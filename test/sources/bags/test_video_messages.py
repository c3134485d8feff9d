"""Bags whose images are packets of video codecs or compressed depth."""

import numpy as np
import pytest
from builders.bags import EPOCH_NS, PERIOD_NS, depth, shades, write_bag2
from builders.images import BadInputList, opened
from builders.media import portrait
from builders.video_bags import IMAGE, PACKET, REORDERED, VIDEO, compressed_depth, video_messages

from affect_perception.errors import ConfigError

COUNT = 6


def is_right(frames, first: int = 0) -> bool:
    """Whether the images are those of the portrait from number `first` on, with their stamps."""
    stamps = [frame.stamp_ns for frame in frames]
    off = [
        np.abs(f.rgb[..., 1].astype(int) - portrait(first + i)[..., 1]).mean() for i, f in enumerate(frames)
    ]  # by one px: about 9
    return stamps == [EPOCH_NS + (first + i) * PERIOD_NS for i in range(len(frames))] and max(off) < 5


@pytest.mark.parametrize('kind', [IMAGE, VIDEO, PACKET])
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_h264_is_decoded_with_the_stamps_of_its_packets(tmp_path, kind, storage):
    bad = BadInputList()
    source = opened(write_bag2(tmp_path / 'bag', {'/image/video': video_messages(kind, COUNT)}, storage), bad)
    frames = list(source)
    assert (len(frames), source.length, bad) == (COUNT, COUNT, [])
    assert {(frame.width, frame.height, frame.frame_id) for frame in frames} == {(320, 240, 'camera')}
    assert is_right(frames)


@pytest.mark.parametrize(
    ('codec', 'encoding', 'options'),
    [
        ('libx265', 'hevc', {'preset': 'ultrafast', 'x265-params': 'log-level=none:bframes=0:keyint=4', 'qp': '12'}),
        ('libx264', 'libx264;yuv420p;bgr8;bgr8', None),
        ('libvpx-vp9', 'vp9', {'deadline': 'realtime', 'lag-in-frames': '0', 'crf': '10'}),
        ('libx264', 'h264', REORDERED),
    ],
)
def test_other_codecs_and_reordered_images_are_decoded(tmp_path, codec, encoding, options):
    messages = video_messages(PACKET, COUNT, codec, encoding, options)
    bad = BadInputList()
    frames = list(opened(write_bag2(tmp_path / 'bag', {'/image/ffmpeg': messages}), bad))
    assert (len(frames), bad) == (COUNT, [])
    assert is_right(frames)


def test_recording_that_begins_between_key_frames_is_read_from_the_next_one(tmp_path):
    options = {'preset': 'ultrafast', 'tune': 'zerolatency', 'qp': '12', 'g': '4', 'keyint_min': '4'}
    messages = video_messages(VIDEO, 8, options=options)[2:]
    frames = [f for f in opened(write_bag2(tmp_path / 'bag', {'/image': messages})) if f.stamp_ns >= messages[2][0]]
    assert len(frames) == 4
    assert is_right(frames, 4)


def test_unknown_codec_of_video_packets_is_refused_by_name(tmp_path):
    messages = video_messages(PACKET, 2, encoding='cinepak')
    bad = BadInputList()
    assert not list(opened(write_bag2(tmp_path / 'bag', {'/image': messages}), bad))
    assert bad.kinds == ['compressed', 'compressed']
    assert "codec 'cinepak'; wanted h264" in str(bad[0])


def test_one_camera_is_read_once_whichever_transports_were_recorded(tmp_path):
    video = video_messages(PACKET, 2)
    bag = write_bag2(tmp_path / 'raw', {'/image/ffmpeg': video, '/image': shades(2)})
    assert opened(bag).topic == '/image'
    at = [(t, compressed_depth(np.full((48, 64), 900, np.uint16), t)) for t in (EPOCH_NS, EPOCH_NS + 1)]
    topics = {
        '/color/ffmpeg': video,
        '/color/compressed': video_messages(IMAGE, 2),
        '/depth/compressedDepth': at,
        '/depth': [(EPOCH_NS, depth(EPOCH_NS))],
    }
    assert opened(write_bag2(tmp_path / 'both', topics)).topic == '/color/compressed'


@pytest.mark.parametrize('form', ['png', 'rvl', ''])
def test_compressed_depth_beside_colour_is_ignored_and_alone_refused(tmp_path, form):
    messages = [(EPOCH_NS + i, compressed_depth(np.full((48, 64), 900, np.uint16), EPOCH_NS + i, form)) for i in (0, 1)]
    topics = {'/depth/compressedDepth': messages, '/color/image_raw': shades(2)}
    assert opened(write_bag2(tmp_path / 'colour', topics)).topic == '/color/image_raw'
    with pytest.raises(ConfigError, match=r'holds depth alone \(/depth/compressedDepth\)'):
        opened(write_bag2(tmp_path / 'depth', {'/depth/compressedDepth': messages}))


def test_compressed_depth_that_is_named_is_read_as_grey_images_from_png_and_refused_from_rvl(tmp_path):
    values = np.repeat(np.arange(64, dtype=np.uint16)[None] * 16, 48, axis=0)
    topics = {
        form: [(EPOCH_NS + i, compressed_depth(values, EPOCH_NS + i, form)) for i in (0, 1)] for form in ('png', 'rvl')
    }
    bag = write_bag2(tmp_path / 'bag', {f'/{form}': messages for form, messages in topics.items()})
    frames = list(opened(bag, bag_topic='/png'))
    assert [frame.rgb.shape for frame in frames] == [(48, 64, 3)] * 2
    assert frames[0].rgb[0, :, 0].tolist() == [4 * i for i in range(64)], 'ten bits, divided by four'
    bad = BadInputList()
    assert not list(opened(bag, bad, bag_topic='/rvl'))
    assert 'depth in RVL' in str(bad[0])
