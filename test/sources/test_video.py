"""Video files as a source: stamps, loops, damaged files."""

import itertools

import numpy as np
import pytest
from builders.bombs import BOMBS
from builders.images import BadInputList, opened, write_video
from conftest import DATA

from affect_perception.errors import ConfigError

CLIPS = DATA / 'clips'
needs_clips = pytest.mark.skipif(not CLIPS.is_dir(), reason=f'{CLIPS} is not here')


def test_video_plays_every_frame_at_its_own_times(tmp_path):
    write_video(tmp_path / 'clip.avi', 12)
    source = opened(tmp_path / 'clip.avi')
    frames = list(source)
    assert (source.live, source.fps, source.size) == (False, 20.0, (64, 48))
    assert [round(f.stamp_ns / 1e6) for f in frames] == [50 * i for i in range(12)]
    assert all(abs(int(f.rgb[20, 20, 0]) - 10 * i) < 12 for i, f in enumerate(frames))
    assert [f.stamp_ns for f in source] == [f.stamp_ns for f in frames], 'a source can be read again'


def test_video_that_loops_goes_on_in_time(tmp_path):
    write_video(tmp_path / 'clip.avi', 3)
    stamps = [f.stamp_ns for f in itertools.islice(opened(tmp_path / 'clip.avi', loop=True), 8)]
    assert [round(s / 50e6) for s in stamps] == list(range(8))


def test_video_that_breaks_off_is_reported(tmp_path):
    write_video(tmp_path / 'clip.avi', 20, noisy=True)
    data = (tmp_path / 'clip.avi').read_bytes()
    (tmp_path / 'short.avi').write_bytes(data[: len(data) // 2])
    bad = BadInputList()
    frames = list(opened(tmp_path / 'short.avi', bad))
    assert 0 < len(frames) < 20
    assert bad.kinds == ['video']
    assert f'{len(frames)} of' in str(bad[0])


def test_closed_source_ends(tmp_path):
    write_video(tmp_path / 'clip.avi', 12)
    source = opened(tmp_path / 'clip.avi', loop=True)
    frames = []
    for frame in source:
        frames.append(frame)
        if len(frames) == 3:
            source.close()
    assert len(frames) == 3


@pytest.mark.data
@needs_clips
@pytest.mark.parametrize('name', sorted(path.name for path in CLIPS.glob('*.*')))
def test_shared_clip_plays_as_video(name):
    source = opened(CLIPS / name)
    stamps = [frame.stamp_ns for frame in itertools.islice(source, 40)]
    assert len(stamps) >= 35
    assert stamps[0] == 0
    steps = np.diff(stamps) / 1e9
    assert steps.min() > 0
    assert abs(np.median(steps) - 1 / source.fps) < 0.02


def test_file_that_is_neither_image_nor_video_is_refused(tmp_path):
    for name in ('notes.txt', 'notes.mp4', 'notes.jpg', 'notes.gif'):
        (tmp_path / name).write_text('words ' * 100)
        with pytest.raises(ConfigError, match=name):
            opened(tmp_path / name)


def test_gif_of_65535_x_65535_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / 'bomb.gif'
    path.write_bytes(BOMBS['gif'])
    with pytest.raises(ConfigError, match='65535x65535 is too large'):
        opened(path)
