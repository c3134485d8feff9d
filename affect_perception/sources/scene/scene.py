"""A scripted source: portraits that move, cross, leave, return, turn and smile, with exact ground truth per frame.

Equal arguments give equal pixels, in any order of frames. `script` holds the choreography, `portraits` the appearance.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from affect_perception.sources.scene.portraits import FACE_CENTRE, MOUTH_STEPS, Portrait, load_portraits
from affect_perception.sources.scene.script import KeyPose, Script, ScriptedPerson, default_script
from affect_perception.types import Box, Frame

EYE_DISTANCE = 5.0  # of the viewer from a turned head, in face boxes; sets the strength of its perspective
_GRID = np.stack(np.meshgrid(*[(np.arange(14) + 0.5) / 14 - 0.5] * 2), -1).reshape(-1, 2)  # points of a face box
_FACE_POINTS = _GRID[np.hypot(*_GRID.T) <= 0.5]


@dataclass(frozen=True)
class PersonTruth:
    """Ground truth of one person in one frame.

    `box` is the face box as dlib's HOG detector draws it, also outside the image; `smile` is the absolute intensity
    in [0, 1]; `visible` is the share of the face that neither the edge of the image nor a nearer person occludes;
    `speaks`: during speech or laughter.
    """

    person_id: int
    box: Box
    smile: float
    visible: float
    yaw_deg: float
    tilt_deg: float
    depth: float
    speaks: bool = False


class Scene:
    """Source of a scene of `people` on width × height px; frame i is stamped round(i · 1e9 / fps) ns.

    `script` replaces the default choreography of `people`. Endless without `duration_s`. Raises ConfigError for
    unusable portraits.
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
    ) -> None:
        self.size = (width, height)
        self.fps, self.frame_id = fps, frame_id
        self.frames = None if duration_s is None else round(duration_s * fps)
        self.script = script or default_script(people, width / height, seed)
        cast = self.script.people
        largest = max((key.size for person in cast for key in person.keys), default=0.2) * height
        self._portraits = load_portraits(portraits, len(cast), round(min(max(largest, 40), 240)), seed)
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
        """End the iteration after the current frame."""
        self._closed = True

    def prepare(self) -> None:
        """Render all smile steps now, so that no frame takes longer than others."""
        for portrait in self._portraits:
            portrait.prepare()

    def frame(self, index: int) -> Frame:
        """Render frame `index`, people from far to near."""
        canvas = self._background.copy()
        for i in self._far_to_near:
            person, portrait = self.script.people[i], self._portraits[i]
            placement = self._placement(self._pose(person, index), portrait)
            composite(canvas, portrait.step(self._smile_step(i, index), self._mouth_step(i, index)), placement)
        return Frame(round(index * 1e9 / self.fps), self.frame_id, canvas)

    def truth(self, index: int) -> tuple[PersonTruth, ...]:
        """Ground truth of every person of the script, in its order, also of those outside the image."""
        poses = [self._pose(person, index) for person in self.script.people]
        return tuple(
            PersonTruth(
                person.person_id,
                self._face_box(poses[i]),
                float(self._portraits[i].intensities[self._smile_step(i, index)]),
                self._visible(i, poses),
                poses[i].yaw_deg,
                poses[i].tilt_deg,
                person.depth,
                self.script.speaks(person, index / self.fps),
            )
            for i, person in enumerate(self.script.people)
        )

    def _pose(self, person: ScriptedPerson, index: int) -> KeyPose:
        return self.script.pose(person, index / self.fps)

    def _smile_step(self, place: int, index: int) -> int:
        """Step of the person's portrait whose absolute intensity is nearest to the script's."""
        return self._portraits[place].step_of(self.script.smile(self.script.people[place], index / self.fps))

    def _mouth_step(self, place: int, index: int) -> int:
        return round(self.script.mouth(self.script.people[place], index / self.fps) * MOUTH_STEPS)

    def _face_box(self, pose: KeyPose) -> Box:
        side = pose.size * self.size[1] * (1 + math.cos(math.radians(pose.yaw_deg))) / 2  # a turned face is narrower
        return Box.around((pose.x * self.size[0], pose.y * self.size[1]), side, side)

    def _placement(self, pose: KeyPose, portrait: Portrait) -> np.ndarray:
        """(3, 3) homography from pixels of the portrait's images to pixels of the canvas."""
        yaw, tilt = math.radians(pose.yaw_deg), math.radians(pose.tilt_deg)
        to_boxes = np.array(
            [
                [1 / portrait.side, 0, portrait.origin[0] / portrait.side - FACE_CENTRE[0]],
                [0, 1 / portrait.side, portrait.origin[1] / portrait.side - FACE_CENTRE[1]],
                [0, 0, 1],
            ]
        )
        turned = np.array([[math.cos(yaw), 0, 0], [0, 1, 0], [math.sin(yaw) / EYE_DISTANCE, 0, 1]])
        if pose.pitch_deg:
            pitch = math.radians(pose.pitch_deg)
            turned = turned @ np.array([[1, 0, 0], [0, math.cos(pitch), 0], [0, -math.sin(pitch) / EYE_DISTANCE, 1]])
        side = pose.size * self.size[1]
        c, s = side * math.cos(tilt), side * math.sin(tilt)
        placed = np.array([[c, -s, pose.x * self.size[0]], [s, c, pose.y * self.size[1]], [0, 0, 1]])
        return placed @ turned @ to_boxes

    def _visible(self, i: int, poses: list[KeyPose]) -> float:
        box = self._face_box(poses[i])
        points = np.array(box.centre) + _FACE_POINTS * (box.width, box.height)
        seen = np.all((points >= 0) & (points < self.size), axis=1)
        for j in self._far_to_near[self._far_to_near.index(i) + 1 :]:
            portrait = self._portraits[j]
            back = np.linalg.inv(self._placement(poses[j], portrait))
            x, y, w = back @ np.vstack([points.T, np.ones(len(points))])
            column, row = np.floor(x / w).astype(int), np.floor(y / w).astype(int)
            inside = (column >= 0) & (row >= 0) & (column < portrait.size[0]) & (row < portrait.size[1])
            seen[inside] &= portrait.alpha[row[inside], column[inside]] < 128
        return float(seen.mean())


