"""Clips with judged levels: read with the faces found in them, refused with the reason."""

import cv2
import numpy as np
import pytest
from builders.training import TINY

from affect_perception.errors import ConfigError
from affect_perception.training.data.level_clips import read_level_clips

skimage_data = pytest.importorskip('skimage.data', reason='needs scikit-image')
pytest.importorskip('dlib', reason='dlib is not installed')


def clip_of(folder, pictures) -> None:
    writer = cv2.VideoWriter(str(folder / 'one.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 10.0, (256, 256))
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()


def test_frames_with_a_face_are_kept_with_their_level_and_the_time_between_them(tmp_path):
    face = skimage_data.astronaut()[:256, 96:352]
    clip_of(tmp_path, [face, np.zeros_like(face), face, face])
    (tmp_path / 'levels.csv').write_text('clip,frame,level\none.avi,0,low\none.avi,3,high\n')
    (clip,) = read_level_clips(tmp_path, TINY)
    assert clip.crops.shape == (3, 48, 48)
    assert clip.gaps_s.tolist() == pytest.approx([0.1, 0.2, 0.1], abs=0.01)
    assert clip.level.tolist() == pytest.approx([1, np.nan, 3], nan_ok=True)


def test_missing_table_an_unknown_level_and_a_clip_without_a_face_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r'cannot read .*levels\.csv'):
        read_level_clips(tmp_path, TINY)
    (tmp_path / 'levels.csv').write_text('clip,frame,level\none.avi,0,grin\n')
    with pytest.raises(ConfigError, match='grin'):
        read_level_clips(tmp_path, TINY)
    clip_of(tmp_path, [np.zeros((256, 256, 3), np.uint8)])
    (tmp_path / 'levels.csv').write_text('clip,frame,level\none.avi,0,low\n')
    with pytest.raises(ConfigError, match=r'no face found in .*one\.avi'):
        read_level_clips(tmp_path, TINY)
