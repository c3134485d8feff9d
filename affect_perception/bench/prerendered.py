"""A scene rendered beforehand into a memory-mapped file, so that a benchmark does not measure drawing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from affect_perception.settings import SourceSettings
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import steady_script
from affect_perception.types import Frame

RENDERED_S = 10.0


def mirrored_index(index: int, count: int) -> int:
    """Index into `count` frames that are played forwards and backwards in turn, so that no motion jumps."""
    turn, place = divmod(index, count)
    return count - 1 - place if turn % 2 else place


class PrerenderedScene:
    """`Source` of up to 10 s of a scene, rendered into `folder` and played forwards and backwards for `duration_s`."""

    name, live, dropped = 'prerendered scene', False, 0

    def __init__(self, scene: Scene, duration_s: float, folder: str) -> None:
        self.size: tuple[int, int] | None = scene.size
        self.fps = scene.fps
        self._frames = round(duration_s * scene.fps)
        count = min(round(RENDERED_S * scene.fps), self._frames)
        width, height = scene.size
        path = Path(folder) / 'frames.raw'
        self._images = np.memmap(path, np.uint8, 'w+', shape=(count, height, width, 3))
        for index in range(count):
            self._images[index] = scene.frame(index).rgb
        self._frame_id = scene.frame_id

    def __iter__(self) -> Iterator[Frame]:
        count = len(self._images)
        for index in range(self._frames):
            image = np.asarray(self._images[mirrored_index(index, count)])
            yield Frame(round(index * 1e9 / self.fps), self._frame_id, image)

    def close(self) -> None:
        """Nothing to release: the file goes with its folder."""


def prerender_scene(camera: SourceSettings, people: int, duration_s: float, folder: str) -> PrerenderedScene:
    """Render a scene of `people`, all always visible, with size and rate of the camera settings."""
    scene = Scene(
        width=camera.width,
        height=camera.height,
        fps=camera.fps,
        people=people,
        seed=camera.scene_seed,
        portraits=camera.scene_portraits,
        script=steady_script(people, camera.width / camera.height, camera.scene_seed),
    )
    print(f'rendering {RENDERED_S:.0f} s of the scene ...', file=sys.stderr)
    return PrerenderedScene(scene, duration_s, folder)
