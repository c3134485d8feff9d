"""Recall of detectors on rendered faces with known boxes, by size, yaw and tilt, and against exhaustive dlib.

Faces of the built-in people (or of a folder of portraits) stand apart on the background of the scene, all of one size
and pose per picture. A turned face is a portrait seen from the side in perspective, not a head in three dimensions:
profiles cannot be rendered.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from affect_perception.core.boxes import boxes_to_rows, iou
from affect_perception.detectors import FaceDetector
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import KeyPose, Script, ScriptedPerson
from affect_perception.types import Box

SIZES = (36, 44, 56, 68, 80, 110, 160, 240)  # px
YAWS = (0.0, 20.0, 40.0, 60.0)  # degrees
TILTS = (0.0, 15.0, 30.0, 45.0)
SAME_IOU = 0.4  # detectors frame a face differently: by forehead and chin, or as a square
FACE = 0.5  # confidence of a detection
WIDTH, HEIGHT = 1280, 720


@dataclass(frozen=True, eq=False)
class LabelledPicture:
    """Rendered picture, with the boxes of its faces, all of one size and pose (`size` px, degrees)."""

    rgb: np.ndarray
    boxes: list[Box]
    size: int
    yaw_deg: float
    tilt_deg: float


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

    by_size: dict[str, Count] = field(default_factory=dict)
    by_yaw: dict[str, Count] = field(default_factory=dict)
    by_tilt: dict[str, Count] = field(default_factory=dict)
    of_exhaustive: Count = field(default_factory=Count)

    def numbers(self) -> dict[str, object]:
        """Recall by kind, for the JSON."""
        groups = {'size': self.by_size, 'yaw': self.by_yaw, 'tilt': self.by_tilt}
        exhaustive = self.of_exhaustive
        return {
            **{name: {key: count.recall for key, count in group.items()} for name, group in groups.items()},
            'false': sum(count.extra for group in groups.values() for count in group.values()),
            'of_exhaustive': {'faces': exhaustive.faces, 'recall': exhaustive.recall, 'extra': exhaustive.extra},
        }


def rendered(portraits: str = '') -> Iterator[LabelledPicture]:
    """Pictures with six faces or as many as fit: of all sizes upright, and turned and tilted ones of 110 px."""
    for size in SIZES:
        yield _picture(size, 0, 0, portraits)
    for yaw in YAWS:
        yield _picture(110, yaw, 0, portraits)
    for tilt in TILTS:
        yield _picture(110, 0, tilt, portraits)


def measure(
    detectors: Mapping[str, FaceDetector], exhaustive: str, more: Iterable[np.ndarray], portraits: str = ''
) -> dict[str, Recall]:
    """Recall of each detector on rendered faces; on these and on `more` pictures also of what `exhaustive` found."""
    result = {name: Recall() for name in detectors}
    for picture in rendered(portraits):
        found = _detected(detectors, picture.rgb)
        for name, boxes in found.items():
            recall = result[name]
            for group, key, wanted in (
                (recall.by_size, f'{picture.size} px', picture.yaw_deg == picture.tilt_deg == 0),
                (recall.by_yaw, f'{picture.yaw_deg:.0f}°', picture.size == 110 and picture.tilt_deg == 0),
                (recall.by_tilt, f'{picture.tilt_deg:.0f}°', picture.size == 110 and picture.yaw_deg == 0),
            ):
                if wanted:
                    group.setdefault(key, Count()).add(picture.boxes, boxes)
            recall.of_exhaustive.add(found[exhaustive], boxes)
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


def _picture(size: int, yaw_deg: float, tilt_deg: float, portraits: str) -> LabelledPicture:
    """Faces in two rows of three, fewer where a row or a column would not hold them."""
    columns, rows = min(3, max(int(WIDTH / (2.2 * size)), 1)), min(2, max(int(HEIGHT / (2.4 * size)), 1))
    people = tuple(
        ScriptedPerson(
            number + 1,
            (
                KeyPose(
                    0.0,
                    (number % columns + 0.5) / columns,
                    (number // columns + 0.45) / rows,
                    size / HEIGHT,
                    yaw_deg * (-1) ** number,
                    tilt_deg * (-1) ** (number // 2),
                ),
            ),
            sway=0.0,
        )
        for number in range(columns * rows)
    )
    scene = Scene(WIDTH, HEIGHT, people=len(people), portraits=portraits, script=Script(people, 10.0))
    boxes = [truth.box for truth in scene.truth(0)]
    return LabelledPicture(scene.frame(0).rgb, boxes, size, yaw_deg, tilt_deg)
