"""Detection results that arrive late, repeatedly or unrequested, with a detector that knows the truth."""

import numpy as np
import pytest
from builders.tracking import (
    SETTINGS,
    STANDING,
    WALKING,
    behind_board,
    board,
    detections,
    ids,
    overlap,
    person,
    scene,
    track_scene,
    truth,
)

from affect_perception.core.tracking.tracker import FaceTracker
from affect_perception.types import DetectionResult, Frame


@pytest.mark.parametrize('late', [5, 60])
def test_a_late_result_is_put_where_the_face_is_now(late):
    s = scene(person(0, (0, 0.3, 0.5, 0.25), (4, 0.7, 0.5, 0.25)))
    tracked = track_scene(s, late + 1, late=late)
    assert not ids(tracked[late - 1])
    assert overlap(tracked[late].tracks[0], truth(s, late).box) > 0.75


def test_a_detector_that_takes_two_seconds_does_not_make_tracks_blink():
    s = scene(person(0, (0, 0.3, 0.5, 0.25), (8, 0.7, 0.5, 0.25)))
    tracked = track_scene(s, 360, late=62)
    assert all(ids(t) == [1] for t in tracked[200:])
    assert min(overlap(t.tracks[0], truth(s, i).box) for i, t in enumerate(tracked) if i >= 200) > 0.7


def test_a_result_from_before_a_scene_cut_is_not_used():
    tracker, s, other = FaceTracker(SETTINGS), scene(STANDING), scene(person(5, (0, 0.2, 0.4, 0.4)))
    cut = Frame(s.frame(3).stamp_ns, 'camera', np.ascontiguousarray(255 - other.frame(0).rgb[:, ::-1]))
    tracker.request(first := s.frame(0))
    for frame in (first, s.frame(1), s.frame(2)):
        tracker.step(frame)
    assert not ids(tracker.step(cut, DetectionResult(0, detections(s, 0))))
    assert tracker.counts['scene_cut'] == 1
    assert tracker.counts['late_unusable'] == 1


def test_a_result_nobody_asked_for_is_counted_and_dropped():
    tracker, s = FaceTracker(SETTINGS), scene(STANDING)
    tracker.step(s.frame(0))
    assert not ids(tracker.step(s.frame(1), DetectionResult(0, detections(s, 0))))
    assert tracker.counts['late_unusable'] == 1


def test_same_pictures_same_tracks():
    s = scene(WALKING)
    boxes = [[t.tracks[0].box for t in track_scene(s, 30, late=3)[3:]] for _ in range(2)]
    assert boxes[0] == boxes[1]


@pytest.mark.parametrize('late', [0, 7])
def test_colours_seen_beside_the_tracker_follow_the_same_faces_as_those_it_sees_itself(late):
    s = scene(WALKING, person(1, (0, 0.85, 0.5, 0.25), (3, 0.15, 0.5, 0.25)))  # they meet: colours tell them apart
    alone, beside = (
        [
            [(t.track_id, t.box) for t in tracked.tracks]
            for tracked in track_scene(s, 60, late=late, histograms=histograms)
        ]
        for histograms in (False, True)
    )
    assert beside == alone
    assert len(alone[-1]) == 2


def test_a_face_that_flow_follows_stays_while_the_detector_does_not_look():
    tracker, s = FaceTracker(SETTINGS), scene(WALKING)
    tracked = []
    for index in range(330):  # eleven seconds; the walk takes three
        frame = s.frame(index)
        wanted = tracker.request(frame)
        result = DetectionResult(frame.stamp_ns, detections(s, index)) if wanted and index <= 30 else None
        tracked.append(tracker.step(frame, result))
    assert all(ids(t) == [1] for t in tracked)
    assert overlap(tracked[-1].tracks[0], truth(s, 329).box) > 0.6
    assert tracked[-1].tracks[0].detection_age_s > 9


def test_a_face_that_leaves_while_the_detector_does_not_look_is_gone():
    tracker, s = (
        FaceTracker(SETTINGS),
        scene(person(0, (0, 0.5, 0.5, 0.25), (1, 0.5, 0.5, 0.25), (2.5, 1.4, 0.5, 0.25))),
    )
    for index in range(120):
        frame = s.frame(index)
        wanted = tracker.request(frame)
        result = DetectionResult(frame.stamp_ns, detections(s, index)) if wanted and index == 0 else None
        last = tracker.step(frame, result)
    assert not ids(last)


def test_a_face_that_flow_loses_stays_until_a_late_detector_has_looked():
    """Behind a board from the first second on; the detector looks at 0.3 s (result at 1.3 s), 1.3 s and so on."""
    s = scene(STANDING)
    tracked = track_scene(s, 150, late=30, edit=board(40, 150), detect=behind_board(s, 40, 150))
    people = [len(t.tracks) for t in tracked]
    looked = 90  # the frame by which the result of an image behind the board is there
    assert all(people[30:looked]), people
    assert not any(people[looked + 15 :]), people


def test_a_tracker_is_blind_until_a_detection_and_again_after_a_cut():
    tracker, s, other = FaceTracker(SETTINGS), scene(STANDING), scene(person(5, (0, 0.2, 0.4, 0.4)))
    first, second = s.frame(0), s.frame(1)
    cut = Frame(s.frame(3).stamp_ns, 'camera', np.ascontiguousarray(255 - other.frame(0).rgb[:, ::-1]))
    assert tracker.is_blind(first)
    assert not tracker.is_blind(first, DetectionResult(first.stamp_ns, []))
    tracker.request(first)
    tracker.step(first)
    assert tracker.is_blind(second)
    assert not tracker.is_blind(second, DetectionResult(first.stamp_ns, []))
    tracker.step(second, DetectionResult(first.stamp_ns, detections(s, 0)))
    assert not tracker.is_blind(s.frame(2))
    assert tracker.is_blind(cut)
    assert tracker.is_blind(cut, DetectionResult(second.stamp_ns, []))


def test_no_time_out_of_a_late_detector_ends_faces_that_flow_follows():
    """Time-outs are computed from the delay of the last result; none of them may be shorter than itself by rounding."""
    s = scene(STANDING)
    for delay_ns in range(2_000_000_001, 2_000_000_013):
        tracker = FaceTracker(SETTINGS)
        for index, stamp_ns in enumerate((0, delay_ns, delay_ns + 2 * 10**9, delay_ns + 9 * 10**9)):
            frame = Frame(stamp_ns, 'camera', s.frame(0).rgb)
            tracker.request(frame)
            tracked = tracker.step(frame, DetectionResult(0, detections(s, 0)) if index == 1 else None)
        assert ids(tracked) == [1], delay_ns
