"""The prerendered scene: frames forwards and backwards, at the rate of the camera."""

from affect_perception.bench.prerendered import mirrored_index, prerender_scene
from affect_perception.settings import SourceSettings


def test_frames_are_played_forwards_and_backwards():
    assert [mirrored_index(i, 3) for i in range(8)] == [0, 1, 2, 2, 1, 0, 0, 1]


def test_scene_lasts_as_long_as_asked_at_the_rate_of_the_camera(tmp_path):
    scene = prerender_scene(SourceSettings(width=160, height=90, fps=10.0), 1, 0.5, str(tmp_path))
    frames = list(scene)
    assert [frame.stamp_ns for frame in frames] == [100_000_000 * i for i in range(5)]
    assert scene.size == (160, 90)
