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


@pytest.fixture
def scored_lines(tmp_path):
    pytest.importorskip('motmetrics', reason='needs the extra eval (make set-up brings it)')

    def score(truth: str, result: list[dict[int, float]]) -> dict[str, float]:
        (tmp_path / 'truth').write_text(truth)
        return mot.scores(tmp_path / 'truth', tracks(tmp_path / 'result', result))

    return score


FLAGGED = ''.join(f'{i},1,10,50,40,40,1,1,1\n{i},2,200,50,40,40,0,1,1\n' for i in range(1, 11))


@pytest.mark.parametrize('result', [[{1: 10.0}] * 10, [{1: 10.0, 2: 200.0}] * 10])
def test_box_with_flag_zero_is_neither_missed_nor_a_false_alarm(scored_lines, result):
    got = scored_lines(FLAGGED, result)
    assert (got['mota'], got['true_boxes']) == (1.0, 10)


@pytest.mark.parametrize('between', [',', ', ', ' ', '\t', ' , '])
def test_truth_with_spaces_and_floats_is_read(scored_lines, between):
    truth = ''.join(between.join([f'{i}.0', '1.0', '10', '50', '40', '40', '1']) + '\n\n' for i in range(1, 11))
    assert scored_lines(truth, [{1: 10.0}] * 10)['mota'] == 1.0


@pytest.mark.parametrize(
    'line',
    ['0,1,1,1,5,5,1', '1.5,1,1,1,5,5,1', '1,1,nan,1,5,5,1', '1,1,1,1,inf,5,1', '1,1,1,1,1e999,5,1', '1,1,1,1,0,5,1',
     '1,1,1,1,5,5,1\n1,1,9,9,5,5,1', '1,1,1,1', '', '1,1,1,1,5,5,0'],
)  # fmt: skip
def test_unusable_truth_is_refused(tmp_path, line):
    (tmp_path / 'truth').write_text(f'{line}\n')
    with pytest.raises(ConfigError, match='truth'):
        mot.read_truth(tmp_path / 'truth')
