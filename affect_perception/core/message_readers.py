"""Readers of ROS messages by their fields: messages of rclpy and messages deserialised by rosbags alike.

The makers of these messages are in `ros/conversions.py`; a round-trip test covers each pair. Nothing here imports ROS
or reads a clock: stamps come from the messages.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from affect_perception.core.agent.group_affect import GroupAffect
from affect_perception.core.agent.policy import Behaviour
from affect_perception.core.face_position import to_depth
from affect_perception.core.images.compressed import decode_compressed
from affect_perception.core.images.encodings import to_rgb
from affect_perception.errors import BadInputError
from affect_perception.types import Affect, AffectFrame, Box, Depth, Frame, Intrinsics, Track, TrackedFrame


def stamp_from_msg(stamp: Any) -> int:
    """Nanoseconds of a builtin_interfaces/Time."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def rgb_from_image(msg: Any) -> np.ndarray:
    """Image of a sensor_msgs/Image as (H, W, 3) uint8 RGB.

    Raises BadInputError for fields that contradict each other and for an unknown encoding.
    """
    return to_rgb(msg.data, msg.width, msg.height, msg.step, msg.encoding, bool(msg.is_bigendian))


def rgb_from_msg(msg: Any) -> np.ndarray:
    """Image of a sensor_msgs/Image or CompressedImage as (H, W, 3) uint8 RGB; BadInputError if it cannot be read."""
    return decode_compressed(msg.data, msg.format) if hasattr(msg, 'format') else rgb_from_image(msg)


def frame_from_msg(msg: Any) -> Frame:
    """Frame of a sensor_msgs/Image or CompressedImage; BadInputError if it cannot be read."""
    return Frame(stamp_from_msg(msg.header.stamp), msg.header.frame_id, rgb_from_msg(msg))


def depth_from_msg(msg: Any) -> Depth:
    """Depth of a sensor_msgs/Image in 16UC1 (mm) or 32FC1 (m); BadInputError `depth` for anything else."""
    stamp_ns = stamp_from_msg(msg.header.stamp)
    return to_depth(stamp_ns, msg.data, msg.width, msg.height, msg.step, msg.encoding, bool(msg.is_bigendian))


def intrinsics_from_msg(msg: Any) -> Intrinsics:
    """Intrinsics of the raw image (K, D) of a sensor_msgs/CameraInfo.

    Raises BadInputError `camera_info` for an uncalibrated camera and for a fisheye model.
    """
    distortion = tuple(msg.d) if any(msg.d) else ()
    if distortion and msg.distortion_model not in ('plumb_bob', 'rational_polynomial'):
        raise BadInputError(
            'camera_info',
            f'no distortion model {msg.distortion_model!r}; supported: plumb_bob, rational_polynomial',
        )
    fx, fy, cx, cy = (float(msg.k[i]) for i in (0, 4, 2, 5))
    return Intrinsics(msg.width, msg.height, fx, fy, cx, cy, distortion)


def box_from_msg(roi: Any) -> Box:
    """Box of a sensor_msgs/RegionOfInterest."""
    return Box(float(roi.x_offset), float(roi.y_offset), float(roi.width), float(roi.height))


def point_from_msg(point: Any) -> tuple[float, float, float]:
    """(x, y, z) of a geometry_msgs/Point."""
    return point.x, point.y, point.z


def tracks_from_msg(msg: Any) -> TrackedFrame:
    """Tracks of a FaceTrackArray; BadInputError for a crop that cannot be read."""
    tracks = tuple(
        Track(
            track_id=track.track_id,
            box=box_from_msg(track.roi),
            confidence=track.confidence,
            detection_age_s=track.detection_age,
            crop=rgb_from_image(track.crop),
            position=point_from_msg(track.position),
        )
        for track in msg.tracks
    )
    return TrackedFrame(
        stamp_from_msg(msg.header.stamp), msg.header.frame_id, msg.image_width, msg.image_height, tracks
    )


def affect_from_msg(msg: Any) -> AffectFrame:
    """Affect of all faces of a FaceAffectArray."""
    return AffectFrame(
        stamp_from_msg(msg.header.stamp),
        msg.header.frame_id,
        msg.model,
        tuple(_face_from_msg(face) for face in msg.faces),
        tuple(msg.expression_labels),
        tuple(msg.reaction_labels),
    )


def _face_from_msg(face: Any) -> Affect:
    neutral, low, medium, high = (float(p) for p in face.smile_probabilities)
    return Affect(
        track_id=face.track_id,
        box=box_from_msg(face.roi),
        confidence=face.confidence,
        smile_probabilities=(neutral, low, medium, high),
        smile_intensity=face.smile_intensity,
        position=point_from_msg(face.position),
        valence=face.valence,
        arousal=face.arousal,
        expression_probabilities=tuple(float(p) for p in face.expression_probabilities),
        reaction_intensities=tuple(float(r) for r in face.reaction_intensities),
        evidence_frames=face.evidence_frames,
    )


def behaviour_from_msg(msg: Any) -> tuple[Behaviour, GroupAffect]:
    """Behaviour and group affect of an AgentBehaviour."""
    return (
        Behaviour(msg.action, msg.target_track_id, msg.strength, msg.reason),
        GroupAffect(msg.group_valence, msg.group_arousal, msg.group_smile_intensity, msg.people),
    )
