"""Detection requests in rhythm, and restarts: scene cuts, stamps that go back, other sizes."""

import numpy as np
from builders.tracking import SETTINGS, STANDING, WALKING, ids, scene, track_scene, truth

from affect_perception.core.boxes import boxes_to_rows, iou
from affect_perception.core.tracking.tracker import FaceTracker
from affect_perception.types import DetectionResult, Frame


def test_scene_cut_ends_all_ids_and_asks_for_the_detector_at_once():
    tracker, s = FaceTracker(SETTINGS), scene(STANDING)
    assert ids(track_scene(s, 5, tracker)[-1]) == [1]
    upside_down = Frame(s.frame(5).stamp_ns, 'camera', np.ascontiguousarray(255 - s.frame(5).rgb[::-1]))
    assert tracker.request(upside_down)
    assert not ids(tracker.step(upside_down))


def test_stamps_that_go_backwards_begin_anew_and_no_id_is_used_again():
    tracker, s = FaceTracker(SETTINGS), scene(STANDING)
    assert ids(track_scene(s, 15, tracker)[-1]) == [1]
    assert ids(track_scene(s, 15, tracker)[0]) == [2]
    assert tracker.counts['stamp_backwards'] == 1


def test_picture_of_another_size_begins_anew():
    tracker, s = FaceTracker(SETTINGS), scene(STANDING)
    track_scene(s, 5, tracker)
    small = Frame(10**9, 'camera', np.zeros((1, 1, 3), np.uint8))
    assert tracker.step(small, DetectionResult(small.stamp_ns, [])).tracks == ()
    assert tracker.counts['size_changed'] == 1


def test_a_black_frame_in_between_costs_no_id():
    s = scene(STANDING)
    tracked = track_scene(s, 30, edit=lambda index, rgb: rgb * np.uint8(index != 15))
    assert ids(tracked[14]) == ids(tracked[17]) == ids(tracked[29]) == [1]


def test_detector_is_due_at_first_and_then_every_tenth_frame():
    tracker, s, due = FaceTracker(SETTINGS), scene(STANDING), []
    for index in range(31):
        frame = s.frame(index)
        due.append(tracker.request(frame))
        tracker.step(frame)
    assert [i for i, d in enumerate(due) if d] == [0, 10, 20, 30]


def test_a_request_whose_frame_was_never_stepped_is_made_again():
    tracker, s = FaceTracker(SETTINGS), scene(STANDING)
    assert tracker.request(s.frame(0))  # the detector failed, and the frame was dropped
    assert tracker.request(s.frame(1))
    tracker.step(s.frame(1))


def test_request_names_the_tracked_faces_of_the_frame_and_those_without_an_id():
    tracker, s = FaceTracker(SETTINGS), scene(WALKING)
    first = tracker.request(s.frame(0))
    assert (first.known_boxes.shape, first.embed.shape) == ((0, 4), (0,))
    track_scene(s, 10, tracker)
    request = tracker.request(frame := s.frame(10))
    assert request.frame is frame
    assert len(request.known_boxes) == 1
    assert iou(request.known_boxes, boxes_to_rows([truth(s, 10).box]))[0, 0] > 0.75


def test_a_detector_that_was_busy_gets_the_next_frame_when_it_is_free():
    tracker, s, requested = FaceTracker(SETTINGS), scene(STANDING), []
    for index in range(25):
        frame = s.frame(index)
        if not 8 <= index < 14 and tracker.request(frame):
            requested.append(index)
        tracker.step(frame)
    assert requested == [0, 14, 24]
