"""The soak benchmark: growth after the warm-up, and people that change."""

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
from affect_perception.bench import soak
from affect_perception.bench.crowd import Crowd
from affect_perception.ros.conversions import tracks_from_msg
from affect_perception.settings import SourceSettings


def test_growth_is_between_the_end_of_the_warm_up_and_the_end_of_the_run():
    samples = [
        (share / 100, 100.0 + (50 if share >= 20 else share) + (5 if share >= 80 else 0)) for share in range(101)
    ]
    assert soak.grown_mb(samples) == 5
    assert soak.grown_mb(samples[:50]) is None


def test_every_cast_has_other_people(monkeypatch):
    monkeypatch.setattr(soak, '_CASTS', 2)
    monkeypatch.setattr(soak, '_CAST', 8)
    source = soak.CastsOfPeople(SourceSettings(width=160, height=120), people=1, frames=20)
    frames = list(source)
    assert len(frames) == 20
    assert (frames[0].rgb != frames[8].rgb).any()
    assert (frames[0].rgb == frames[16].rgb).all()
    assert frames[1].stamp_ns > frames[0].stamp_ns


def test_all_people_of_a_crowd_are_in_view_and_others_in_the_next_cast():
    crowd = Crowd(people=500, frames=10)
    first, second = (tracks_from_msg(crowd.message(cast), pytest.fail).tracks for cast in (0, 1))
    assert len(first) == len(second) == 500
    assert len({track.track_id for track in (*first, *second)}) == 1000
    assert len({(track.box.x, track.box.y) for track in first}) == 500
    assert len({track.crop.tobytes() for track in first}) > 5
    assert all(track.crop.shape == (16, 16, 3) for track in first)
