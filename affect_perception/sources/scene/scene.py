"""A scripted source: portraits that move, cross, leave, return, turn and smile on cue, with the exact truth per frame.

Same arguments, same pixels, whatever frames are asked for and in which order. What the people do stands in `script`,
how they look in `portraits`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from affect_perception.sources.scene.portraits import FACE_CENTRE, LEVELS, Look, load_looks
from affect_perception.sources.scene.script import Key, Script, ScriptedPerson, default_script
from affect_perception.types import Box, Frame

EYE_DISTANCE = 5.0  # of the viewer from a turned head, in face boxes: how strong its perspective is
_GRID = np.stack(np.meshgrid(*[(np.arange(14) + 0.5) / 14 - 0.5] * 2), -1).reshape(-1, 2)  # points of a face box
_FACE_POINTS = _GRID[np.hypot(*_GRID.T) <= 0.5]


@dataclass(frozen=True)
class PersonTruth:
    """What is true of one person in one frame.

    `box` is the face box as dlib's HOG detector draws it, also where it lies outside the picture; `smile` is in [0, 1];
    `visible` is the share of the face that neither the edge of the picture nor a nearer person hides.
    """

    person_id: int
    box: Box
    smile: float
    visible: float
    yaw_deg: float
    tilt_deg: float
    depth: float


class Scene:
    """`people` persons on a canvas of width × height px; frame i is stamped round(i · 1e9 / fps) ns.

    `script` overrides the default play of `people` persons. Without `duration_s` it never ends. Raises ConfigError for
    portraits that cannot be used.
    """

    name = 'scene'
    live = False
    dropped = 0

    def __init__(
        self,
        width: int = 1280,
        height: int = 720,
        fps: float = 30.0,
        people: int = 4,
        seed: int = 0,
        portraits: str = '',
        duration_s: float | None = None,
        script: Script | None = None,
        frame_id: str = 'camera_color_optical_frame',
    ):
        self.size = (width, height)
        self.fps, self.frame_id = fps, frame_id
        self.frames = None if duration_s is None else round(duration_s * fps)
        self.script = script or default_script(people, width / height, seed)
        cast = self.script.people
        largest = max((key.size for person in cast for key in person.keys), default=0.2) * height
        self._looks = load_looks(portraits, len(cast), round(min(max(largest, 40), 240)), seed)
        self._far_to_near = sorted(range(len(cast)), key=lambda i: cast[i].depth)
        self._background = background(width, height, seed)
        self._closed = False

    def __iter__(self) -> Iterator[Frame]:
        self.prepare()
        for index in itertools.count() if self.frames is None else range(self.frames):
            if self._closed:
                return
            yield self.frame(index)

    def close(self) -> None:
        self._closed = True

    def prepare(self) -> None:
        """Makes all smile levels now, so that no frame takes longer than others."""
        for look in self._looks:
            look.prepare()

    def frame(self, index: int) -> Frame:
        canvas = self._background.copy()
        for i in self._far_to_near:
            person, look = self.script.people[i], self._looks[i]
            draw(canvas, look.level(self._level(person, index)), self._placement(self._pose(person, index), look))
        return Frame(round(index * 1e9 / self.fps), self.frame_id, canvas)

    def truth(self, index: int) -> tuple[PersonTruth, ...]:
        """One entry per person of the script, in its order, also for those who are out of the picture."""
        poses = [self._pose(person, index) for person in self.script.people]
        return tuple(
            PersonTruth(
                person.person_id,
                self._face_box(poses[i]),
                self._level(person, index) / LEVELS,
                self._visible(i, poses),
                poses[i].yaw_deg,
                poses[i].tilt_deg,
                person.depth,
            )
            for i, person in enumerate(self.script.people)
        )

    def _pose(self, person: ScriptedPerson, index: int) -> Key:
        return self.script.pose(person, index / self.fps)

    def _level(self, person: ScriptedPerson, index: int) -> int:
        return round(self.script.smile(person, index / self.fps) * LEVELS)

    def _face_box(self, pose: Key) -> Box:
        side = pose.size * self.size[1] * (1 + math.cos(math.radians(pose.yaw_deg))) / 2  # a turned face is narrower
        return Box.around((pose.x * self.size[0], pose.y * self.size[1]), side, side)

    def _placement(self, pose: Key, look: Look) -> np.ndarray:
        """(3, 3) homography from pixels of the look's pictures to pixels of the canvas."""
        yaw, tilt = math.radians(pose.yaw_deg), math.radians(pose.tilt_deg)
        to_boxes = np.array(
            [
                [1 / look.side, 0, look.origin[0] / look.side - FACE_CENTRE[0]],
                [0, 1 / look.side, look.origin[1] / look.side - FACE_CENTRE[1]],
                [0, 0, 1],
            ]
        )
        turned = np.array([[math.cos(yaw), 0, 0], [0, 1, 0], [math.sin(yaw) / EYE_DISTANCE, 0, 1]])
        side = pose.size * self.size[1]
        c, s = side * math.cos(tilt), side * math.sin(tilt)
        placed = np.array([[c, -s, pose.x * self.size[0]], [s, c, pose.y * self.size[1]], [0, 0, 1]])
        return placed @ turned @ to_boxes

    def _visible(self, i: int, poses: list[Key]) -> float:
        box = self._face_box(poses[i])
        points = np.array(box.centre) + _FACE_POINTS * (box.width, box.height)
        seen = np.all((points >= 0) & (points < self.size), axis=1)
        for j in self._far_to_near[self._far_to_near.index(i) + 1 :]:
            look = self._looks[j]
            back = np.linalg.inv(self._placement(poses[j], look))
            x, y, w = back @ np.vstack([points.T, np.ones(len(points))])
            column, row = np.floor(x / w).astype(int), np.floor(y / w).astype(int)
            inside = (column >= 0) & (row >= 0) & (column < look.size[0]) & (row < look.size[1])
            seen[inside] &= look.alpha[row[inside], column[inside]] < 128
        return float(seen.mean())


