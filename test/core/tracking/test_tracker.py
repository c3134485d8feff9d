"""The tracker on scripted scenes, with a detector that knows the truth: what is tested is following, not finding."""

import numpy as np
import pytest

from affect_perception.core.boxes import box_to_row, iou
from affect_perception.core.tracking.frame_detections import colour_histograms
from affect_perception.core.tracking.inline import track_inline
from affect_perception.core.tracking.tracker import FaceTracker
from affect_perception.settings import TrackerSettings
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import KeyPose, Script, ScriptedPerson
from affect_perception.types import Box, Detection, DetectionResult, Frame

WIDTH, HEIGHT, FPS = 640, 360, 30
SETTINGS = TrackerSettings(detect_every=10, flow_width=640)


def person(person_id, *keys, depth=0.0):
    """Keys are (t_s, x, y, size), places as shares of the picture, size as share of its height."""
    return ScriptedPerson(person_id, tuple(KeyPose(*key) for key in keys), depth=depth, sway=0.0)


def scene(*people, period_s=60.0):
    return Scene(WIDTH, HEIGHT, FPS, script=Script(people, period_s))


STANDING = person(0, (0, 0.5, 0.5, 0.25))
WALKING = person(0, (0, 0.15, 0.5, 0.25), (3, 0.85, 0.5, 0.25))


def truth(scene_, index, person_id=0):
    return next(t for t in scene_.truth(index) if t.person_id == person_id)


def detections(scene_, index, jitter=0.0, confidence=0.95):
    """Every face that is mostly visible; `jitter` shifts the boxes by that share of their size, each time anew."""
    rng = np.random.default_rng(index)
    found = []
    for t in scene_.truth(index):
        if t.visible > 0.7:
            dx, dy, ds = rng.uniform(-jitter, jitter, 3) * t.box.width
            found.append(Detection(Box(t.box.x + dx, t.box.y + dy, t.box.width + ds, t.box.height + ds), confidence))
    return found


def play(scene_, frames, tracker=None, late=0, jitter=0.0, edit=lambda index, rgb: rgb, find=None, colours=False):
    """Tracked frames 0 to `frames`; the detector answers `late` frames later, one picture at a time, or inline (0)."""
    tracker = tracker or FaceTracker(SETTINGS)
    find = find or (lambda index: detections(scene_, index, jitter))
    waiting, tracked = None, []
    for index in range(frames):
        frame = scene_.frame(index)
        frame = Frame(frame.stamp_ns, frame.frame_id, edit(index, frame.rgb))
        found = None
        if waiting and waiting[0] <= index:
            found, waiting = waiting[1], None
        if not waiting and tracker.request(frame):
            seen = find(index)
            here = DetectionResult(
                frame.stamp_ns, seen, colour_histograms=colour_histograms(frame, seen) if colours else None
            )
            if late:
                waiting = index + late, here
            else:
                found = here
        tracked.append(tracker.step(frame, found))
    return tracked


def ids(tracked):
    return [t.track_id for t in tracked.tracks]


def overlap(track, box):
    return iou(box_to_row(track.box)[None], box_to_row(box)[None])[0, 0]


def id_of(tracked, scene_, index, person_id):
    """Id of the track at the person's place, or None."""
    box = truth(scene_, index, person_id).box
    here = [t for t in tracked.tracks if overlap(t, box) > 0.5]
    return max(here, key=lambda t: overlap(t, box)).track_id if here else None


def board(first, last):
    """A grey board in front of the middle of the picture in these frames."""

    def edit(index, rgb):
        if first <= index < last:
            rgb = rgb.copy()
            rgb[60:300, 220:420] = 128
        return rgb

    return edit


def behind_board(scene_, first, last):
    return lambda index: [] if first <= index < last else detections(scene_, index)


def test_newcomer_is_reported_in_the_frame_in_which_the_detector_finds_it():
    first = play(scene(STANDING), 1)[0]
    assert ids(first) == [1]
    assert (first.stamp_ns, first.image_width, first.image_height) == (0, WIDTH, HEIGHT)
    assert first.tracks[0].crop.shape == (96, 96, 3)
    assert first.tracks[0].detection_age_s == 0


