"""Tracking on scripted scenes, with a detector that knows the truth: tests of tracking, not of detection."""

import numpy as np
import pytest
from builders.tracking import (
    FPS,
    HEIGHT,
    SETTINGS,
    STANDING,
    WALKING,
    WIDTH,
    behind_board,
    board,
    detections,
    id_of,
    ids,
    overlap,
    person,
    scene,
    track_scene,
    truth,
)

from affect_perception.core.tracking.inline import track_inline
from affect_perception.core.tracking.tracker import FaceTracker
from affect_perception.types import Box, Detection, DetectionResult, Frame


def test_newcomer_is_reported_in_the_frame_in_which_the_detector_finds_it():
    first = track_scene(scene(STANDING), 1)[0]
    assert ids(first) == [1]
    assert (first.stamp_ns, first.image_width, first.image_height) == (0, WIDTH, HEIGHT)
    assert first.tracks[0].crop.shape == (96, 96, 3)
    assert first.tracks[0].detection_age_s == 0


def test_one_who_comes_later_is_found_within_ten_frames():
    comes = person(0, (0, -0.3, 0.5, 0.25), (1, -0.3, 0.5, 0.25), (2, 0.5, 0.5, 0.25))
    s = scene(comes)
    tracked = track_scene(s, 90)
    visible = next(i for i in range(90) if truth(s, i).visible > 0.7)
    assert any(ids(t) for t in tracked[visible : visible + 11])


@pytest.mark.parametrize('late', [0, 3])
def test_a_walking_face_is_followed_between_detections(late):
    s = scene(WALKING)
    tracked = track_scene(s, 90, late=late)[late:]
    assert {i for t in tracked for i in ids(t)} == {1}
    assert min(overlap(t.tracks[0], truth(s, i).box) for i, t in enumerate(tracked, start=late)) > 0.75


def test_detection_age_grows_until_the_next_detection():
    ages = [t.tracks[0].detection_age_s for t in track_scene(scene(STANDING), 12)]
    assert ages[9] == pytest.approx(0.3)
    assert ages[10] == 0


def test_track_keeps_its_id_when_the_face_is_hidden_for_half_a_second():
    s = scene(STANDING)
    tracked = track_scene(s, 60, edit=board(20, 35), detect=behind_board(s, 20, 35))
    assert ids(tracked[19]) == ids(tracked[40]) == [1]
    assert {i for t in tracked for i in ids(t)} == {1}


def test_hidden_face_is_not_reported_for_long():
    s = scene(STANDING)
    tracked = track_scene(s, 60, edit=board(20, 60), detect=behind_board(s, 20, 60))
    assert not ids(tracked[20 + round(SETTINGS.max_hidden_s * FPS) + 3])


def test_face_behind_a_passer_by_gets_its_id_back_and_the_passer_by_keeps_his():
    passes = person(1, (0, 0.1, 0.5, 0.32), (3, 0.9, 0.5, 0.32), depth=1.0)
    s = scene(person(0, (0, 0.5, 0.48, 0.25)), passes)
    tracked = track_scene(s, 95)
    standing, passing = id_of(tracked[5], s, 5, 0), id_of(tracked[5], s, 5, 1)
    assert standing != passing
    assert id_of(tracked[90], s, 90, 0) == standing
    assert all(id_of(tracked[i], s, i, 1) == passing for i in range(95))


def test_id_of_a_face_that_has_just_come_is_not_on_the_passer_by_who_hides_it_before_his_own_detection():
    newcomer = person(0, (0, 0.75, 0.5, 0.25))
    passes = person(1, (0, 1.15, 0.5, 0.25), (0.5, 0.7, 0.5, 0.25), depth=1.0)
    s = scene(newcomer, passes)
    tracked = track_scene(s, 22, late=3)
    assert id_of(tracked[9], s, 9, 0) == 1
    assert truth(s, 12, 0).visible < 0.1
    assert {id_of(t, s, i, 1) for i, t in enumerate(tracked)} == {None, 2}


@pytest.mark.parametrize('late', [0, 4])
def test_two_who_change_places_keep_their_ids(late):
    left = person(0, (0, 0.3, 0.48, 0.25), (1, 0.3, 0.48, 0.25), (3, 0.7, 0.48, 0.25))
    right = person(1, (0, 0.7, 0.52, 0.28), (1, 0.7, 0.52, 0.28), (3, 0.3, 0.52, 0.28), depth=1.0)
    s = scene(left, right)
    tracked = track_scene(s, 110, late=late, jitter=0.05)
    for who in (0, 1):
        assert id_of(tracked[20], s, 20, who) == id_of(tracked[105], s, 105, who) is not None


