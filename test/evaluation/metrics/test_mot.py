"""Tracks as MOTChallenge text, and their scores on cases worked out by hand."""

from pathlib import Path

import pytest

from affect_perception.errors import ConfigError
from affect_perception.evaluation.metrics import mot
from affect_perception.types import Affect, Box


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


def test_same_tracks_under_other_ids_are_perfect(scored):
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


def test_missing_truth_is_refused_in_one_line(tmp_path):
    pytest.importorskip('motmetrics', reason='needs the extra eval (make set-up brings it)')
    result = tracks(tmp_path / 'result', TRUTH)
    with pytest.raises(ConfigError, match='no_truth'):
        mot.scores(tmp_path / 'no_truth', result)


def test_truth_with_an_unusable_line_is_refused_with_its_number(tmp_path):
    (tmp_path / 'truth').write_text('1,1,10,10,5,5,1\nhello\n')
    with pytest.raises(ConfigError, match='line 2'):
        mot.read(tmp_path / 'truth')
