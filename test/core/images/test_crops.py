"""Crops: framed by one function live and in training, levelled by the tilt of the eyes."""

import cv2
import numpy as np
import pytest

from affect_perception.core.images.crops import crop_rotated, crop_square, face_crop, face_square
from affect_perception.core.tracking.inline import track_inline
from affect_perception.core.tracking.tracker import FaceTracker
from affect_perception.settings import TrackerSettings
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import KeyPose, Script, ScriptedPerson
from affect_perception.types import Box, Detection, DetectionResult

FACE = Box(168, 69, 96, 96)  # of the astronaut


@pytest.fixture(scope='module')
def astronaut():
    return pytest.importorskip('skimage.data').astronaut()


def tilted(rgb, box, degrees):
    """`rgb` turned clockwise about the middle of `box`."""
    turn = cv2.getRotationMatrix2D(box.centre, -degrees, 1.0)
    return cv2.warpAffine(rgb, turn, rgb.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def difference(a, b):
    """Root mean square, in grey levels."""
    return np.sqrt(np.mean((a.astype(float) - b) ** 2))


def test_crop_without_roll_is_the_plain_crop_square(astronaut):
    assert np.array_equal(face_crop(astronaut, FACE, 96, 0.15), crop_square(astronaut, face_square(FACE, 0.15), 96))
    assert np.array_equal(face_crop(astronaut, FACE, 96, 0.15, 0.0), face_crop(astronaut, FACE, 96, 0.15))


@pytest.mark.parametrize('degrees', [-20, 20, 45])
@pytest.mark.parametrize('size', [48, 96, 160])
def test_levelled_crop_of_a_tilted_face_looks_like_the_upright_one(astronaut, degrees, size):
    upright = face_crop(astronaut, FACE, size, 0.15)
    picture = tilted(astronaut, FACE, degrees)
    level = face_crop(picture, FACE, size, 0.15, np.radians(degrees))
    assert level.shape == upright.shape
    assert difference(level, upright) < 6
    assert difference(face_crop(picture, FACE, size, 0.15), upright) > 50


@pytest.mark.parametrize('times', [0.5, 1, 1.5, 2, 3, 6])
def test_levelling_by_next_to_nothing_changes_next_to_nothing(astronaut, times):
    picture = cv2.resize(astronaut, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
    box = Box(*(times * v for v in (FACE.x, FACE.y, FACE.width, FACE.height)))
    assert difference(face_crop(picture, box, 96, 0.15, 1e-6), face_crop(picture, box, 96, 0.15)) < 3


def test_levelled_crop_of_a_large_face_is_not_aliased():
    """Fine stripes become grey, not coarse stripes."""
    stripes = np.repeat(np.tile(np.uint8([0, 255]), 600)[None, :, None], 1200, axis=0).repeat(3, axis=2)
    crop = face_crop(stripes, Box(200, 200, 800, 800), 48, 0.0, 0.3)
    assert np.abs(crop.astype(int) - 127).max() < 12


@pytest.mark.parametrize('box', [Box(-60, -60, 90, 90), Box(480, 480, 90, 90), Box(-500, 20, 60, 60), Box(5, 5, 1, 1)])
def test_levelled_crop_outside_the_image_repeats_its_border(astronaut, box):
    assert face_crop(astronaut, box, 64, 0.15, 0.4).shape == (64, 64, 3)


def test_half_a_turn_stands_on_its_head(astronaut):
    square = Box(150, 60, 128, 128)
    assert difference(crop_rotated(astronaut, square, 128, np.pi), crop_square(astronaut, square, 128)[::-1, ::-1]) < 1


def crops(tilt_deg, rolls):
    """Of one who stands tilted; the detector tells the tilt or not."""
    actor = ScriptedPerson(0, (KeyPose(0, 0.5, 0.5, 0.4, 0.0, tilt_deg),), sway=0.0)
    scene = Scene(640, 360, 30, portraits='astronaut', script=Script((actor,), 60.0))

    def analyze(request):
        box = scene.truth(0)[0].box
        return DetectionResult(
            request.frame.stamp_ns, [Detection(box, 0.95)], None, np.radians([tilt_deg]) if rolls else None
        )

    pictures = (scene.frame(i) for i in range(12))
    return [tracked.tracks[0].crop for tracked in track_inline(pictures, analyze, FaceTracker(TrackerSettings()))]


def test_tracker_levels_the_crops_of_a_tilted_head():
    upright, left, level = crops(0.0, True)[11], crops(20.0, False)[11], crops(20.0, True)
    assert max(difference(crop, upright) for crop in level) < 15
    assert difference(left, upright) > 40


def test_tilt_is_followed_between_detections():
    """From upright to 14 degrees within half a second, the detector looks only at first."""
    keys = KeyPose(0, 0.5, 0.5, 0.4), KeyPose(0.5, 0.5, 0.5, 0.4, 0.0, 14.0)
    scene = Scene(640, 360, 30, portraits='astronaut', script=Script((ScriptedPerson(0, keys, sway=0.0),), 60.0))
    tracker = FaceTracker(TrackerSettings(detect_every=60))

    def analyze(request):
        return DetectionResult(request.frame.stamp_ns, [Detection(scene.truth(0)[0].box, 0.95)], None, np.zeros(1))

    tracked = list(track_inline((scene.frame(i) for i in range(16)), analyze, tracker))
    assert difference(tracked[-1].tracks[0].crop, tracked[0].tracks[0].crop) < 15
