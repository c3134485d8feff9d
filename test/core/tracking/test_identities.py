"""Who gets which id when people leave and return, with made-up descriptors; with dlib's, where they are installed."""

import csv

import cv2
import numpy as np
import pytest

from affect_perception.core.boxes import box_to_row, boxes_to_rows, iou
from affect_perception.core.tracking.face_state import FaceState
from affect_perception.core.tracking.identities import HOLD_S, IdentityRegistry
from affect_perception.core.tracking.inline import step_inline, track_inline
from affect_perception.core.tracking.reidentification import FaceEmbedding, Identity, faces_to_embed
from affect_perception.core.tracking.tracker import FaceTracker
from affect_perception.errors import ConfigError
from affect_perception.settings import TrackerSettings
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import KeyPose, Script
from affect_perception.sources.scene.script import ScriptedPerson as Actor
from affect_perception.types import Box, Detection, DetectionRequest, DetectionResult, Frame

WIDTH, HEIGHT, FPS = 640, 360, 30
SETTINGS = TrackerSettings(detect_every=10)


def actor(number, *keys, depth=0.0):
    """Keys are (t_s, x, y, size), places as shares of the picture, size as share of its height."""
    return Actor(number, tuple(KeyPose(*key) for key in keys), depth=depth, sway=0.0)


def visit(number, *stays, x=0.5):
    """Somebody who is in the picture only in these (from_s, to_s); walking in and out takes 1.2 s."""
    keys = [(0.0, -0.4, 0.5, 0.25)] if stays[0][0] > 0 else []
    for start, end in stays:
        keys += [(start, x if start == 0 else -0.4, 0.5, 0.25), (start + 1.2, x, 0.5, 0.25)]
        keys += [(end - 1.2, x, 0.5, 0.25), (end, -0.4, 0.5, 0.25)]
    return actor(number, *keys)


def descriptor(number, apart=0.0):
    """Of person `number`, 0.85 from everybody else's; `apart` moves it off that far, as another look would."""
    row = np.zeros(128, np.float32)
    row[number], row[127] = 0.6, apart
    return row


def finder(scene, describe=lambda number, index: descriptor(number), calls=None):
    """A detector that knows the truth, and descriptors for those whom the tracker wishes to have described."""

    def analyze(request):
        frame = request.frame
        index = round(frame.stamp_ns * FPS / 1e9)
        seen = [t for t in scene.truth(index) if t.visible > 0.7]
        rows = np.full((len(seen), 128), np.nan, np.float32)
        for i in faces_to_embed(request, boxes_to_rows([t.box for t in seen])):
            rows[i] = describe(seen[i].person_id, index)
            if calls is not None:
                calls.append((index, seen[i].person_id))
        return DetectionResult(frame.stamp_ns, [Detection(t.box, 0.95) for t in seen], rows)

    return analyze


def ids_of(scene, frames, tracker=None, **made):
    """Per person of the scene a list of (frame, id) of the tracks at their place."""
    tracker, found = tracker or FaceTracker(SETTINGS), {}
    pictures = (scene.frame(i) for i in range(frames))
    for index, tracked in enumerate(track_inline(pictures, finder(scene, **made), tracker)):
        for t in scene.truth(index):
            for track in tracked.tracks:
                if iou(box_to_row(t.box)[None], box_to_row(track.box)[None])[0, 0] > 0.5:
                    found.setdefault(t.person_id, []).append((index, track.track_id))
    return found


def different(pairs):
    return list(dict.fromkeys(track_id for _, track_id in pairs))


def scene(*actors):
    return Scene(WIDTH, HEIGHT, FPS, script=Script(actors, 60.0))


RETURNS = scene(visit(0, (0, 3), (8, 20)))


def test_person_who_returns_after_five_seconds_gets_the_old_id():
    found = ids_of(RETURNS, 300)[0]
    assert found[-1][0] == 299
    assert different(found) == [1]


def test_person_who_returns_gets_a_new_id_without_descriptors():
    find = finder(RETURNS)
    bare = track_inline(
        (RETURNS.frame(i) for i in range(300)),
        lambda request: DetectionResult(request.frame.stamp_ns, find(request).detections),
        FaceTracker(SETTINGS),
    )
    assert different((0, t.track_id) for tracked in bare for t in tracked.tracks) == [1, 2]


def test_newcomer_does_not_get_the_id_of_somebody_who_left():
    found = ids_of(scene(visit(0, (0, 3)), visit(1, (4, 20))), 200)
    assert different(found[0]) == [1]
    assert different(found[1]) == [2]


