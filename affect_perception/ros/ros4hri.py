"""What we say of a face in the words of ROS4HRI (REP 155, hri_msgs 2.0): ids, normalised boxes, expressions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from affect_perception.types import Affect, Box, SmileLevel

LIP_CORNER_PULLER = 12  # action unit of a smile (Ekman's FACS)
ACTION_UNITS = 99  # entries of FacialActionUnits

# Names that data sets and models give to expressions, as hri_msgs/Expression lists them. It has none for contempt.
EXPRESSIONS = {
    'neutral': 'neutral',
    'happy': 'happy',
    'happiness': 'happy',
    'sad': 'sad',
    'sadness': 'sad',
    'surprise': 'surprised',
    'surprised': 'surprised',
    'fear': 'scared',
    'scared': 'scared',
    'disgust': 'disgusted',
    'disgusted': 'disgusted',
    'anger': 'angry',
    'angry': 'angry',
    'contempt': 'annoyed',
}


def face_id(track_id: int) -> str:
    """`f00012`: a name of topics must not begin with a digit. An id that comes back is the same person's."""
    return f'f{track_id:05d}'


def normalised(box: Box, width: int, height: int) -> tuple[float, float, float, float]:
    """(xmin, ymin, xmax, ymax) of `box` in shares of an image of width × height px, clipped to [0, 1]."""
    inside = box.clipped(width, height)
    return inside.x / width, inside.y / height, (inside.x + inside.width) / width, (inside.y + inside.height) / height


def expression(face: Affect, labels: Sequence[str]) -> tuple[str, float]:
    """One of the listed expressions, never empty, and its confidence in [0, 1].

    The most probable one if the model names expressions, else `happy` or `neutral` by the smile. `neutral` with
    confidence 0 where nothing is known.
    """
    named = [
        (p, EXPRESSIONS[label.lower()])
        for p, label in zip(face.expression_probabilities, labels, strict=False)
        if label.lower() in EXPRESSIONS and math.isfinite(p)
    ]
    if named:
        probability, name = max(named)
        return name, _share(probability)
    if face.smile_level == SmileLevel.UNKNOWN:
        return 'neutral', 0.0
    neutral = face.smile_probabilities[0]
    return ('neutral', _share(neutral)) if face.smile_level == SmileLevel.NEUTRAL else ('happy', _share(1 - neutral))


def affect_value(value: float) -> float:
    """Valence or arousal in [-1, 1]; 0 where the model has no such output, as the field has no word for that."""
    return min(max(value, -1.0), 1.0) if math.isfinite(value) else 0.0


def smile_unit(face: Affect) -> tuple[float, float]:
    """(intensity, confidence) of action unit 12; (0, 0) where the smile is not known."""
    if not math.isfinite(face.smile_intensity):
        return 0.0, 0.0
    return _share(face.smile_intensity), _share(face.confidence)


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0) if math.isfinite(value) else 0.0
