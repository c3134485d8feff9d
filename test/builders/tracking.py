"""Scripted scenes for tests of the tracker, and a detector that knows the truth."""

import numpy as np

from affect_perception.core.boxes import box_to_row, iou
from affect_perception.core.tracking.frame_detections import colour_histograms
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


def track_scene(
    scene_, frames, tracker=None, late=0, jitter=0.0, edit=lambda index, rgb: rgb, detect=None, histograms=False
):
    """Tracked frames 0 to `frames`; the detector answers `late` frames later, one picture at a time, or inline (0)."""
    tracker = tracker or FaceTracker(SETTINGS)
    detect = detect or (lambda index: detections(scene_, index, jitter))
    pending, tracked = None, []
    for index in range(frames):
        frame = scene_.frame(index)
        frame = Frame(frame.stamp_ns, frame.frame_id, edit(index, frame.rgb))
        found = None
        if pending and pending[0] <= index:
            found, pending = pending[1], None
        if not pending and tracker.request(frame):
            seen = detect(index)
            here = DetectionResult(
                frame.stamp_ns, seen, colour_histograms=colour_histograms(frame, seen) if histograms else None
            )
            if late:
                pending = index + late, here
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
