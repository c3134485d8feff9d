"""The scene through the whole graph, real nodes and real messages: who is there, who smiles, when, and nothing lost."""

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')

from conftest import wait_until

from affect_perception.core.boxes import box_to_row, iou
from affect_perception.graph.run import RunningGraph
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import steady_script
from affect_perception.types import LEVEL_BOUNDS

pytestmark = [pytest.mark.ros, pytest.mark.slow]

SETTINGS = {
    'camera_node': {'rate': 0.0},
    'face_tracker_node': {'detector': 'dlib_hog'},
    'affect_node': {'device': 'cpu'},
}
SECONDS = 6


def scene_of_three(portraits: str = '') -> Scene:
    return Scene(960, 540, 15.0, 3, 1, portraits, duration_s=SECONDS, script=steady_script(3, 16 / 9, 1))


def played(scene: Scene) -> tuple[dict, list]:
    """The summary and every result of a scene, of which no frame is lost."""
    results = []
    with RunningGraph('scene', SETTINGS, scene, results.append) as running:
        wait_until(lambda: running.finished and len(results) == running.graph.camera.published, 120)
        running.drain()
        return running.summary(), results


@pytest.fixture(scope='module')
def show():
    scene = scene_of_three()
    return scene, *played(scene)


def people(scene: Scene, results: list) -> dict[int, list[tuple[int, float, float]]]:
    """For each person of the scene: (track id, true smile, intensity) of every frame in which they were found.

    The intensity is NaN where the level is UNKNOWN (low confidence, as in the first frame of a track).
    """
    out: dict[int, list] = {}
    for index, result in enumerate(results):
        for truth in scene.truth(index):
            for face in result.faces:
                if iou(box_to_row(truth.box)[None], box_to_row(face.box)[None])[0, 0] > 0.4:
                    out.setdefault(truth.person_id, []).append((face.track_id, truth.smile, face.smile_intensity))
    return out


def smiles_read(seen: list[tuple[int, float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """(true smile, intensity) of the frames whose level is known, which are most of them."""
    smile, intensity = np.array([(s, i) for _, s, i in seen]).T
    known = np.isfinite(intensity)
    assert known.mean() > 0.8
    return smile[known], intensity[known]


def gap(smile: np.ndarray, intensity: np.ndarray) -> float:
    """Rise of a person's intensity from rest to the height of the smile."""
    return intensity[smile > 0.8 * smile.max()].mean() - intensity[smile < 0.2 * smile.max()].mean()


def test_every_frame_of_a_replay_is_answered_in_order(show):
    scene, summary, results = show
    assert summary['frames_in'] == summary['frames_processed'] == summary['messages'] == SECONDS * 15
    assert summary['frames_dropped'] == 0
    stamps = np.array([result.stamp_ns for result in results])
    expected = np.array([scene.frame(i).stamp_ns for i in range(SECONDS * 15)])
    np.testing.assert_array_equal(stamps - stamps[0], expected - expected[0])


def test_results_carry_the_frame_id_of_the_camera(show):
    assert {result.frame_id for result in show[2]} == {'camera_color_optical_frame'}


def test_every_person_is_found_and_keeps_one_id(show):
    scene, summary, results = show
    found = people(scene, results)
    assert sorted(found) == [0, 1, 2]
    ids = [{track_id for track_id, _, _ in seen} for seen in found.values()]
    assert all(len(one) == 1 for one in ids)
    assert len(set.union(*ids)) == summary['track_ids'] == summary['people_max'] == 3
    assert all(len(seen) > 0.95 * len(results) for seen in found.values())


def test_intensity_follows_the_smile_of_a_person(show):
    scene, _, results = show
    for seen in people(scene, results).values():
        smile, intensity = smiles_read(seen)
        assert np.ptp(smile) > 0.3, 'the script should let everybody smile and stop'
        # No margin: to our networks the built-in portrait smiles with her cheeks when her mouth is at rest.
        assert gap(smile, intensity) > 0
        assert np.corrcoef(smile, intensity)[0, 1] > 0.4


def test_people_who_were_never_seen_in_training_smile_on_cue(data):
    scene = scene_of_three(str(data / 'london'))
    _, results = played(scene)
    found = people(scene, results)
    assert sorted(found) == [0, 1, 2]
    shown = [smiles_read(seen) for seen in found.values()]
    follows = [np.corrcoef(smile, intensity)[0, 1] > 0.6 and gap(smile, intensity) > 0.05 for smile, intensity in shown]
    # Absolute intensity: these smiles are played part of the way, and the first person's posed one hardly is a smile
    # (042 in london_morphs.csv: strength 0.001).
    assert follows[1:] == [True, True]
    assert shown[0][1].max() < LEVEL_BOUNDS[0]


def test_scene_with_nobody_gives_a_message_for_every_frame():
    summary, results = played(Scene(320, 240, 15.0, people=0, duration_s=1))
    assert summary['messages'] == 15
    assert all(result.faces == () for result in results)


def test_two_replays_say_the_same(show):
    _, again = played(scene_of_three())
    for one, other in zip(show[2], again, strict=True):
        assert [f.track_id for f in one.faces] == [f.track_id for f in other.faces]
        assert [f.box for f in one.faces] == [f.box for f in other.faces]
        np.testing.assert_allclose(
            [f.smile_intensity for f in one.faces], [f.smile_intensity for f in other.faces], atol=1e-6
        )