def test_one_who_comes_later_is_found_within_ten_frames():
    comes = person(0, (0, -0.3, 0.5, 0.25), (1, -0.3, 0.5, 0.25), (2, 0.5, 0.5, 0.25))
    s = scene(comes)
    tracked = play(s, 90)
    visible = next(i for i in range(90) if truth(s, i).visible > 0.7)
    assert any(ids(t) for t in tracked[visible : visible + 11])


@pytest.mark.parametrize('late', [0, 3])
def test_a_walking_face_is_followed_between_detections(late):
    s = scene(WALKING)
    tracked = play(s, 90, late=late)[late:]
    assert {i for t in tracked for i in ids(t)} == {1}
    assert min(overlap(t.tracks[0], truth(s, i).box) for i, t in enumerate(tracked, start=late)) > 0.75


def test_detection_age_grows_until_the_next_detection():
    ages = [t.tracks[0].detection_age_s for t in play(scene(STANDING), 12)]
    assert ages[9] == pytest.approx(0.3)
    assert ages[10] == 0


def test_track_keeps_its_id_when_the_face_is_hidden_for_half_a_second():
    s = scene(STANDING)
    tracked = play(s, 60, edit=board(20, 35), find=behind_board(s, 20, 35))
    assert ids(tracked[19]) == ids(tracked[40]) == [1]
    assert {i for t in tracked for i in ids(t)} == {1}


def test_hidden_face_is_not_reported_for_long():
    s = scene(STANDING)
    tracked = play(s, 60, edit=board(20, 60), find=behind_board(s, 20, 60))
    assert not ids(tracked[20 + round(SETTINGS.max_hidden_s * FPS) + 3])


def test_face_behind_a_passer_by_gets_its_id_back_and_the_passer_by_keeps_his():
    passes = person(1, (0, 0.1, 0.5, 0.32), (3, 0.9, 0.5, 0.32), depth=1.0)
    s = scene(person(0, (0, 0.5, 0.48, 0.25)), passes)
    tracked = play(s, 95)
    standing, passing = id_of(tracked[5], s, 5, 0), id_of(tracked[5], s, 5, 1)
    assert standing != passing
    assert id_of(tracked[90], s, 90, 0) == standing
    assert all(id_of(tracked[i], s, i, 1) == passing for i in range(95))


@pytest.mark.parametrize('late', [0, 4])
def test_two_who_change_places_keep_their_ids(late):
    left = person(0, (0, 0.3, 0.48, 0.25), (1, 0.3, 0.48, 0.25), (3, 0.7, 0.48, 0.25))
    right = person(1, (0, 0.7, 0.52, 0.28), (1, 0.7, 0.52, 0.28), (3, 0.3, 0.52, 0.28), depth=1.0)
    s = scene(left, right)
    tracked = play(s, 110, late=late, jitter=0.05)
    for who in (0, 1):
        assert id_of(tracked[20], s, 20, who) == id_of(tracked[105], s, 105, who) is not None


def test_a_single_false_detection_ends_with_the_next_run_of_the_detector():
    false = Detection(Box(40, 40, 80, 80), 0.6)
    s = scene(STANDING)
    tracked = play(s, 30, find=lambda index: [*detections(s, index), *([false] if index == 0 else [])])
    assert len(ids(tracked[9])) == 2
    assert len(ids(tracked[10])) == 1


def test_weak_detections_confirm_a_face_but_begin_none():
    s = scene(STANDING)
    assert not any(ids(t) for t in play(s, 12, find=lambda index: detections(s, index, confidence=0.45)))
    tracked = play(s, 70, find=lambda index: detections(s, index, confidence=0.95 if index == 0 else 0.45))
    assert ids(tracked[69]) == [1]


def test_detections_below_min_confidence_are_ignored():
    s = scene(STANDING)
    assert not any(ids(t) for t in play(s, 12, FaceTracker(SETTINGS.changed(min_confidence=0.97))))


def test_unconfirmed_track_ends_after_max_unseen():
    s = scene(STANDING)
    tracked = play(s, 70, find=lambda index: detections(s, index) if index <= 10 else [])
    last = max(i for i, t in enumerate(tracked) if ids(t))
    assert (last - 10) / FPS == pytest.approx(SETTINGS.max_unseen_s, abs=0.05)


def test_one_who_walks_out_of_the_picture_is_gone_at_once():
    leaves = person(0, (0, 0.7, 0.5, 0.25), (1.5, 1.4, 0.5, 0.25))
    s = scene(leaves)
    tracked = play(s, 60)
    outside = next(i for i in range(60) if truth(s, i).visible == 0)
    assert not any(ids(t) for t in tracked[outside + 2 :])


