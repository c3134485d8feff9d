"""Fields of ROS4HRI (REP 155, hri_msgs 2.0) from our records: ids, normalised boxes, expressions, action units."""

from __future__ import annotations

import math
from collections.abc import Sequence

from affect_perception.expressions import expression_name
from affect_perception.types import Affect, Box, SmileLevel

LIP_CORNER_PULLER = 12  # action unit of a smile (Ekman's FACS)
ACTION_UNITS = 99  # entries of FacialActionUnits

# Name of an expression -> name listed by hri_msgs/Expression, which has none for contempt.
HRI_EXPRESSIONS = {
    'neutral': 'neutral',
    'happiness': 'happy',
    'sadness': 'sad',
    'surprise': 'surprised',
    'fear': 'scared',
    'disgust': 'disgusted',
    'anger': 'angry',
    'contempt': 'annoyed',
}


def face_id(track_id: int) -> str:
    """ROS4HRI id such as `f00012` (a topic name must not begin with a digit); unique per track id."""
    return f'f{track_id:05d}'


def normalised(box: Box, width: int, height: int) -> tuple[float, float, float, float]:
    """(xmin, ymin, xmax, ymax) of `box` relative to an image of width × height px, clipped to [0, 1]."""
    inside = box.clipped(width, height)
    return inside.x / width, inside.y / height, (inside.x + inside.width) / width, (inside.y + inside.height) / height


def expression(face: Affect, labels: Sequence[str]) -> tuple[str, float]:
    """Name of an expression in hri_msgs, never empty, and its confidence in [0, 1].

    The most probable expression of the model; without expressions in the model, `happy` or `neutral` by the smile
    level; `neutral` with confidence 0 for an unknown face.
    """
    named = [
        (p, HRI_EXPRESSIONS[expression_name(label)])
        for p, label in zip(face.expression_probabilities, labels, strict=False)
        if expression_name(label) in HRI_EXPRESSIONS and math.isfinite(p)
    ]
    if named:
        probability, name = max(named)
        return name, _unit_interval(probability)
    if face.smile_level == SmileLevel.UNKNOWN:
        return 'neutral', 0.0
    neutral = face.smile_probabilities[0]
    return (
        ('neutral', _unit_interval(neutral))
        if face.smile_level == SmileLevel.NEUTRAL
        else ('happy', _unit_interval(1 - neutral))
    )


def affect_value(value: float) -> float:
    """Valence or arousal clipped to [-1, 1]; 0 for NaN (no such output), as the field has no value for unknown."""
    return min(max(value, -1.0), 1.0) if math.isfinite(value) else 0.0


def smile_unit(face: Affect) -> tuple[float, float]:
    """(intensity, confidence) of action unit 12 in [0, 1]; (0, 0) for an unknown smile."""
    if not math.isfinite(face.smile_intensity):
        return 0.0, 0.0
    return _unit_interval(face.smile_intensity), _unit_interval(face.confidence)


def _unit_interval(value: float) -> float:
    return min(max(value, 0.0), 1.0) if math.isfinite(value) else 0.0
