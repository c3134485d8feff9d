"""Makers of ROS messages, and their readers (`core/message_readers.py`) under one name; a round-trip test per pair.

Nothing here reads a clock: stamps come from the records, which have the stamp of the image.
"""

from __future__ import annotations

import array

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header

from affect_perception.core.agent.group_affect import GroupAffect
from affect_perception.core.agent.policy import Behaviour
from affect_perception.core.message_readers import (
    affect_from_msg,
    behaviour_from_msg,
    box_from_msg,
    depth_from_msg,
    features_from_msg,
    frame_from_msg,
    intrinsics_from_msg,
    point_from_msg,
    rgb_from_image,
    stamp_from_msg,
    tracks_from_msg,
)
from affect_perception.core.sound import AudioFeatures as Features
from affect_perception.msg import AgentBehaviour, AudioFeatures, FaceAffect, FaceAffectArray, FaceTrack, FaceTrackArray
from affect_perception.types import AffectFrame, Box, Depth, Frame, Intrinsics, TrackedFrame

__all__ = [
    'affect_from_msg',
    'affect_to_msg',
    'behaviour_from_msg',
    'behaviour_to_msg',
    'box_from_msg',
    'box_to_msg',
    'bytes_to_msg',
    'depth_from_msg',
    'depth_to_msg',
    'features_from_msg',
    'features_to_msg',
    'frame_from_msg',
    'frame_to_msg',
    'header_to_msg',
    'image_to_msg',
    'intrinsics_from_msg',
    'intrinsics_to_msg',
    'point_from_msg',
    'point_to_msg',
    'rgb_from_image',
    'stamp_from_msg',
    'stamp_to_msg',
    'tracks_from_msg',
    'tracks_to_msg',
]

_UNLIMITED = 2**32 - 1  # px; size of an image that is not known, the largest of uint32


def stamp_to_msg(stamp_ns: int) -> Time:
    """Stamp of `stamp_ns` nanoseconds."""
    return Time(sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000)


def header_to_msg(stamp_ns: int, frame_id: str) -> Header:
    """Header with a stamp of `stamp_ns` nanoseconds."""
    return Header(stamp=stamp_to_msg(stamp_ns), frame_id=frame_id)


def bytes_to_msg(data: np.ndarray) -> array.array:
    """Bytes of an array as array.array, which rclpy accepts without a check of every element."""
    out = array.array('B')
    out.frombytes(np.ascontiguousarray(data).data.cast('B'))
    return out


def image_to_msg(rgb: np.ndarray, header: Header) -> Image:
    """Image message in rgb8 without padding, of `rgb`, (H, W, 3) uint8."""
    height, width = rgb.shape[:2]
    return Image(header=header, height=height, width=width, encoding='rgb8', step=3 * width, data=bytes_to_msg(rgb))


def frame_to_msg(frame: Frame) -> Image:
    """Image message (rgb8) of a frame, with its stamp and frame_id."""
    return image_to_msg(frame.rgb, header_to_msg(frame.stamp_ns, frame.frame_id))


def depth_to_msg(depth: Depth, frame_id: str) -> Image:
    """Depth image message in 16UC1 (mm), as of realsense2_camera; finer depths are rounded, 0 and NaN become 0."""
    millimetres = depth.values
    if millimetres.dtype.kind == 'f' or abs(depth.unit_m - 0.001) > 1e-9:
        scaled = np.nan_to_num(millimetres * (depth.unit_m * 1000), nan=0.0, posinf=0.0, neginf=0.0)
        millimetres = np.clip(np.rint(scaled), 0, 65535)
    height, width = millimetres.shape
    return Image(
        header=header_to_msg(depth.stamp_ns, frame_id),
        height=height,
        width=width,
        encoding='16UC1',
        step=2 * width,
        data=bytes_to_msg(millimetres.astype('<u2', copy=False)),
    )


