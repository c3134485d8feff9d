"""Identities: new ids, re-identification and correction of swaps, with synthetic embeddings."""

import numpy as np

from affect_perception.core.boxes import box_to_row, boxes_to_rows, iou
from affect_perception.core.tracking.face_state import FaceState
from affect_perception.core.tracking.identities import NEW_ID_DELAY_S, IdentityRegistry
from affect_perception.core.tracking.inline import step_inline, track_inline
from affect_perception.core.tracking.reidentification import FaceEmbedding, Identity, faces_to_embed
from affect_perception.core.tracking.tracker import FaceTracker
from affect_perception.settings import TrackerSettings
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import KeyPose, Script
from affect_perception.sources.scene.script import ScriptedPerson as Actor
from affect_perception.types import Detection, DetectionRequest, DetectionResult, Frame

WIDTH, HEIGHT, FPS = 640, 360, 30
SETTINGS = TrackerSettings(detect_every=10)


def actor(number, *keys, depth=0.0):
    """Keys are (t_s, x, y, size), places as shares of the picture, size as share of its height."""
    return Actor(number, tuple(KeyPose(*key) for key in keys), depth=depth, sway=0.0)


def visit(number, *stays, x=0.5):
    """Person who is in the picture only in these (from_s, to_s); walking in and out takes 1.2 s."""
    keys = [(0.0, -0.4, 0.5, 0.25)] if stays[0][0] > 0 else []
    for start, end in stays:
        keys += [(start, x if start == 0 else -0.4, 0.5, 0.25), (start + 1.2, x, 0.5, 0.25)]
        keys += [(end - 1.2, x, 0.5, 0.25), (end, -0.4, 0.5, 0.25)]
    return actor(number, *keys)


def embedding(number, apart=0.0):
    """Embedding (128,) of person `number`, 0.85 from all others; `apart` is its distance to the person's first one."""
    row = np.zeros(128, np.float32)
    row[number], row[127] = 0.6, apart
    return row


def oracle(scene, embed=lambda number, index: embedding(number), calls=None):
    """An analyzer that detects the true faces, and embeds those that are requested."""

    def analyze(request):
        frame = request.frame
        index = round(frame.stamp_ns * FPS / 1e9)
        seen = [t for t in scene.truth(index) if t.visible > 0.7]
        rows = np.full((len(seen), 128), np.nan, np.float32)
        for i in faces_to_embed(request, boxes_to_rows([t.box for t in seen])):
            rows[i] = embed(seen[i].person_id, index)
            if calls is not None:
                calls.append((index, seen[i].person_id))
        return DetectionResult(frame.stamp_ns, [Detection(t.box, 0.95) for t in seen], rows)

    return analyze


def ids_of(scene, frames, tracker=None, **made):
    """Per person of the scene a list of (frame, id) of the tracks at their place."""
    tracker, found = tracker or FaceTracker(SETTINGS), {}
    pictures = (scene.frame(i) for i in range(frames))
    for index, tracked in enumerate(track_inline(pictures, oracle(scene, **made), tracker)):
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


def test_person_who_returns_gets_a_new_id_without_embeddings():
    find = oracle(RETURNS)
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


def test_embeddings_are_forgotten_after_the_set_time():
    tracker = FaceTracker(SETTINGS.changed(reid_memory_s=3.0))
    ids_of(RETURNS, 120, tracker)
    assert tracker.departed_ids == (1,)
    assert different(ids_of(RETURNS, 300, FaceTracker(SETTINGS.changed(reid_memory_s=3.0)))[0]) == [1, 2]
    ids_of(scene(visit(0, (0, 3))), 200, tracker := FaceTracker(SETTINGS.changed(reid_memory_s=3.0)))
    assert tracker.departed_ids == ()


def test_lookalike_takes_no_id_from_somebody_in_view():
    twins = scene(actor(0, (0, 0.75, 0.5, 0.25)), visit(1, (3, 20), x=0.3))
    found = ids_of(twins, 180, embed=lambda number, index: embedding(0))
    assert different(found[0]) == [1]
    assert different(found[1]) == [2]