def draw(canvas: np.ndarray, picture: np.ndarray, placement: np.ndarray) -> None:
    """Lays a picture of `Look.level` over the canvas, in place; what falls outside is left away."""
    height, width = picture.shape[:2]
    x, y, w = placement @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    left, right = max(math.floor((x / w).min()), 0), min(math.ceil((x / w).max()), canvas.shape[1])
    top, bottom = max(math.floor((y / w).min()), 0), min(math.ceil((y / w).max()), canvas.shape[0])
    if left >= right or top >= bottom:
        return
    local = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ placement
    size, border = (right - left, bottom - top), {'borderMode': cv2.BORDER_CONSTANT, 'borderValue': (0, 0, 0, 255)}
    if abs(local[2, 0]) < 1e-6:
        patch = cv2.warpAffine(picture, local[:2], size, **border)
    else:
        patch = cv2.warpPerspective(picture, local, size, **border)
    below = canvas[top:bottom, left:right]
    shining_through = cv2.multiply(below, cv2.merge([cv2.extractChannel(patch, 3)] * 3), scale=1 / 255)
    cv2.add(shining_through, cv2.cvtColor(patch, cv2.COLOR_RGBA2RGB), dst=below)


def background(width: int, height: int, seed: int) -> np.ndarray:
    """A room out of focus: a wall that darkens downwards, soft pictures on it, grain. (height, width, 3) uint8."""
    rng = np.random.default_rng((seed, 3))
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    wall = np.array([176, 168, 158], np.float32) + rng.uniform(-14, 14, 3).astype(np.float32)
    room = np.broadcast_to(wall * (1.05 - 0.3 * down), (height, width, 3)).copy()
    for _ in range(14):
        w, h = rng.uniform(0.04, 0.2) * width, rng.uniform(0.06, 0.3) * height
        x, y = rng.uniform(-0.05, 1) * width, rng.uniform(-0.05, 1) * height
        colour = wall * rng.uniform(0.5, 1.15) + rng.uniform(-12, 12, 3)
        cv2.rectangle(room, (int(x), int(y)), (int(x + w), int(y + h)), colour.tolist(), -1)
    room = cv2.GaussianBlur(room, (0, 0), height / 60)
    for cells, strength in ((5, 10.0), (40, 4.0)):
        noise = rng.normal(0, strength, (cells, cells * 2)).astype(np.float32)
        room += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    room += rng.normal(0, 2.0, (height, width, 1)).astype(np.float32)
    return np.uint8(np.clip(room, 0, 255))
