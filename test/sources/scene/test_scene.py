"""The scripted scene: equal pixels for equal seeds, and a ground truth that agrees with the pixels."""

import numpy as np
import pytest
from conftest import DATA

from affect_perception.errors import ConfigError
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import (
    KeyPose,
    Script,
    ScriptedPerson,
    SmileEvent,
    busy_script,
    default_script,
    standing_positions,
    steady_script,
)
from affect_perception.types import LEVEL_BOUNDS

LONDON = DATA / 'london'
needs_london = pytest.mark.skipif(not LONDON.is_dir(), reason=f'{LONDON} is not here')
pytest.importorskip('skimage', reason='the built-in portrait comes with scikit-image')


@pytest.fixture(scope='module')
def scene() -> Scene:
    return Scene()


def one(*keys: KeyPose, smiles=(), depth=0.0, person_id=0) -> ScriptedPerson:
    return ScriptedPerson(person_id, keys, smiles, depth, sway=0.0)


def small(*people: ScriptedPerson, period_s: float = 10.0, **settings) -> Scene:
    return Scene(320, 180, fps=10.0, script=Script(people, period_s), **settings)


# ---- script ------------------------------------------------------------------------------------------------------


def test_person_walks_eased_from_key_to_key_and_back_at_the_end_of_the_period():
    person = one(KeyPose(0, 0.2, 0.5, 0.3), KeyPose(4, 0.8, 0.5, 0.3))
    script = Script((person,), 10)
    assert [round(script.pose(person, t).x, 3) for t in (0, 2, 4, 7, 10, 12)] == [0.2, 0.5, 0.8, 0.5, 0.2, 0.5]
    assert script.pose(person, 1).x < 0.35  # still gathering speed


def test_a_head_that_looks_down_is_nearer_at_the_brow_than_at_the_chin():
    pictures = []
    for pitch in (0.0, 40.0):
        person = ScriptedPerson(1, (KeyPose(0.0, 0.5, 0.5, 0.6, pitch_deg=pitch),), sway=0.0)
        scene = Scene(160, 120, people=1, script=Script((person,), 10.0))
        assert scene.script.pose(person, 3.0).pitch_deg == pitch
        pictures.append(scene.frame(0).rgb)
    assert not np.array_equal(*pictures)


def test_smile_rises_stays_and_falls():
    person = one(KeyPose(0, 0.5, 0.5, 0.3), smiles=(SmileEvent(1.0, rise_s=1.0, hold_s=2.0, fall_s=1.0, apex=0.8),))
    script = Script((person,), 10)
    assert [round(script.smile(person, t), 2) for t in (0.5, 1.5, 2.5, 4.5, 6, 12.5)] == [0, 0.4, 0.8, 0.4, 0, 0.8]


@pytest.mark.parametrize('keys', [(), (KeyPose(3, 0, 0, 0.1), KeyPose(1, 0, 0, 0.1)), (KeyPose(11, 0, 0, 0.1),)])
def test_script_with_bad_keys_is_refused(keys):
    with pytest.raises(ConfigError, match='keys'):
        Script((ScriptedPerson(0, keys),), 10)


@pytest.mark.parametrize('people', [0, 1, 2, 4, 5, 8, 20, 50])
def test_places_lie_inside_the_picture_and_faces_apart(people):
    places = standing_positions(people, 16 / 9)
    assert len(places) == people
    for i, a in enumerate(places):
        assert a.size / 2 < a.y < 1 - a.size / 2
        assert a.size / 2 < a.x * 16 / 9 < 16 / 9 - a.size / 2
        for b in places[:i]:
            assert np.hypot((a.x - b.x) * 16 / 9, a.y - b.y) > 1.3 * a.size


# ---- pixels ------------------------------------------------------------------------------------------------------


def test_same_seed_gives_the_same_pixels_in_any_order():
    scenes = [Scene(320, 180, people=2, seed=5) for _ in range(2)]
    forwards = [scenes[0].frame(i).rgb for i in (0, 40, 90)]
    backwards = [scenes[1].frame(i).rgb for i in (90, 40, 0)][::-1]
    np.testing.assert_array_equal(forwards, backwards)
    assert not np.array_equal(forwards[0], Scene(320, 180, people=2, seed=6).frame(0).rgb)