def test_a_single_false_detection_ends_with_the_next_run_of_the_detector():
    false = Detection(Box(40, 40, 80, 80), 0.6)
    s = scene(STANDING)
    tracked = track_scene(s, 30, detect=lambda index: [*detections(s, index), *([false] if index == 0 else [])])
    assert len(ids(tracked[9])) == 2
    assert len(ids(tracked[10])) == 1


def test_weak_detections_confirm_a_face_but_begin_none():
    s = scene(STANDING)
    assert not any(ids(t) for t in track_scene(s, 12, detect=lambda index: detections(s, index, confidence=0.45)))
    tracked = track_scene(s, 70, detect=lambda index: detections(s, index, confidence=0.95 if index == 0 else 0.45))
    assert ids(tracked[69]) == [1]


def test_detections_below_min_confidence_are_ignored():
    s = scene(STANDING)
    assert not any(ids(t) for t in track_scene(s, 12, FaceTracker(SETTINGS.changed(min_confidence=0.97))))


def test_unconfirmed_track_ends_after_max_unseen():
    s = scene(STANDING)
    tracked = track_scene(s, 70, detect=lambda index: detections(s, index) if index <= 10 else [])
    last = max(i for i, t in enumerate(tracked) if ids(t))
    assert (last - 10) / FPS == pytest.approx(SETTINGS.max_unseen_s, abs=0.05)


def test_a_known_face_that_turns_away_keeps_its_track_while_its_head_is_followed():
    s = scene(STANDING)
    tracker = FaceTracker(SETTINGS.changed(max_turned_s=3.0))
    tracked = track_scene(s, 170, tracker, detect=lambda index: detections(s, index) if index <= 60 else [])
    shown = [i for i, t in enumerate(tracked) if ids(t)]
    assert {tuple(ids(tracked[i])) for i in shown} == {(1,)}
    assert (shown[-1] - 60) / FPS == pytest.approx(3.0, abs=0.4)


def test_a_known_face_that_something_hid_and_no_detection_finds_again_ends_after_max_unseen():
    s = scene(STANDING)

    def hidden(index, rgb):
        if 70 <= index < 76:
            rgb = rgb.copy()
            rgb[100:260, 240:400] = 90
        return rgb

    tracked = track_scene(s, 150, edit=hidden, detect=lambda index: detections(s, index) if index <= 60 else [])
    assert not any(ids(t) for t in tracked[60 + int(FPS * SETTINGS.max_unseen_s) + 2 :])


def test_one_who_walks_out_of_the_picture_is_gone_at_once():
    leaves = person(0, (0, 0.7, 0.5, 0.25), (1.5, 1.4, 0.5, 0.25))
    s = scene(leaves)
    tracked = track_scene(s, 60)
    outside = next(i for i in range(60) if truth(s, i).visible == 0)
    assert not any(ids(t) for t in tracked[outside + 2 :])


def test_crops_do_not_jitter_when_detections_do():
    s = scene(STANDING)
    tracked = track_scene(s, 120, jitter=0.08)
    centres = np.array([t.tracks[0].box.centre for t in tracked[30:]])
    assert np.abs(np.diff(centres, axis=0)).max() < 0.02 * tracked[60].tracks[0].box.width


def test_fifty_faces_at_once():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    grid = [Detection(Box(64 * i + 7, 72 * j + 11, 50, 50), 0.9) for i in range(10) for j in range(5)]
    frames = [Frame(i * 10**8, 'camera', rgb) for i in range(4)]
    tracked = list(
        track_inline(frames, lambda request: DetectionResult(request.frame.stamp_ns, grid), FaceTracker(SETTINGS))
    )
    assert [len(t.tracks) for t in tracked] == [50] * 4


def test_detections_that_reach_outside_or_are_empty_are_no_trouble():
    odd = [
        Detection(Box(-300, -300, 80, 80), 0.9),
        Detection(Box(10, 10, 0, 0), 0.9),
        Detection(Box(600, 340, 90, 90), 0.9),
    ]
    s = scene(STANDING)
    for tracked in track_scene(s, 25, detect=lambda index: odd):
        assert all(t.crop.shape == (96, 96, 3) for t in tracked.tracks)