def composite(canvas: np.ndarray, image: np.ndarray, placement: np.ndarray) -> None:
    """Draw an image of `Portrait.step` over the canvas, in place, clipped to it; `placement` is a homography."""
    height, width = image.shape[:2]
    x, y, w = placement @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    left, right = max(math.floor((x / w).min()), 0), min(math.ceil((x / w).max()), canvas.shape[1])
    top, bottom = max(math.floor((y / w).min()), 0), min(math.ceil((y / w).max()), canvas.shape[0])
    if left >= right or top >= bottom:
        return
    local = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ placement
    size, transparent = (right - left, bottom - top), (0, 0, 0, 255)
    if abs(local[2, 0]) < 1e-6:
        patch = cv2.warpAffine(image, local[:2], size, borderMode=cv2.BORDER_CONSTANT, borderValue=transparent)
    else:
        patch = cv2.warpPerspective(image, local, size, borderMode=cv2.BORDER_CONSTANT, borderValue=transparent)
    below = canvas[top:bottom, left:right]
    shining_through = cv2.multiply(below, cv2.merge([cv2.extractChannel(patch, 3)] * 3), scale=1 / 255)
    cv2.add(shining_through, cv2.cvtColor(patch, cv2.COLOR_RGBA2RGB), dst=below)


def background(width: int, height: int, seed: int) -> np.ndarray:
    """Render (height, width, 3) uint8: a blurred wall, darker towards the bottom, with soft rectangles and noise."""
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
