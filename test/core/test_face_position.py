"""Position of a face in space: synthetic depth of a face, a wall, a hand and holes; matching of depth to images."""

import math

import numpy as np
import pytest

from affect_perception.core.face_position import Locator, face_position, to_depth
from affect_perception.errors import BadInputError
from affect_perception.types import NAN3, Box, Depth, Intrinsics, Track, TrackedFrame

SIZE = WIDTH, HEIGHT = 640, 480
CAMERA = Intrinsics(WIDTH, HEIGHT, 600.0, 600.0, 319.5, 239.5)
FACE = Box(400, 100, 90, 90)
T0 = 1_795_000_000_000_000_000


def millimetres(z_m: float | np.ndarray = 1.0, seed: int = 0) -> np.ndarray:
    """(480, 640) uint16: a face at `z_m` in FACE (nose 5 cm before its edge, 5 mm of noise), a wall at 3 m."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    r2 = ((x + 0.5 - FACE.centre[0]) / 45) ** 2 + ((y + 0.5 - FACE.centre[1]) / 45) ** 2
    noise = np.random.default_rng(seed).normal(0, 0.005, (HEIGHT, WIDTH))
    return np.uint16(1000 * (np.where(r2 <= 1, z_m + 0.05 * (r2 - 0.245), 3.0) + noise))


def position(mm: np.ndarray, box: Box = FACE, camera: Intrinsics = CAMERA) -> tuple[float, float, float]:
    return face_position(box, SIZE, Depth(T0, mm, 0.001), camera)


def share(mm: np.ndarray, where: str, amount: float) -> tuple[slice, slice]:
    """The part of FACE's inner ellipse's rows or columns that begins `amount` from one side."""
    side = round(0.7 * 90 * amount)
    first_x, first_y = round(FACE.centre[0] - 31.5), round(FACE.centre[1] - 31.5)
    if where == 'right':
        return slice(None), slice(first_x + 63 - side, None)
    return slice(first_y + 63 - side, None), slice(None)


@pytest.mark.parametrize('z', [0.4, 1.0, 2.5])
def test_face_is_where_the_camera_geometry_says(z):
    x, y = (FACE.centre[0] - 0.5 - 319.5) / 600 * z, (FACE.centre[1] - 0.5 - 239.5) / 600 * z
    assert position(millimetres(z)) == pytest.approx((x, y, z), abs=0.01)


def test_face_right_of_and_above_the_axis_has_positive_x_and_negative_y():
    x, y, _ = position(millimetres())
    assert x > 0 > y


def test_holes_and_background_do_not_move_the_face():
    # 40 % of the pixels are holes, 30 % background, and 30 % are left of the face.
    mm = millimetres()
    mm[share(mm, 'right', 0.3)] = 3000
    face = mm < 2000
    mm[face & (np.random.default_rng(1).random(mm.shape) < 0.4 / 0.7)] = 0
    assert position(mm)[2] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize('amount', [0.3, 0.5, 0.6])
def test_wall_beside_a_turned_head_is_not_the_face(amount):
    mm = millimetres()
    mm[share(mm, 'right', amount)] = 3000
    assert position(mm)[2] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize('wall', [1400, 1700])
def test_wall_close_behind_is_not_the_face(wall):
    mm = np.minimum(millimetres(), wall)
    mm[share(mm, 'right', 0.4)] = wall
    assert position(mm)[2] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(('before', 'amount'), [(150, 0.25), (300, 0.3), (500, 0.3)])
def test_hand_in_front_of_the_chin_is_not_the_face(before, amount):
    mm = millimetres()
    mm[share(mm, 'below', amount)] = 1000 - before
    assert position(mm)[2] == pytest.approx(1.0, abs=0.03)


def test_hand_and_wall_and_holes_at_once():
    mm = millimetres()
    mm[share(mm, 'right', 0.3)] = 3000
    mm[share(mm, 'below', 0.2)] = 750
    mm[np.random.default_rng(2).random(mm.shape) < 0.4] = 0
    assert position(mm)[2] == pytest.approx(1.0, abs=0.03)


def test_face_on_a_large_poster_has_the_distance_of_the_poster():
    assert position(np.full((HEIGHT, WIDTH), 4000, np.uint16))[2] == pytest.approx(4.0)


@pytest.mark.parametrize('value', [0, 65535, 50])
def test_without_a_usable_depth_the_position_is_not_a_number(value):
    assert all(map(math.isnan, position(np.full((HEIGHT, WIDTH), value, np.uint16))))


def test_few_valid_pixels_are_not_believed():
    mm = np.zeros((HEIGHT, WIDTH), np.uint16)
    mm[140:150, 440:450] = 1000
    assert all(map(math.isnan, position(mm)))


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf, 0.0, -1.0, 1e9])
def test_depth_in_metres_with_values_that_are_none(bad):
    metres = np.float32(millimetres() / 1000)
    metres[np.random.default_rng(3).random(metres.shape) < 0.5] = bad
    assert face_position(FACE, SIZE, Depth(T0, metres, 1.0), CAMERA)[2] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize('box', [Box(-30, -30, 60, 60), Box(600, 440, 90, 90), Box(0, 0, 640, 480), Box(5, 5, 3, 3)])
def test_face_at_the_edge_or_of_any_size_has_a_position(box):
    assert position(np.full((HEIGHT, WIDTH), 1500, np.uint16), box)[2] == pytest.approx(1.5)


@pytest.mark.parametrize('box', [Box(-200, 0, 90, 90), Box(700, 500, 90, 90), Box(math.nan, 0, 9, 9), Box(9, 9, 0, 0)])
def test_box_outside_the_picture_does_no_harm(box):
    position(np.full((HEIGHT, WIDTH), 1500, np.uint16), box)


def test_depth_of_half_the_resolution_gives_the_same_position():
    assert position(millimetres()[::2, ::2]) == pytest.approx(position(millimetres()), abs=0.01)


def test_camera_info_of_another_resolution_gives_the_same_position():
    double = Intrinsics(1280, 960, 1200.0, 1200.0, 639.5, 479.5)
    assert position(millimetres(), camera=double) == pytest.approx(position(millimetres()), abs=1e-6)


def test_depth_of_another_shape_is_refused():
    with pytest.raises(BadInputError, match='640x360 is not aligned to an image of 640x480') as caught:
        position(millimetres()[:360])
    assert caught.value.kind == 'depth'


def test_camera_info_of_another_shape_is_refused():
    with pytest.raises(BadInputError, match='1280x720') as caught:
        position(millimetres(), camera=Intrinsics(1280, 720, 900.0, 900.0, 640.0, 360.0))
    assert caught.value.kind == 'camera_info'


GOOD = {'width': 640, 'height': 480, 'fx': 1.0, 'fy': 1.0, 'cx': 1.0, 'cy': 1.0}


@pytest.mark.parametrize('change', [{'fx': 0.0}, {'fx': math.nan}, {'width': 0}, {'distortion': (0.1,)}])
def test_camera_that_is_not_calibrated_is_refused(change):
    with pytest.raises(BadInputError, match='not calibrated'):
        Intrinsics(**{**GOOD, **change})


def test_distortion_of_the_lens_is_taken_out():
    k1, x, y = 0.2, 0.3, -0.2  # a point of the scene at z = 1
    factor = 1 + k1 * (x * x + y * y)
    u, v = 319.5 + 600 * x * factor, 239.5 + 600 * y * factor
    camera = Intrinsics(WIDTH, HEIGHT, 600.0, 600.0, 319.5, 239.5, (k1, 0.0, 0.0, 0.0, 0.0))
    got = position(np.full((HEIGHT, WIDTH), 1000, np.uint16), Box(u + 0.5 - 20, v + 0.5 - 20, 40, 40), camera)
    assert got == pytest.approx((x, y, 1.0), abs=1e-4)


# Encodings


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize(
    ('encoding', 'kind', 'unit'), [('16UC1', 'u2', 0.001), ('mono16', 'u2', 0.001), ('32FC1', 'f4', 1)]
)
@pytest.mark.parametrize('padding', [0, 3, 8])
def test_depth_encodings_of_ros_are_read(encoding, kind, unit, big, padding):
    values = np.arange(1, 13).reshape(3, 4).astype(('>' if big else '<') + kind)
    rows = np.zeros((3, 4 * values.itemsize + padding), np.uint8)
    rows[:, : 4 * values.itemsize] = values.view(np.uint8)
    depth = to_depth(T0, rows.tobytes(), 4, 3, rows.shape[1], encoding, big)
    assert depth.unit_m == unit
    assert depth.values.tolist() == values.tolist()


@pytest.mark.parametrize(
    ('size', 'step', 'encoding'),
    [(24, 8, 'rgb8'), (23, 8, '16UC1'), (24, 7, '16UC1'), (24, 8, '32FC1'), (0, 0, '16UC1')],
)
def test_depth_message_that_contradicts_itself_is_refused(size, step, encoding):
    with pytest.raises(BadInputError) as caught:
        to_depth(T0, bytes(size), 4, 3, step, encoding)
    assert caught.value.kind == 'depth'


@pytest.mark.parametrize('size', [(0, 0), (0, 3), (4, 0)])
def test_depth_without_pixels_is_refused(size):
    with pytest.raises(BadInputError):
        to_depth(T0, b'', *size, 0, '16UC1')


# Matching by stamp


def flat(stamp_ns: int, mm: int = 1000) -> Depth:
    return Depth(stamp_ns, np.full((HEIGHT, WIDTH), mm, np.uint16), 0.001)


def tracked(stamp_ns: int = T0, boxes=(FACE,)) -> TrackedFrame:
    crop = np.zeros((96, 96, 3), np.uint8)
    return TrackedFrame(stamp_ns, 'optical', *SIZE, tuple(Track(i + 1, b, 1.0, 0.0, crop) for i, b in enumerate(boxes)))


@pytest.fixture
def locator() -> Locator:
    locator = Locator(slop_s=0.02)
    locator.intrinsics = CAMERA
    return locator


def test_depth_nearest_in_time_is_taken(locator):
    for offset_ms, mm in ((-66, 900), (-33, 1000), (4, 1100), (15, 1200)):
        locator.put(flat(T0 + offset_ms * 1_000_000, mm))
    assert locator.locate(tracked()).tracks[0].position[2] == pytest.approx(1.1)


@pytest.mark.parametrize(('offset_ms', 'found'), [(-19, True), (-21, False), (19, True), (21, False)])
def test_depth_farther_than_the_slop_is_not_taken(locator, offset_ms, found):
    locator.put(flat(T0 + offset_ms * 1_000_000))
    assert math.isfinite(locator.locate(tracked()).tracks[0].position[2]) is found


def test_without_depth_tracks_pass_as_they_are(locator):
    assert locator.locate(tracked()).tracks[0].position == NAN3


def test_every_face_of_an_image_gets_its_own_position(locator):
    mm = np.full((HEIGHT, WIDTH), 1000, np.uint16)
    mm[:, 320:] = 2000
    locator.put(Depth(T0, mm, 0.001))
    left, right = locator.locate(tracked(boxes=(Box(100, 200, 80, 80), Box(500, 200, 80, 80)))).tracks
    assert (left.track_id, right.track_id) == (1, 2)
    assert (left.position[2], right.position[2]) == pytest.approx((1, 2))
    assert left.position[0] < 0 < right.position[0]


def test_depth_without_camera_info_is_reported(locator):
    locator.intrinsics = None
    locator.put(flat(T0))
    with pytest.raises(BadInputError) as caught:
        locator.locate(tracked())
    assert caught.value.kind == 'camera_info'


def test_bag_that_begins_again_does_not_get_depth_of_its_end(locator):
    locator.put(flat(T0 + 10_000_000_000, 3000))
    locator.put(flat(T0, 1000))
    assert locator.locate(tracked(T0 + 10_000_000_000)).tracks[0].position == NAN3
    assert locator.locate(tracked()).tracks[0].position[2] == pytest.approx(1.0)


def test_only_a_few_depth_pictures_are_kept(locator):
    for i in range(100):
        locator.put(flat(T0 + i * 1_000_000))
    assert locator.nearest(T0 + 50_000_000) is None
    assert locator.nearest(T0 + 99_000_000).stamp_ns == T0 + 99_000_000
