"""The annotated video: colours of the smile levels, and every frame at one size."""

import math

import cv2
import numpy as np
import pytest
from builders.corpus import CLIPS
from builders.images import opened
from builders.media import portrait

from affect_perception.core.display.annotation import COLOURS, annotated
from affect_perception.evaluation.offline.annotated_video import VideoWriter
from affect_perception.types import Affect, AffectFrame, Box, Frame, SmileLevel


def face(track_id: int, x: float, smile=(0.0, 0.0, 0.0, 1.0), intensity=0.9) -> Affect:
    return Affect(track_id, Box(x, 50, 40, 40), 0.9, smile, intensity)


def test_faces_are_marked_in_the_colour_of_their_level_and_the_image_stays_unchanged():
    rgb = np.zeros((720, 1280, 3), np.uint8)
    unknown = face(2, 300, (math.nan,) * 4, math.nan)
    picture = annotated(rgb, AffectFrame(0, '', 'first', (face(1, 100), unknown)))
    assert tuple(picture[90, 120]) == COLOURS[SmileLevel.HIGH]
    assert tuple(picture[90, 320]) == COLOURS[SmileLevel.UNKNOWN]
    assert not rgb.any()


def test_video_has_every_frame_also_when_sizes_differ(tmp_path):
    video = VideoWriter(tmp_path / 'annotated.mp4', 10.0)
    for i, (height, width) in enumerate([(120, 160), (120, 160), (60, 90)]):
        frame = Frame(i, '', np.full((height, width, 3), 60, np.uint8))
        video.write(frame, AffectFrame(i, '', 'first', (face(1, 10),)))
    video.close()
    capture = cv2.VideoCapture(str(tmp_path / 'annotated.mp4'))
    shapes = []
    while (read := capture.read())[0]:
        shapes.append(read[1].shape)
    assert shapes == [(120, 160, 3)] * 3


@pytest.mark.parametrize(
    'name', ['variable.mp4', 'late_picture.mkv', 'turned_90.mp4', 'wide_pixels.mp4', 'turned_wide_pixels.mp4']
)
def test_video_follows_clock_rotation_and_display_size_of_its_source(tmp_path, name):
    CLIPS[name].write(tmp_path / name)
    source = opened(tmp_path / name)
    video = VideoWriter(tmp_path / 'annotated.mp4', source.fps, source.time_zero_s)
    for frame in source:
        video.write(frame, AffectFrame(frame.stamp_ns, '', 'first', ()))
    video.close()
    frames = list(opened(tmp_path / 'annotated.mp4'))
    assert {(frame.width, frame.height) for frame in frames} == {CLIPS[name].size}
    begin_s = CLIPS[name].times_s[0]  # players show an edit list, or count from the first picture
    times = [frame.stamp_ns * 1e-9 for frame in frames]
    assert [t - times[0] for t in times] == pytest.approx([t - begin_s for t in CLIPS[name].times_s], abs=0.002)
    assert np.abs(frames[0].rgb.astype(int) - portrait()).mean() < 10