def intrinsics_to_msg(intrinsics: Intrinsics, header: Header) -> CameraInfo:
    """CameraInfo of an unrectified camera (R is the identity)."""
    i = intrinsics
    return CameraInfo(
        header=header,
        width=i.width,
        height=i.height,
        distortion_model='rational_polynomial' if len(i.distortion) > 5 else 'plumb_bob',
        d=[*i.distortion] or [0.0] * 5,
        k=[i.fx, 0.0, i.cx, 0.0, i.fy, i.cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[i.fx, 0.0, i.cx, 0.0, 0.0, i.fy, i.cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def box_to_msg(box: Box, image_width: int, image_height: int) -> RegionOfInterest:
    """Region of interest in whole pixels, clipped to the image; a box outside the image becomes empty."""
    inside = box.clipped(image_width, image_height)
    left, top = round(inside.x), round(inside.y)
    right, bottom = round(inside.x + inside.width), round(inside.y + inside.height)
    return RegionOfInterest(x_offset=left, y_offset=top, width=right - left, height=bottom - top)


def point_to_msg(position: tuple[float, float, float]) -> Point:
    """Point message of (x, y, z)."""
    return Point(x=float(position[0]), y=float(position[1]), z=float(position[2]))


def tracks_to_msg(tracked: TrackedFrame) -> FaceTrackArray:
    """FaceTrackArray of all tracks of one image; crops carry the header of the image."""
    header = header_to_msg(tracked.stamp_ns, tracked.frame_id)
    size = tracked.image_width, tracked.image_height
    tracks = [
        FaceTrack(
            track_id=track.track_id,
            roi=box_to_msg(track.box, *size),
            confidence=track.confidence,
            detection_age=track.detection_age_s,
            position=point_to_msg(track.position),
            crop=image_to_msg(track.crop, header),
        )
        for track in tracked.tracks
    ]
    return FaceTrackArray(header=header, image_width=size[0], image_height=size[1], tracks=tracks)


def affect_to_msg(affect: AffectFrame) -> FaceAffectArray:
    """FaceAffectArray of all faces of one image. Boxes must lie inside the image, as those of `tracks_from_msg` do."""
    faces = [
        FaceAffect(
            track_id=face.track_id,
            roi=box_to_msg(face.box, _UNLIMITED, _UNLIMITED),
            position=point_to_msg(face.position),
            confidence=face.confidence,
            smile_level=int(face.smile_level),
            smile_probabilities=np.asarray(face.smile_probabilities, dtype=np.float32),
            smile_intensity=face.smile_intensity,
            valence=face.valence,
            arousal=face.arousal,
            expression_probabilities=array.array('f', face.expression_probabilities),
            reaction_intensities=array.array('f', face.reaction_intensities),
            evidence_frames=min(face.evidence_frames, 65535),
            speaking=face.speaking,
        )
        for face in affect.faces
    ]
    return FaceAffectArray(
        header=header_to_msg(affect.stamp_ns, affect.frame_id),
        model=affect.model,
        expression_labels=list(affect.expression_labels),
        reaction_labels=list(affect.reaction_labels),
        faces=faces,
    )


def features_to_msg(features: Features, frame_id: str) -> AudioFeatures:
    """AudioFeatures of frames of features."""
    data = array.array('f')
    data.frombytes(np.ascontiguousarray(features.values).data.cast('B'))
    return AudioFeatures(
        header=header_to_msg(features.stamp_ns, frame_id),
        sample_period=features.period_s,
        names=list(features.names),
        data=data,
        speech=features.speech,
    )


def behaviour_to_msg(behaviour: Behaviour, group: GroupAffect, header: Header) -> AgentBehaviour:
    """AgentBehaviour message; `header` is that of the FaceAffectArray that led to the behaviour."""
    return AgentBehaviour(
        header=header,
        action=behaviour.action,
        target_track_id=behaviour.target_track_id,
        strength=float(behaviour.strength),
        reason=behaviour.reason,
        group_valence=group.valence,
        group_arousal=group.arousal,
        group_smile_intensity=group.smile_intensity,
        people=group.people,
    )