def test_descriptors_are_forgotten_after_the_set_time():
    tracker = FaceTracker(SETTINGS.changed(reid_memory_s=3.0))
    ids_of(RETURNS, 120, tracker)
    assert tracker.remembered == (1,)
    assert different(ids_of(RETURNS, 300, FaceTracker(SETTINGS.changed(reid_memory_s=3.0)))[0]) == [1, 2]
    ids_of(scene(visit(0, (0, 3))), 200, tracker := FaceTracker(SETTINGS.changed(reid_memory_s=3.0)))
    assert tracker.remembered == ()


def test_lookalike_takes_no_id_from_somebody_in_view():
    twins = scene(actor(0, (0, 0.75, 0.5, 0.25)), visit(1, (3, 20), x=0.3))
    found = ids_of(twins, 180, describe=lambda number, index: descriptor(0))
    assert different(found[0]) == [1]
    assert different(found[1]) == [2]


def test_newcomer_gets_no_id_until_a_look_decides_and_then_the_old_one():
    doubtful = {}

    def describe(number, index):
        """The first look after the return is a bad one."""
        if index > 120:
            doubtful.setdefault('first', index)
        return descriptor(number, 0.5 if index == doubtful.get('first') else 0.0)

    found = ids_of(RETURNS, 300, describe=describe)[0]
    back = next(index for index, _ in found if index > 120)
    assert doubtful['first'] < back <= doubtful['first'] + HOLD_S * FPS
    assert different(found) == [1]


def test_newcomer_whom_no_look_settles_is_somebody_new_and_stays_so():
    def describe(number, index):
        return descriptor(number, 0.5 if 120 < index < 300 else 0.0)

    found = ids_of(RETURNS, 360, describe=describe)[0]
    assert different(found) == [1, 2]


def test_one_who_hides_and_comes_out_elsewhere_keeps_the_id():
    hides = scene(
        actor(
            0,
            (0, 0.3, 0.5, 0.25),
            (1, 0.3, 0.5, 0.25),
            (1.5, 0.5, 0.5, 0.25),
            (3.0, 0.5, 0.5, 0.25),
            (4.2, 0.9, 0.2, 0.2),
        ),
        actor(1, (0, 0.5, 0.5, 0.4), depth=1.0),
    )
    found = ids_of(hides, 180)
    assert found[0][-1][0] > 170
    assert [len(different(found[n])) for n in (0, 1)] == [1, 1]


def test_scene_cut_back_to_the_same_people_gives_them_their_ids_back():
    s, tracker, seen = scene(actor(0, (0, 0.5, 0.5, 0.25))), FaceTracker(SETTINGS), []
    for index in range(60):
        frame = s.frame(index)
        if 20 <= index < 40:
            frame = Frame(frame.stamp_ns, 'camera', np.ascontiguousarray(255 - frame.rgb[::-1]))
        find = (
            finder(s)
            if not 20 <= index < 40
            else lambda request: DetectionResult(request.frame.stamp_ns, (), np.zeros((0, 128)))
        )
        seen.append([t.track_id for t in step_inline(frame, find, tracker).tracks])
    assert seen[19] == seen[40] == seen[59] == [1]
    assert not any(seen[20:40])
    assert tracker.counts['scene_cut'] == 2


def test_recording_that_starts_again_begins_with_nobody_known():
    tracker = FaceTracker(SETTINGS)
    ids_of(RETURNS, 150, tracker)
    assert tracker.remembered
    assert different(ids_of(RETURNS, 20, tracker)[0]) == [2]
    assert not tracker.remembered


def test_reset_forgets_everybody():
    tracker = FaceTracker(SETTINGS)
    ids_of(RETURNS, 150, tracker)
    tracker.reset()
    assert not tracker.remembered


def test_known_faces_are_rarely_described_again():
    calls = []
    ids_of(scene(actor(0, (0, 0.5, 0.5, 0.25))), 300, calls=calls)
    assert [index for index, _ in calls][:3] == [0, 40, 80]
    assert len(calls) <= 5


def test_of_a_crowd_only_so_many_newcomers_are_described_at_once():
    boxes = np.array([[50.0 * i, 50, 30 + i, 30 + i] for i in range(40)])
    frame = Frame(0, 'camera', np.zeros((1, 1, 3), np.uint8))
    assert faces_to_embed(DetectionRequest(frame), boxes) == list(range(28, 40))
    assert faces_to_embed(DetectionRequest(frame, boxes[:39], np.zeros(39, bool)), boxes) == [39]
    assert faces_to_embed(DetectionRequest(frame, boxes, np.arange(40) == 7), boxes) == [7]
    assert faces_to_embed(DetectionRequest(frame), np.zeros((0, 4))) == []


def test_gallery_keeps_looks_that_differ():
    person = Identity(1)
    for apart in (0.0, 0.4, 0.01, 0.2, 0.02, 0.3, 0.03):
        person.learn(descriptor(0, apart))
    assert len(person.gallery) == 5
    assert {0.2, 0.3, 0.4} <= {round(float(row[127]), 2) for row in person.gallery}


