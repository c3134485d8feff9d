"""The detector's share of full cores: as much as a detection in time needs, and no more."""

import itertools
import time

import pytest

from affect_perception.detectors import core_share
from affect_perception.detectors.core_share import CoreShare
from affect_perception.runtime.processes.child_watch import TICKS_PER_S, Progress


def after(share: CoreShare, cpu_s: float, took_s: float) -> CoreShare:
    share._cpu_s, share._took_s = cpu_s, took_s
    return share


def test_a_share_with_which_a_detection_is_early_is_lowered_step_by_step_until_it_is_just_in_time():
    share, others = CoreShare(), 1024 * 1.0
    for _ in range(20):
        weight = 1024 / 1.25**share.nice
        assert not after(share, 0.3, 0.3 * (weight + others) / weight).adapt()
    assert 0.9 < share._took_s <= 1.4
    assert 3 <= share.nice < 8


def test_a_lowered_share_with_which_a_detection_is_late_is_raised_to_what_it_needs():
    share = CoreShare()
    share.nice = 8
    assert not after(share, 0.3, 1.6).adapt(), 'not late'
    assert after(share, 0.3, 2.5).adapt()
    assert 3 <= share.nice <= 5
    share.nice = 0
    assert not after(share, 0.3, 9.0).adapt(), 'there is no larger one'


@pytest.mark.parametrize(('cpu_s', 'took_s'), [(0.3, 0.35), (0.0, 0.01), (0.0, 0.0)])
def test_a_detection_that_had_the_core_to_itself_tells_nothing(cpu_s, took_s):
    share = CoreShare()
    share.nice = 4
    assert not after(share, cpu_s, took_s).adapt()
    assert share.nice == 4


def test_a_slow_detector_is_starved_with_more_than_a_quick_one():
    assert after(CoreShare(), 0.02, 0.1).least == 0.2
    assert 0.5 < after(CoreShare(), 0.9, 1.0).least <= 0.7


def test_a_share_that_is_not_a_whole_core_is_kept_and_each_return_to_it_is_longer(monkeypatch):
    share, ticks = CoreShare(), itertools.count()
    monkeypatch.setattr(core_share, 'progress', lambda pid: Progress(next(ticks), True))
    share.begin()
    with share.at_work(1):
        time.sleep(10 / TICKS_PER_S)  # for one tick
    assert not share.is_calm, 'the period is not over'
    share._since_s -= 60
    assert not share.is_calm
    first_s = share._calm_s
    share.begin()
    assert share._calm_s == 2 * first_s
