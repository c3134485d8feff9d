"""Markers for RViz: shapes at the right place, under stable names, and nothing left behind."""

import math

import pytest
import yaml
from conftest import ROOT

from affect_perception.core.display.markers import FaceMarkers, assumed_intrinsics, caption, valence_colour
from affect_perception.settings import MarkerSettings
from affect_perception.types import Affect, Box, Intrinsics

T0 = 1_795_000_000_000_000_000
PERIOD = 33_333_333
CAMERA = Intrinsics(640, 480, 500.0, 500.0, 319.5, 239.5)
NAN = math.nan


def face(track_id=1, smile=0.5, valence=0.2, position=(NAN, NAN, NAN), centre=(320.0, 240.0)) -> Affect:
    known = (0.1, 0.2, 0.6, 0.1) if math.isfinite(smile) else (NAN,) * 4
    return Affect(track_id, Box.around(centre, 100, 100), 0.9, known, smile, position, valence)


def shapes(faces, camera=CAMERA, markers=None, stamp_ns=T0, **settings) -> dict:
    """The shapes of one image, by (part, track id)."""
    markers = markers or FaceMarkers(MarkerSettings(**settings))
    return {shape.key: shape for shape in markers.step(faces, stamp_ns, camera)[0]}


def test_face_with_depth_stands_where_it_is_and_is_as_large_as_it_is():
    shape = shapes([face(position=(0.3, -0.1, 1.5))])['face', 1]
    assert shape.position == (0.3, -0.1, 1.5)
    assert shape.size[0] == pytest.approx(100 * 1.5 / 500)


def test_face_without_depth_stands_on_the_image_plane():
    shape = shapes([face(centre=(420.0, 140.0))], plane_m=2.0)['face', 1]
    assert shape.position == pytest.approx((100 / 500 * 2, -100 / 500 * 2, 2.0))


@pytest.mark.parametrize('position', [(NAN, 0.1, 1.0), (0.1, math.inf, 1.0), (0.1, 0.1, -1.0), (0.0, 0.0, 0.0)])
def test_position_that_is_none_counts_as_without_depth(position):
    out = shapes([face(position=position)])
    assert out['face', 1].position[2] == 1.0
    assert all(math.isfinite(v) for shape in out.values() for v in (*shape.position, *shape.size, *shape.colour))


def test_face_that_lacks_its_depth_for_a_moment_does_not_jump():
    markers = FaceMarkers(MarkerSettings())
    shapes([face(position=(0.0, 0.0, 2.5))], markers=markers)
    assert shapes([face()], markers=markers, stamp_ns=T0 + PERIOD)['face', 1].position[2] == 2.5
    assert shapes([face()], markers=markers, stamp_ns=T0 + 2 * 10**9)['face', 1].position[2] == 1.0


def test_without_any_camera_only_faces_with_a_position_are_drawn():
    assert {i for _, i in shapes([face(1), face(2, position=(0, 0, 1.0))], camera=None)} == {2}


def test_camera_is_assumed_from_the_size_of_the_picture():
    camera = assumed_intrinsics(1280, 720, 90.0)
    assert camera.fx == pytest.approx(640)
    assert (camera.cx, camera.cy) == (639.5, 359.5)


def test_colour_goes_from_blue_over_grey_to_yellow():
    low, middle, high = (valence_colour(v, 0.5)[:3] for v in (-0.5, 0.0, 0.5))
    assert low[2] > low[0]
    assert high[0] > high[2]
    assert len(set(middle)) == 1
    assert valence_colour(0.9, 0.5) == valence_colour(0.5, 0.5)
    assert valence_colour(NAN, 0.5) != valence_colour(0.0, 0.5)


def test_bar_is_as_long_as_the_smile_and_starts_at_the_left():
    out = shapes([face(smile=0.25)])
    back, bar = out['smile_back', 1], out['smile', 1]
    assert bar.size[0] == pytest.approx(0.25 * back.size[0])
    assert bar.position[0] - bar.size[0] / 2 == pytest.approx(back.position[0] - back.size[0] / 2)
    assert back.position[1] > out['face', 1].position[1], 'y points down, and the bar is below'


def test_text_has_id_emoticon_and_what_is_known():
    assert caption(face(3, 0.82)) == '3  :-D  0.82\nV +0.20'
    assert caption(face(3, NAN, NAN)) == '3  :-?'


def test_face_of_which_nothing_is_known_has_no_bar():
    assert {part for part, _ in shapes([face(smile=NAN, valence=NAN)])} == {'face', 'smile_back', 'text'}


def test_who_leaves_is_deleted_part_by_part_and_the_others_stay():
    markers = FaceMarkers(MarkerSettings())
    markers.step([face(1), face(2)], T0, CAMERA)
    kept, gone = markers.step([face(2)], T0 + PERIOD, CAMERA)
    assert {shape.track_id for shape in kept} == {2}
    assert gone == (('face', 1), ('smile', 1), ('smile_back', 1), ('text', 1))
    assert markers.step([face(2)], T0 + 2 * PERIOD, CAMERA)[1] == ()


def test_trail_follows_for_as_long_as_asked():
    markers = FaceMarkers(MarkerSettings(trail_s=1.0))
    for i in range(90):
        out = shapes([face(position=(0.01 * i, 0.0, 1.0))], markers=markers, stamp_ns=T0 + i * PERIOD)
    points = out['trail', 1].points
    assert points[-1] == (0.89, 0.0, 1.0)
    assert points[0][0] == pytest.approx(0.89 - 0.3, abs=0.03)
    assert len(points) < 30


def test_markers_of_slow_images_last_until_the_next_ones():
    markers = FaceMarkers(MarkerSettings(marker_lifetime_s=0.5))
    markers.step([face()], T0, CAMERA)
    assert markers.lifetime_s == 0.5
    markers.step([face()], T0 + 10**9, CAMERA)
    assert markers.lifetime_s == 2.5


def test_recording_that_begins_again_is_drawn():
    markers = FaceMarkers(MarkerSettings(trail_s=5.0))
    shapes([face()], markers=markers, stamp_ns=T0 + 10**9)
    assert len(shapes([face()], markers=markers, stamp_ns=T0)['trail', 1].points) == 2


def test_rviz_shows_markers_and_overlay():
    config = yaml.safe_load((ROOT / 'config' / 'smile.rviz').read_text())
    displays = {d['Class']: d for d in config['Visualization Manager']['Displays']}
    assert displays['rviz_default_plugins/MarkerArray']['Topic']['Value'] == '/face_markers'
    assert displays['rviz_default_plugins/Image']['Topic']['Value'] == '/overlay'
    assert all(d['Enabled'] for d in displays.values())
