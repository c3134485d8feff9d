"""Annotation of images: boxes, ids, emoticons, levels, speakers, bars of the smile intensity, expression, reactions."""

from __future__ import annotations

import cv2
import numpy as np

from affect_perception.core.display.captions import SPEAKS, readings
from affect_perception.core.display.markers import EMOTICONS
from affect_perception.types import Affect, AffectFrame, SmileLevel

# RGB; distinguishable with red-green colour blindness: grey, blue, orange, yellow.
COLOURS = {
    SmileLevel.NEUTRAL: (200, 200, 200),
    SmileLevel.LOW: (86, 180, 233),
    SmileLevel.MEDIUM: (240, 150, 20),
    SmileLevel.HIGH: (250, 230, 60),
    SmileLevel.UNKNOWN: (120, 120, 120),
}
_OTHER = (235, 235, 235)  # of text that is not about smiles
_BACKGROUND = (20, 20, 20)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def annotated(rgb: np.ndarray, affect: AffectFrame) -> np.ndarray:
    """Copy of `rgb`, (H, W, 3) uint8, with every face of `affect` annotated; boxes are in pixels of `rgb`."""
    picture: np.ndarray = rgb.copy()
    scale = max(rgb.shape[0] / 720, 0.5)  # of fonts and lines
    for face in affect.faces:
        _annotate_face(picture, face, scale, readings(face, affect.expression_labels, affect.reaction_labels))
    return picture


def _annotate_face(picture: np.ndarray, face: Affect, scale: float, lines: list[str]) -> None:
    """Draw one face; `lines` stand below its bar, the first of them beside the id where the smile is unknown."""
    colour = COLOURS[face.smile_level]
    left, top = round(face.box.x), round(face.box.y)
    right, bottom = round(face.box.x + face.box.width), round(face.box.y + face.box.height)
    line = max(round(2 * scale), 1)
    cv2.rectangle(picture, (left, top), (right, bottom), colour, line, cv2.LINE_AA)
    voice = '  speaks' if face.speaking >= SPEAKS else ''  # not of NaN
    label = f'{face.track_id}  {EMOTICONS[face.smile_level]}  {face.smile_level.name.lower()}{voice}'
    if face.smile_level == SmileLevel.UNKNOWN and lines:
        label, lines, colour = f'{face.track_id}  {lines[0]}{voice}', lines[1:], _OTHER
    _text(picture, label, left, top, scale, colour)
    y = bottom
    if np.isfinite(face.smile_intensity):
        end = left + round((right - left) * float(np.clip(face.smile_intensity, 0, 1)))
        y += round(8 * scale)
        cv2.line(picture, (left, y), (right, y), _BACKGROUND, 3 * line)
        cv2.line(picture, (left, y), (end, y), colour, 3 * line)
        y += 2 * line
    for text in lines:
        y += round(22 * scale)
        _text(picture, text, left, y, scale, _OTHER)


def _text(picture: np.ndarray, text: str, left: int, bottom: int, scale: float, colour: tuple[int, int, int]) -> None:
    """Draw a line of text on a dark ground whose lower left corner is (left, bottom), or further left to fit in."""
    stroke = max(round(1.3 * scale), 1)
    (width, height), base = cv2.getTextSize(text, _FONT, 0.55 * scale, stroke)
    left = max(min(left, picture.shape[1] - width - base), 0)
    cv2.rectangle(picture, (left, bottom - height - 2 * base), (left + width + base, bottom), _BACKGROUND, -1)
    cv2.putText(picture, text, (left + base // 2, bottom - base), _FONT, 0.55 * scale, colour, stroke, cv2.LINE_AA)
