"""Makers of hri_msgs messages (ROS4HRI). `msgs` is the module hri_msgs.msg, which not every machine has."""

from __future__ import annotations

import array
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

import cv2
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from affect_perception.errors import ConfigError
from affect_perception.ros.conversions import image_to_msg
from affect_perception.ros.hri import ros4hri
from affect_perception.types import Affect, Box, Track


def hri_msgs() -> ModuleType:
    """Import hri_msgs.msg; ConfigError where it is not installed."""
    try:
        from hri_msgs import msg
    except ImportError as error:
        raise ConfigError(
            f'the ROS4HRI mirror needs the package hri_msgs, which cannot be imported ({error}); '
            'sudo apt install ros-$ROS_DISTRO-hri-msgs and source the installation, or leave hri off'
        ) from error
    return msg


def ids_to_msg(msgs: ModuleType, track_ids: Iterable[int], header: Header) -> Any:
    """IdsList of the faces in view."""
    return msgs.IdsList(header=header, ids=[ros4hri.face_id(i) for i in track_ids])


def roi_to_msg(msgs: ModuleType, box: Box, confidence: float, size: tuple[int, int], header: Header) -> Any:
    """NormalizedRegionOfInterest2D of a face: `box` relative to an image of `size` (width, height), and confidence."""
    xmin, ymin, xmax, ymax = ros4hri.normalised(box, *size)
    confidence = min(max(confidence, 0.0), 1.0)
    return msgs.NormalizedRegionOfInterest2D(header=header, xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax, c=confidence)


def cropped_to_msg(track: Track, size: int, header: Header) -> Image:
    """Image of the face crop, scaled to size × size px."""
    crop = cv2.resize(track.crop, (size, size), interpolation=cv2.INTER_AREA)
    return image_to_msg(crop, header)


def expression_to_msg(msgs: ModuleType, face: Affect, labels: Sequence[str], header: Header) -> Any:
    """Expression of a face, with valence and arousal; `labels` name the expression probabilities."""
    name, confidence = ros4hri.expression(face, labels)
    return msgs.Expression(
        header=header,
        expression=name,
        valence=ros4hri.affect_value(face.valence),
        arousal=ros4hri.affect_value(face.arousal),
        confidence=confidence,
    )


def facs_to_msg(msgs: ModuleType, face: Affect, header: Header) -> Any:
    """FacialActionUnits of a face: action unit 12 is the smile intensity, all others have confidence 0."""
    intensity, confidence = (array.array('f', [0.0]) * ros4hri.ACTION_UNITS for _ in range(2))
    intensity[ros4hri.LIP_CORNER_PULLER], confidence[ros4hri.LIP_CORNER_PULLER] = ros4hri.smile_unit(face)
    return msgs.FacialActionUnits(header=header, intensity=intensity, confidence=confidence)