def face(key, number):
    person = Identity(key, np.stack([descriptor(number), descriptor(number, 0.1)]))
    box = np.array([100.0 * key, 100, 50, 50])
    return FaceState(key, 0, box, np.zeros(400), np.zeros(512), 0.9, seen_ns=0, followed_ns=0, hits=5, person=person)


def settled(register, faces, looks):
    return register.settle(faces, set(faces), looks, 0.45, 10**9)


def test_ids_exchanged_at_a_crossing_are_put_right():
    one, other = faces = [face(1, 0), face(2, 1)]
    settled(
        IdentityRegistry(), faces, {one: FaceEmbedding(descriptor(1), True), other: FaceEmbedding(descriptor(0), True)}
    )
    assert [f.person.track_id for f in faces] == [2, 1]


def test_an_id_is_not_changed_by_a_bad_look_or_by_one_that_is_like_nobody():
    one, other = faces = [face(1, 0), face(2, 1)]
    settled(
        IdentityRegistry(),
        faces,
        {one: FaceEmbedding(descriptor(1), False), other: FaceEmbedding(descriptor(0), False)},
    )
    settled(IdentityRegistry(), faces, {one: FaceEmbedding(descriptor(5), True)})
    settled(
        IdentityRegistry(), faces, {one: FaceEmbedding(descriptor(1), True)}
    )  # like the other one, who is where they should be
    assert [f.person.track_id for f in faces] == [1, 2]


# The real thing


@pytest.fixture(scope='module')
def describe():
    pytest.importorskip('torch')
    pytest.importorskip('dlib')
    from affect_perception.detectors.dlib.embedding import FaceEmbedder

    try:
        return FaceEmbedder()
    except ConfigError as error:
        pytest.skip(str(error))


def test_portraits_of_one_person_are_nearer_than_the_set_distance_and_those_of_others_are_not(describe, data):
    from affect_perception.sources.scene.portraits import hog_box

    rows = list(csv.DictReader((data / 'london' / 'index.csv').open()))[:16]
    found = []
    for row in rows:
        rgb = cv2.cvtColor(cv2.imread(str(data / 'london' / row['file'])), cv2.COLOR_BGR2RGB)
        found.append(describe(rgb, [hog_box(rgb, Box(0, 0, 1, 1))])[0])
    persons = np.array([row['person'] for row in rows])
    distances = np.linalg.norm(np.array(found)[:, None] - np.array(found)[None], axis=2)
    same = persons[:, None] == persons[None]
    assert distances[same].max() < SETTINGS.reid_distance < distances[~same].min()


def test_finder_describes_whom_the_tracker_wishes_inline_and_beside(describe):
    from affect_perception.detectors.async_detector import AsyncDetector
    from affect_perception.detectors.face_analyzer import make_face_analyzer

    rgb = pytest.importorskip('skimage.data').astronaut()
    frame, made = Frame(0, 'camera', rgb), make_face_analyzer(TrackerSettings(detector='dlib_hog', reid='on'))
    inline = made.analyze(DetectionRequest(frame))
    assert inline.embeddings.shape == (len(inline.detections), 128)
    assert np.isfinite(inline.embeddings).any(axis=1).sum() >= 1
    assert abs(inline.rolls[0]) < 0.2
    known = boxes_to_rows([d.box for d in inline.detections])
    request = DetectionRequest(frame, known, np.zeros(len(known), bool))
    assert not np.isfinite(made.analyze(request).embeddings).any()
    beside = AsyncDetector(made)
    beside.submit(DetectionRequest(frame))
    np.testing.assert_array_equal(beside.collect(wait=True).embeddings, inline.embeddings)
    beside.close()


def test_without_weights_reid_on_is_refused_and_auto_goes_without(monkeypatch, caplog):
    pytest.importorskip('dlib')
    from affect_perception.detectors import face_analyzer
    from affect_perception.detectors.dlib import descriptor, landmarks

    def missing(path, file):
        raise ConfigError(f'{file} is not installed')

    monkeypatch.setattr(descriptor, 'weights_path', missing)
    monkeypatch.setattr(landmarks, 'weights_path', missing)
    with pytest.raises(ConfigError, match='reid = on: '):
        face_analyzer.make_face_analyzer(TrackerSettings(detector='dlib_hog', reid='on'))
    made = face_analyzer.make_face_analyzer(TrackerSettings(detector='dlib_hog'))
    said = ' '.join(record.getMessage() for record in caplog.records if 'face_analyzer' in record.name)
    assert 'not levelled' in said and 'get a new id' in said
    found = made.analyze(DetectionRequest(Frame(0, 'camera', np.zeros((200, 200, 3), np.uint8))))
    assert (found.embeddings, found.rolls) == (None, None)
