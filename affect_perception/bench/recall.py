"""Recall of detectors on rendered faces with known boxes, by size, yaw, pitch and roll, and against exhaustive dlib.

Faces of the built-in people (or of a folder of portraits) stand apart on the background of the scene, all of one size
and pose per picture. A turned face is a portrait seen from the side in perspective, not a head in three dimensions:
profiles cannot be rendered.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from affect_perception.core.boxes import boxes_to_rows, iou
from affect_perception.detectors import FaceDetector
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import KeyPose, Script, ScriptedPerson
from affect_perception.types import Box

SIZES = (36, 44, 56, 68, 80, 110, 160, 240)  # px
YAWS = (0.0, 20.0, 40.0, 60.0)  # degrees
PITCHES = (-40.0, -20.0, 0.0, 20.0, 40.0)
ROLLS = (0.0, 15.0, 30.0, 45.0)
POSE_PX = 110  # size of turned faces
KINDS = ('size', 'yaw', 'pitch', 'roll')
SAME_IOU = 0.4  # detectors frame a face differently: by forehead and chin, or as a square
FACE = 0.5  # confidence of a detection
WIDTH, HEIGHT = 1280, 720


@dataclass(frozen=True, eq=False)
class LabelledPicture:
    """Rendered picture, with the boxes of its faces, all of one size and pose."""

    rgb: np.ndarray
    boxes: list[Box]
    groups: tuple[tuple[str, str], ...]  # (kind, value) of all its faces


@dataclass
class Count:
    """Faces and how many of them were found; detections that are no face."""

    faces: int = 0
    found: int = 0
    extra: int = 0

    def add(self, wanted: list[Box], detected: list[Box]) -> None:
        """Count a picture."""
        overlap = iou(boxes_to_rows(wanted), boxes_to_rows(detected)) if wanted and detected else np.zeros((0, 0))
        self.faces += len(wanted)
        self.found += int((overlap.max(axis=1) >= SAME_IOU).sum()) if overlap.size else 0
        self.extra += int((overlap.max(axis=0) < SAME_IOU).sum()) if overlap.size else len(detected)

    @property
    def recall(self) -> float | None:
        """Share of the faces that were found."""
        return round(self.found / self.faces, 4) if self.faces else None


@dataclass
class Recall:
    """Counts of one detector: of rendered faces by their kind, and of exhaustive dlib's."""

    groups: dict[str, dict[str, Count]] = field(default_factory=dict)
    of_exhaustive: Count = field(default_factory=Count)

    def numbers(self) -> dict[str, object]:
        """Recall by kind, for the JSON."""
        exhaustive = self.of_exhaustive
        return {
            **{kind: {key: count.recall for key, count in group.items()} for kind, group in self.groups.items()},
            'false': sum(count.extra for group in self.groups.values() for count in group.values()),
            'of_exhaustive': {'faces': exhaustive.faces, 'recall': exhaustive.recall, 'extra': exhaustive.extra},
        }


def rendered(portraits: str = '', kinds: Sequence[str] = KINDS) -> Iterator[LabelledPicture]:
    """Pictures with six faces or as many as fit: of all sizes upright, and turned ones of POSE_PX."""
    if 'size' in kinds:
        for size in SIZES:
            yield _picture(size, KeyPose(0, 0, 0, 0), (('size', f'{size} px'),), portraits)
    for kind, values, key in (('yaw', YAWS, 'yaw_deg'), ('pitch', PITCHES, 'pitch_deg'), ('roll', ROLLS, 'tilt_deg')):
        for value in values if kind in kinds else ():
            yield _picture(POSE_PX, KeyPose(0, 0, 0, 0, **{key: value}), ((kind, f'{value:.0f}°'),), portraits)


def measure(
    detectors: Mapping[str, FaceDetector],
    exhaustive: str,
    more: Iterable[np.ndarray],
    portraits: str = '',
    kinds: Sequence[str] = KINDS,
) -> dict[str, Recall]:
    """Recall of each detector on rendered faces; on these and on `more` pictures also of what `exhaustive` found."""
    result = {name: Recall() for name in detectors}
    for picture in rendered(portraits, kinds):
        found = _detected(detectors, picture.rgb)
        for name, boxes in found.items():
            for kind, key in picture.groups:
                result[name].groups.setdefault(kind, {}).setdefault(key, Count()).add(picture.boxes, boxes)
            result[name].of_exhaustive.add(found[exhaustive], boxes)
    for rgb in more:
        found = _detected(detectors, rgb)
        for name, boxes in found.items():
            result[name].of_exhaustive.add(found[exhaustive], boxes)
    return result


def cpu_ms(run: Callable[[], object], repeats: int) -> float:
    """Median CPU time of this process in ms of one call, after a first one."""
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append((time.process_time() - start) * 1e3)
    return round(statistics.median(times), 2)


def _detected(detectors: Mapping[str, FaceDetector], rgb: np.ndarray) -> dict[str, list[Box]]:
    return {name: [d.box for d in one.detect(rgb) if d.confidence >= FACE] for name, one in detectors.items()}


def _picture(size: int, pose: KeyPose, groups: tuple[tuple[str, str], ...], portraits: str) -> LabelledPicture:
    """Faces in two rows of three, fewer where a row or a column would not hold them; half turn the other way."""
    columns, rows = min(3, max(int(WIDTH / (2.2 * size)), 1)), min(2, max(int(HEIGHT / (2.4 * size)), 1))
    people = tuple(
        ScriptedPerson(
            number + 1,
            (
                replace(
                    pose,
                    x=(number % columns + 0.5) / columns,
                    y=(number // columns + 0.45) / rows,
                    size=size / HEIGHT,
                    yaw_deg=pose.yaw_deg * (-1) ** number,
                    tilt_deg=pose.tilt_deg * (-1) ** (number // 2),
                ),
            ),
            sway=0.0,
        )
        for number in range(columns * rows)
    )
    scene = Scene(WIDTH, HEIGHT, people=len(people), portraits=portraits, script=Script(people, 10.0))
    return LabelledPicture(scene.frame(0).rgb, [truth.box for truth in scene.truth(0)], groups)
