"""Tracks as MOTChallenge text, their scores on cases worked out by hand, and the annotated video."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from affect_perception.core.display.annotation import COLOURS
from affect_perception.errors import ConfigError
from affect_perception.evaluation.metrics import mot
from affect_perception.evaluation.offline.annotated_video import VideoWriter, annotated
from affect_perception.types import Affect, AffectFrame, Box, Frame, SmileLevel


def face(track_id: int, x: float, smile=(0.0, 0.0, 0.0, 1.0), intensity=0.9) -> Affect:
    return Affect(track_id, Box(x, 50, 40, 40), 0.9, smile, intensity)


def tracks(path: Path, frames: list[dict[int, float]]) -> Path:
    """A file with, for each frame, the left edge of each id's box."""
    lines = [mot.line(i, face(track_id, x)) for i, frame in enumerate(frames) for track_id, x in frame.items()]
    path.write_text(''.join(lines))
    return path


@pytest.fixture
def scored(tmp_path):
    pytest.importorskip('motmetrics', reason='needs the extra eval (make set-up brings it)')
    return lambda truth, result: mot.scores(tracks(tmp_path / 'truth', truth), tracks(tmp_path / 'result', result))


TRUTH = [{1: 10.0, 2: 200.0}] * 10


def test_line_counts_frames_from_one():
    assert mot.line(0, face(7, 12.5)) == '1,7,12.50,50.00,40.00,40.00,0.9000,-1,-1,-1\n'


def test_same_tracks_under_other_names_are_perfect(scored):
    got = scored(TRUTH, [{7: 10.0, 9: 200.0}] * 10)
    assert (got['idf1'], got['mota'], got['switches']) == (1.0, 1.0, 0)


def test_one_missed_face_in_twenty_costs_a_twentieth_of_mota(scored):
    got = scored(TRUTH, [{1: 10.0, 2: 200.0}] * 9 + [{1: 10.0}])
    assert got['misses'] == 1
    assert got['mota'] == pytest.approx(0.95)
    assert got['idf1'] == pytest.approx(2 * 19 / (20 + 19), abs=1e-4)


def test_ids_that_swap_half_way_halve_idf1(scored):
    got = scored(TRUTH, [{1: 10.0, 2: 200.0}] * 5 + [{2: 10.0, 1: 200.0}] * 5)
    assert got['switches'] == 2
    assert got['idf1'] == pytest.approx(0.5)


def test_truth_that_is_not_there_is_refused_in_one_line(tmp_path):
    pytest.importorskip('motmetrics', reason='needs the extra eval (make set-up brings it)')
    result = tracks(tmp_path / 'result', TRUTH)
    with pytest.raises(ConfigError, match='no_truth'):
        mot.scores(tmp_path / 'no_truth', result)


def test_truth_with_a_line_that_is_no_track_is_refused_with_its_number(tmp_path):
    (tmp_path / 'truth').write_text('1,1,10,10,5,5,1\nhello\n')
    with pytest.raises(ConfigError, match='line 2'):
        mot.read(tmp_path / 'truth')


def test_faces_are_marked_in_the_colour_of_their_level_and_the_picture_stays_as_it_was():
    rgb = np.zeros((720, 1280, 3), np.uint8)
    unknown = face(2, 300, (math.nan,) * 4, math.nan)
    picture = annotated(rgb, AffectFrame(0, '', 'first', (face(1, 100), unknown)))
    assert tuple(picture[90, 120]) == COLOURS[SmileLevel.HIGH]
    assert tuple(picture[90, 320]) == COLOURS[SmileLevel.UNKNOWN]
    assert not rgb.any()


def test_video_has_every_frame_also_when_sizes_differ(tmp_path):
    film = VideoWriter(tmp_path / 'annotated.mp4', 10.0)
    for i, (height, width) in enumerate([(120, 160), (120, 160), (60, 90)]):
        frame = Frame(i, '', np.full((height, width, 3), 60, np.uint8))
        film.write(frame, AffectFrame(i, '', 'first', (face(1, 10),)))
    film.close()
    capture = cv2.VideoCapture(str(tmp_path / 'annotated.mp4'))
    shapes = []
    while (read := capture.read())[0]:
        shapes.append(read[1].shape)
    assert shapes == [(120, 160, 3)] * 3
