"""Counts of `bench ids` on scripted tracks of two people."""

import json

import numpy as np
import pytest

from affect_perception.bench import identities
from affect_perception.errors import ConfigError
from affect_perception.settings import TrackerSettings


def tracked(ids, out):
    """`ids` (F, 2): the track on each person, 0 for none; `out` (F, 2) bool."""
    accumulator = pytest.importorskip('motmetrics').MOTAccumulator(auto_id=True)
    for row, gone in zip(ids, out, strict=True):
        here = np.nonzero(~gone)[0]
        tracks = [row[p] for p in here if row[p]]
        distance = np.array([[0.1 if row[p] == t else np.nan for t in tracks] for p in here]).reshape(
            len(here), len(tracks)
        )
        accumulator.update(here, tracks, distance)
    return identities.TrackedScene('made up', 0, accumulator, ~out, out)


def two(one, other):
    """Tracked scene from (id, seconds) of each person; id None: outside the image."""
    ids = np.array([[i or 0 for i, s in stays for _ in range(round(s * identities.FPS))] for stays in (one, other)]).T
    return tracked(ids, ids == 0)


@pytest.mark.parametrize(('back', 'right'), [(1, 1), (3, 0)])
def test_return_counts_as_right_only_with_the_old_id(back, right):
    found = identities.id_events(two([(1, 1), (None, 6), (back, 1)], [(2, 8)]))
    assert (found['returns'], found['returns_right']) == (1, right)


def test_short_absence_is_no_return():
    assert identities.id_events(two([(1, 1), (None, 2), (1, 1)], [(2, 4)]))['returns'] == 0


@pytest.mark.parametrize(('given', 'wrong'), [(2, 0), (1, 1)])
def test_newcomer_with_the_id_of_one_who_left_is_wrong(given, wrong):
    found = identities.id_events(two([(1, 2), (None, 3)], [(None, 3), (given, 2)]))
    assert (found['newcomers'], found['newcomers_wrong']) == (1, wrong)


def test_exchange_of_two_visible_people_is_a_swap():
    assert identities.id_events(two([(1, 1), (2, 1)], [(2, 1), (1, 1)]))['swaps'] == 2
    assert identities.id_events(two([(1, 2)], [(2, 2)]))['swaps'] == 0


def test_visitors_come_in_turns_and_the_first_group_twice():
    script = identities.visitors_script(8, 16 / 9, 0)
    assert [len(p.keys) for p in script.people] == [12] * 8 + [6] * 16
    assert script.period_s == 30.0


def test_detector_and_tracker_take_the_settings_of_their_node(monkeypatch):
    made = []

    def refuse(settings):
        made.append(settings)
        raise ConfigError('far enough')

    monkeypatch.setattr(identities, 'make_face_analyzer', refuse)
    flags = ['--detect-exhaustive', '--detect-smallest-px', '36', '--reid-distance', '0.4', '--detector', 'dlib_cnn']
    with pytest.raises(ConfigError, match='far enough'):
        identities.main(['--portraits', 'nowhere', *flags])
    wanted = TrackerSettings(detect_exhaustive=True, detect_smallest_px=36, reid_distance=0.4, detector='dlib_cnn')
    assert made == [wanted]
    with pytest.raises(ConfigError, match='reid_distance = 7'):
        identities.main(['--portraits', 'nowhere', '--reid-distance', '7'])


@pytest.mark.data
@pytest.mark.slow
def test_command_ends_with_one_line_of_json(data, capsys):
    pytest.importorskip('dlib')
    pytest.importorskip('motmetrics')
    arguments = ['--portraits', str(data / 'london'), '--seeds', '1', '--seconds', '0.2', '--detector', 'dlib_hog']
    assert identities.main([*arguments, '--scenes', 'busy', '--reid', 'off']) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {'IDF1', 'MOTA', 'swaps', 'returns', 'returns_right', 'newcomers', 'newcomers_wrong'} <= result.keys()
    assert result['IDF1'] > 0.9
    assert len(result['seeds']) == 1