@pytest.mark.parametrize('late', [5, 60])
def test_a_late_result_is_put_where_the_face_is_now(late):
    s = scene(person(0, (0, 0.3, 0.5, 0.25), (4, 0.7, 0.5, 0.25)))
    tracked = play(s, late + 1, late=late)
    assert not ids(tracked[late - 1])
    assert overlap(tracked[late].tracks[0], truth(s, late).box) > 0.75


def test_a_detector_that_takes_two_seconds_does_not_make_tracks_blink():
    s = scene(person(0, (0, 0.3, 0.5, 0.25), (8, 0.7, 0.5, 0.25)))
    tracked = play(s, 360, late=62)
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


def test_scene_cut_ends_all_ids_and_asks_for_the_detector_at_once():
    tracker, s = FaceTracker(SETTINGS), scene(STANDING)
    assert ids(play(s, 5, tracker)[-1]) == [1]
    upside_down = Frame(s.frame(5).stamp_ns, 'camera', np.ascontiguousarray(255 - s.frame(5).rgb[::-1]))
    assert tracker.request(upside_down)
    assert not ids(tracker.step(upside_down))


def test_stamps_that_go_backwards_begin_anew_and_no_id_is_used_again():
    tracker, s = FaceTracker(SETTINGS), scene(STANDING)
    assert ids(play(s, 15, tracker)[-1]) == [1]
    assert ids(play(s, 15, tracker)[0]) == [2]
    assert tracker.counts['stamp_backwards'] == 1


def test_picture_of_another_size_begins_anew():
    tracker, s = FaceTracker(SETTINGS), scene(STANDING)
    play(s, 5, tracker)
    small = Frame(10**9, 'camera', np.zeros((1, 1, 3), np.uint8))
    assert tracker.step(small, DetectionResult(small.stamp_ns, [])).tracks == ()
    assert tracker.counts['size_changed'] == 1


def test_a_black_frame_in_between_costs_no_id():
    s = scene(STANDING)
    tracked = play(s, 30, edit=lambda index, rgb: rgb * np.uint8(index != 15))
    assert ids(tracked[14]) == ids(tracked[17]) == ids(tracked[29]) == [1]


def test_detector_is_due_at_first_and_then_every_tenth_frame():
    tracker, s, due = FaceTracker(SETTINGS), scene(STANDING), []
    for index in range(31):
        frame = s.frame(index)
        due.append(tracker.request(frame))
        tracker.step(frame)
    assert [i for i, d in enumerate(due) if d] == [0, 10, 20, 30]


def test_a_result_nobody_asked_for_is_counted_and_dropped():
    tracker, s = FaceTracker(SETTINGS), scene(STANDING)
    tracker.step(s.frame(0))
    assert not ids(tracker.step(s.frame(1), DetectionResult(0, detections(s, 0))))
    assert tracker.counts['late_unusable'] == 1


def test_crops_do_not_jitter_when_detections_do():
    s = scene(STANDING)
    tracked = play(s, 120, jitter=0.08)
    centres = np.array([t.tracks[0].box.centre for t in tracked[30:]])
    assert np.abs(np.diff(centres, axis=0)).max() < 0.02 * tracked[60].tracks[0].box.width


def test_same_pictures_same_tracks():
    s = scene(WALKING)
    boxes = [[t.tracks[0].box for t in play(s, 30, late=3)[3:]] for _ in range(2)]
    assert boxes[0] == boxes[1]


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
    for tracked in play(s, 25, find=lambda index: odd):
        assert all(t.crop.shape == (96, 96, 3) for t in tracked.tracks)


@pytest.mark.parametrize('late', [0, 7])
def test_colours_seen_beside_the_tracker_follow_the_same_faces_as_those_it_sees_itself(late):
    s = scene(WALKING, person(1, (0, 0.85, 0.5, 0.25), (3, 0.15, 0.5, 0.25)))  # they meet: colours tell them apart
    alone, beside = (
        [[(t.track_id, t.box) for t in tracked.tracks] for tracked in play(s, 60, late=late, colours=colours)]
        for colours in (False, True)
    )
    assert beside == alone
    assert len(alone[-1]) == 2
