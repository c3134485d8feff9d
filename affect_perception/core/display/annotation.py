"""What a person wants to see of a frame: boxes, ids, emoticons, levels and a bar of the smile, drawn into it."""

from __future__ import annotations

import cv2
import numpy as np

from affect_perception.core.display.markers import EMOTICONS
from affect_perception.types import Affect, AffectFrame, SmileLevel

# RGB, told apart also by those who see no red or green: grey, blue, orange, yellow.
COLOURS = {
    SmileLevel.NEUTRAL: (200, 200, 200),
    SmileLevel.LOW: (86, 180, 233),
    SmileLevel.MEDIUM: (240, 150, 20),
    SmileLevel.HIGH: (250, 230, 60),
    SmileLevel.UNKNOWN: (120, 120, 120),
}
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def annotated(rgb: np.ndarray, affect: AffectFrame) -> np.ndarray:
    """A copy of `rgb` (H, W, 3) uint8 with every face of `affect` marked."""
    picture = rgb.copy()
    unit = max(rgb.shape[0] / 720, 0.5)  # all sizes grow with the picture
    for face in affect.faces:
        _draw(picture, face, unit)
    return picture


def _draw(picture: np.ndarray, face: Affect, unit: float) -> None:
    colour = COLOURS[face.smile_level]
    left, top = round(face.box.x), round(face.box.y)
    right, bottom = round(face.box.x + face.box.width), round(face.box.y + face.box.height)
    thick = max(round(2 * unit), 1)
    cv2.rectangle(picture, (left, top), (right, bottom), colour, thick, cv2.LINE_AA)
    label = f'{face.track_id}  {EMOTICONS[face.smile_level]}  {face.smile_level.name.lower()}'
    stroke = max(round(1.3 * unit), 1)
    (width, height), base = cv2.getTextSize(label, _FONT, 0.55 * unit, stroke)
    cv2.rectangle(picture, (left, top - height - 2 * base), (left + width + base, top), (20, 20, 20), -1)
    cv2.putText(picture, label, (left + base // 2, top - base), _FONT, 0.55 * unit, colour, stroke, cv2.LINE_AA)
    if np.isfinite(face.smile_intensity):
        end = left + round((right - left) * float(np.clip(face.smile_intensity, 0, 1)))
        y = bottom + round(8 * unit)
        cv2.line(picture, (left, y), (right, y), (20, 20, 20), 3 * thick)
        cv2.line(picture, (left, y), (end, y), colour, 3 * thick)