def test_scene_of_a_duration_ends_and_is_stamped_from_zero():
    frames = list(Scene(320, 180, fps=20.0, people=1, duration_s=0.5))
    assert [f.stamp_ns for f in frames] == [50_000_000 * i for i in range(10)]
    assert (frames[0].width, frames[0].height) == (320, 180)


def test_scene_without_people_is_an_empty_room():
    scene = Scene(320, 180, people=0)
    assert scene.truth(0) == ()
    np.testing.assert_array_equal(scene.frame(0).rgb, scene.frame(77).rgb)
    assert scene.frame(0).rgb.std() > 5, 'but not a plain one'


def test_smile_changes_the_lower_face_and_leaves_eyes_and_hair():
    person = one(KeyPose(0, 0.5, 0.5, 0.5), smiles=(SmileEvent(2, 1, 2, 1),))
    scene = small(person, portraits='astronaut')
    assert (scene.truth(0)[0].smile, scene.truth(40)[0].smile) == (0.0, 1.0)
    change = np.abs(scene.frame(0).rgb.astype(int) - scene.frame(40).rgb).sum(-1)
    box = scene.truth(0)[0].box
    left, right = round(box.x - 0.1 * box.width), round(box.x + 1.1 * box.width)
    eyes, nose, chin = (round(box.y + share * box.height) for share in (0.2, 0.45, 1.1))
    assert change[nose:chin, left:right].sum() > 0.9 * change.sum()
    assert change[:eyes].max() <= 6, 'the smooth warp has faded out there'


def test_four_different_people_show_every_level_and_change():
    scene = Scene(320, 180, people=4)
    truths = [scene.truth(i) for i in range(0, round(30 * scene.script.period_s), 15)]
    levels = [[int(np.digitize(t.smile, LEVEL_BOUNDS, right=True)) for t in frame] for frame in truths]
    assert set(np.ravel(levels)) == {0, 1, 2, 3}
    assert all(len(set(person)) > 1 for person in np.transpose(levels))
    assert max(len(set(frame)) for frame in levels) > 1
    assert len({portrait.step(0).tobytes() for portrait in scene._portraits}) == 4


def test_the_truth_is_the_intensity_of_what_is_shown_not_the_fraction_of_a_morph(tmp_path):
    person = one(KeyPose(0, 0.5, 0.5, 0.5), smiles=(SmileEvent(0, 1, 8, 1, apex=0.5),))
    scene = small(person)
    shown = scene._portraits[0]
    step = shown.step_of(0.5)
    assert scene.truth(50)[0].smile == shown.intensities[step]
    assert abs(shown.intensities[step] - 0.5) < 0.1


def test_turned_head_is_narrower_and_its_truth_too():
    scene = small(one(KeyPose(0, 0.5, 0.5, 0.5), KeyPose(5, 0.5, 0.5, 0.5, yaw_deg=30)))
    (straight,), (turned,) = scene.truth(0), scene.truth(50)
    assert turned.yaw_deg == 30
    assert turned.box.width < straight.box.width
    assert turned.box.centre == pytest.approx(straight.box.centre)


# ---- visibility -------------------------------------------------------------------------------------------------


def test_nearer_person_hides_the_other():
    back, front = one(KeyPose(0, 0.5, 0.5, 0.4)), one(KeyPose(0, 0.5, 0.5, 0.4), depth=1.0, person_id=1)
    hidden, seen = small(back, front).truth(0)
    assert hidden.visible < 0.05
    assert seen.visible == 1.0
    apart = small(one(KeyPose(0, 0.2, 0.5, 0.3)), one(KeyPose(0, 0.8, 0.5, 0.3), depth=1.0, person_id=1)).truth(0)
    assert [t.visible for t in apart] == [1.0, 1.0]


def test_face_at_the_edge_is_half_visible_and_outside_not_at_all():
    edge, outside = small(one(KeyPose(0, 0.0, 0.5, 0.4)), one(KeyPose(0, -0.5, 0.5, 0.4), person_id=1)).truth(0)
    assert edge.visible == pytest.approx(0.5, abs=0.05)
    assert outside.visible == 0.0


