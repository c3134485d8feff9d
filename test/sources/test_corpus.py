"""Every file of the corpus is read right: number, times, size and content of its frames, and a face in each."""

import cv2
import numpy as np
import pytest
from builders.corpus import CLIPS
from builders.images import BadInputList, opened
from builders.media import portrait

from affect_perception.sources.file_kinds import VIDEO, kind_of


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
