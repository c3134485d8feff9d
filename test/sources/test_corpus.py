"""Every file of the corpus is read right: number, times, size and content of its frames, and a face in each.

Label files are in evaluation/labels/test_label_files.py, streams in test_stream.py and test_media_stream.py.
"""

import cv2
import numpy as np
import pytest
from builders.bags import write_bag1, write_bag2
from builders.corpus import CLIPS
from builders.corpus_bags import AT, BAGS
from builders.corpus_pictures import PICTURES, write_picture
from builders.images import BadInputList, opened
from builders.media import portrait

from affect_perception.core.images import heif
from affect_perception.errors import ConfigError
from affect_perception.sources.file_kinds import BAG, IMAGE, VIDEO, kind_of


@pytest.fixture(scope='module')
def faces_in():
    """Number of faces in an image."""
    pytest.importorskip('dlib', reason='needs dlib (pip install dlib-bin)')
    from affect_perception.detectors.dlib.hog import DlibHog

    detector = DlibHog()
    return lambda rgb: len(detector.detect(rgb))


@pytest.mark.parametrize('name', CLIPS)
def test_clip_is_read_right(name, tmp_path, faces_in):
    expected, path, bad = CLIPS[name], tmp_path / name, BadInputList()
    expected.write(path)
    assert kind_of(path).kind == VIDEO
    source = opened(path, bad)
    frames = list(source)
    if expected.report:
        assert [error.kind for error in bad] == ['video']
        assert expected.report in str(bad[0])
        assert frames
        return
    assert not bad
    assert source.size == (frames[0].width, frames[0].height) == expected.size
    assert [frame.stamp_ns * 1e-9 for frame in frames] == pytest.approx(expected.times_s, abs=0.026)
    shown = cv2.resize(portrait(expected.shift), expected.size)
    assert np.abs(frames[0].rgb.astype(int) - shown).mean() < expected.tolerance
    assert all(faces_in(frame.rgb) == 1 for frame in frames[::4])


def test_clip_gives_the_same_bytes_each_time(tmp_path):
    CLIPS['interlaced_h264.mp4'].write(tmp_path / 'clip.mp4')
    first, second = (list(opened(tmp_path / 'clip.mp4')) for _ in range(2))
    assert [(f.stamp_ns, f.rgb.tobytes()) for f in first] == [(f.stamp_ns, f.rgb.tobytes()) for f in second]


def grey(rgb):
    return np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)


@pytest.mark.parametrize('name', PICTURES)
def test_picture_is_read_right(name, tmp_path, faces_in):
    if name.endswith('.heic') and not heif._has_heif():
        pytest.skip('needs pi-heif (pip install affect-perception[heif])')
    expected, bad = PICTURES[name], BadInputList()
    path = write_picture(tmp_path, name)
    assert kind_of(path).kind == IMAGE
    source = opened(tmp_path, bad)
    (frame,) = source
    assert not bad
    assert [status.status for status in source.file_statuses] == ['read']
    assert (frame.width, frame.height) == expected.size
    shown = cv2.resize(frame.rgb, (320, 240), interpolation=cv2.INTER_AREA)
    wanted = grey(portrait()) if expected.is_grey else portrait()
    assert np.abs(shown.astype(int) - wanted).mean() < expected.tolerance
    assert faces_in(shown) == 1


@pytest.mark.parametrize('name', BAGS)
def test_bag_is_read_right_or_refused_by_name(name, tmp_path, faces_in):
    expected, bad = BAGS[name], BadInputList()
    topics = expected.topics()
    path = write_bag1(tmp_path / 'a.bag', topics) if expected.is_ros1 else write_bag2(tmp_path / 'bag', topics)
    assert kind_of(path).kind == BAG
    if expected.refused:
        with pytest.raises(ConfigError, match=expected.refused):
            opened(path, bad)
        return
    frames = list(opened(path, bad))
    assert len(bad) == len(expected.reports)
    assert all(text in str(error) for text, error in zip(expected.reports, bad, strict=True))
    if len(bad) == len(AT):  # of every image
        assert not frames
        return
    assert [frame.stamp_ns for frame in frames] == AT
    wanted = [grey(portrait(i)) if expected.is_grey else portrait(i) for i in range(len(AT))]
    off = [np.abs(f.rgb.astype(int) - w).mean() for f, w in zip(frames, wanted, strict=True)]
    assert max(off) < expected.tolerance
    assert all(faces_in(frame.rgb) == 1 for frame in frames[::3])