@pytest.mark.parametrize('people', [1, 4, 8])
def test_everybody_of_the_steady_script_is_always_visible(people):
    scene = Scene(640, 360, script=steady_script(people))
    assert all(t.visible > 0.95 for i in range(0, 1200, 25) for t in scene.truth(i))
    smiles = [t.smile for i in range(0, 1200, 10) for t in scene.truth(i)]
    assert min(smiles) == 0.0
    assert max(smiles) > 0.75, 'a high smile on the absolute scale'


@pytest.mark.parametrize('seed', range(4))
def test_people_of_the_busy_script_cross_leave_and_return(seed):
    scene = Scene(640, 360, script=busy_script(8, seed=seed))
    period = round(scene.script.period_s * scene.fps)
    visible = np.array([[t.visible for t in scene.truth(i)] for i in range(0, period, 6)])
    inside = np.array([[0 < t.box.centre[0] < 640 for t in scene.truth(i)] for i in range(0, period, 6)])
    assert ((visible < 0.3) & inside).any(), 'a person is occluded'
    away = ~inside
    assert away.any(), 'a person leaves'
    assert not away[0].any()
    assert not away[-1].any(), 'and is back at the end'


@pytest.mark.parametrize('script', [default_script(4), default_script(6, seed=3), busy_script(5, seed=2)])
def test_poses_are_continuous(script):
    for person in script.people:
        x, y, size = np.array(
            [(p.x, p.y, p.size) for t in np.arange(0, 2 * script.period_s, 1 / 30) for p in [script.pose(person, t)]]
        ).T
        assert np.abs(np.diff(x)).max() < 0.04
        assert np.abs(np.diff(y)).max() < 0.02
        assert np.abs(np.diff(size)).max() < 0.01


# ---- detection ----------------------------------------------------------------------------------


def overlap(a, b) -> float:
    """Intersection over union of two boxes."""
    width = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    height = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    common = max(width, 0) * max(height, 0)
    return common / (a.area + b.area - common)


def agreement(scene: Scene, indices) -> list[float]:
    """Overlap of the truth with dlib's HOG boxes, for every face that is wholly seen; 0 where it is missed."""
    from affect_perception.types import Box

    find = pytest.importorskip('dlib').get_frontal_face_detector()
    result = []
    for i in indices:
        found = [Box(r.left(), r.top(), r.width(), r.height()) for r in find(np.array(scene.frame(i).rgb), 0)]
        seen = [t for t in scene.truth(i) if t.visible > 0.95]
        result += [max((overlap(t.box, box) for box in found), default=0.0) for t in seen]
    return result


@pytest.mark.slow
def test_hog_detector_finds_every_face_where_the_truth_says(scene):
    overlaps = agreement(scene, range(0, 1200, 80))
    assert len(overlaps) > 40
    assert min(overlaps) > 0.5
    assert np.mean(overlaps) > 0.75
    assert all(t.box.width >= 110 for i in range(0, 1200, 40) for t in scene.truth(i))


@pytest.mark.data
@pytest.mark.slow
@needs_london
def test_hog_detector_finds_morphed_londoners_where_the_truth_says():
    overlaps = agreement(Scene(script=steady_script(8), portraits=str(LONDON)), range(0, 1200, 150))
    assert len(overlaps) == 64
    assert np.mean(np.array(overlaps) > 0.5) > 0.95
    assert np.mean(overlaps) > 0.7


@pytest.mark.data
@needs_london
def test_londoners_differ_and_follow_the_seed():
    scripts = Script((one(KeyPose(0, 0.5, 0.5, 0.5)),), 10)
    frames = [Scene(320, 180, portraits=str(LONDON), seed=seed, script=scripts).frame(0).rgb for seed in (0, 0, 1)]
    np.testing.assert_array_equal(frames[0], frames[1])
    assert not np.array_equal(frames[0], frames[2])


@pytest.mark.parametrize(
    ('index', 'message'),
    [
        (None, 'wanted a folder with index.csv'),
        ('a,b\n1,2\n', 'lacks columns'),
        ('file,person,expression\nx.jpg,1,neutral\n', 'names no'),
        ('file,person,expression\nx.jpg,1,neutral\ny.jpg,1,smiling\n', 'x.jpg cannot be read'),
    ],
)
def test_unusable_portraits_are_refused(tmp_path, index, message):
    if index is not None:
        (tmp_path / 'index.csv').write_text(index)
    with pytest.raises(ConfigError, match=message):
        Scene(320, 180, people=1, portraits=str(tmp_path))