def test_newcomer_gets_no_id_until_a_look_decides_and_then_the_old_one():
    poor = {}

    def embed(number, index):
        """The first embedding after the return is a poor one."""
        if index > 120:
            poor.setdefault('first', index)
        return embedding(number, 0.5 if index == poor.get('first') else 0.0)

    found = ids_of(RETURNS, 300, embed=embed)[0]
    back = next(index for index, _ in found if index > 120)
    assert poor['first'] < back <= poor['first'] + NEW_ID_DELAY_S * FPS
    assert different(found) == [1]


def test_newcomer_whom_no_look_settles_is_somebody_new_and_stays_so():
    def embed(number, index):
        return embedding(number, 0.5 if 120 < index < 300 else 0.0)

    found = ids_of(RETURNS, 360, embed=embed)[0]
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
            oracle(s)
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
    assert tracker.departed_ids
    assert different(ids_of(RETURNS, 20, tracker)[0]) == [2]
    assert not tracker.departed_ids


def test_reset_forgets_everybody():
    tracker = FaceTracker(SETTINGS)
    ids_of(RETURNS, 150, tracker)
    tracker.reset()
    assert not tracker.departed_ids


def test_known_faces_are_rarely_embedded_again():
    calls = []
    ids_of(scene(actor(0, (0, 0.5, 0.5, 0.25))), 300, calls=calls)
    assert [index for index, _ in calls][:3] == [0, 40, 80]
    assert len(calls) <= 5


def test_of_a_crowd_only_so_many_newcomers_are_embedded_at_once():
    boxes = np.array([[50.0 * i, 50, 30 + i, 30 + i] for i in range(40)])
    frame = Frame(0, 'camera', np.zeros((1, 1, 3), np.uint8))
    assert faces_to_embed(DetectionRequest(frame), boxes) == list(range(28, 40))
    assert faces_to_embed(DetectionRequest(frame, boxes[:39], np.zeros(39, bool)), boxes) == [39]
    assert faces_to_embed(DetectionRequest(frame, boxes, np.arange(40) == 7), boxes) == [7]
    assert faces_to_embed(DetectionRequest(frame), np.zeros((0, 4))) == []


def test_gallery_keeps_looks_that_differ():
    person = Identity(1)
    for apart in (0.0, 0.4, 0.01, 0.2, 0.02, 0.3, 0.03):
        person.add(embedding(0, apart))
    assert len(person.gallery) == 5
    assert {0.2, 0.3, 0.4} <= {round(float(row[127]), 2) for row in person.gallery}


def face(key, number):
    person = Identity(key, np.stack([embedding(number), embedding(number, 0.1)]))
    box = np.array([100.0 * key, 100, 50, 50])
    return FaceState(
        key, 0, box, np.zeros(400), np.zeros(512), 0.9, detected_ns=0, tracked_ns=0, hits=5, identity=person
    )


def update(registry, faces, embeddings):
    return registry.update(faces, set(faces), embeddings, 0.45, 10**9)


def test_ids_exchanged_at_a_crossing_are_put_right():
    one, other = faces = [face(1, 0), face(2, 1)]
    update(
        IdentityRegistry(), faces, {one: FaceEmbedding(embedding(1), True), other: FaceEmbedding(embedding(0), True)}
    )
    assert [f.identity.track_id for f in faces] == [2, 1]


def test_an_id_is_not_changed_by_a_bad_look_or_by_one_that_is_like_nobody():
    one, other = faces = [face(1, 0), face(2, 1)]
    update(
        IdentityRegistry(),
        faces,
        {one: FaceEmbedding(embedding(1), False), other: FaceEmbedding(embedding(0), False)},
    )
    update(IdentityRegistry(), faces, {one: FaceEmbedding(embedding(5), True)})
    update(
        IdentityRegistry(), faces, {one: FaceEmbedding(embedding(1), True)}
    )  # like the other one, who is where they should be
    assert [f.identity.track_id for f in faces] == [1, 2]
