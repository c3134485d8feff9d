"""Readers of ROS messages by their fields: messages of rclpy and messages deserialised by rosbags alike.

The makers of these messages are in `ros/conversions.py`; a round-trip test covers each pair. Nothing here imports ROS
or reads a clock: stamps come from the messages.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from affect_perception.core.agent.group_affect import GroupAffect
from affect_perception.core.agent.policy import Behaviour
from affect_perception.core.face_position import to_depth
from affect_perception.core.images.compressed import decode_compressed
from affect_perception.core.images.encodings import to_rgb
from affect_perception.core.sound import AudioFeatures, SoundBlock, samples_of
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


def tracks_from_msg(msg: Any, on_bad: Callable[[BadInputError], object] | None = None) -> TrackedFrame:
    """Tracks of a FaceTrackArray; BadInputError for a crop that cannot be read.

    With `on_bad`, that gets the error and the track an empty crop, so that one crop does not cost all other faces.
    """
    tracks = tuple(
        Track(
            track_id=track.track_id,
            box=box_from_msg(track.roi),
            confidence=track.confidence,
            detection_age_s=track.detection_age,
            crop=_crop(track.crop, on_bad),
            position=point_from_msg(track.position),
        )
        for track in msg.tracks
    )
    return TrackedFrame(
        stamp_from_msg(msg.header.stamp), msg.header.frame_id, msg.image_width, msg.image_height, tracks
    )


def _crop(image: Any, on_bad: Callable[[BadInputError], object] | None) -> np.ndarray:
    try:
        return rgb_from_image(image)
    except BadInputError as error:
        if on_bad is None:
            raise
        on_bad(error)
        return np.zeros((0, 0, 3), np.uint8)


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
        speaking=getattr(face, 'speaking', math.nan),  # absent in recordings of earlier versions
    )


def features_from_msg(msg: Any, functionals: bool = False) -> AudioFeatures:
    """Frames of an AudioFeatures, or functionals, which have a topic of their own.

    BadInputError `audio` for data that do not fit their names.
    """
    names = tuple(msg.names)
    data = np.asarray(msg.data, np.float32)
    if not names or len(data) % len(names):
        raise BadInputError('audio', f'{len(data)} values for {len(names)} names; wanted whole frames')
    rows = data.reshape(-1, len(names))
    period_s = float(msg.sample_period)
    return AudioFeatures(stamp_from_msg(msg.header.stamp), period_s, names, rows, bool(msg.speech), functionals)


def sound_from_msg(msg: Any, rate: int, channels: int, sample_format: str) -> SoundBlock:
    """Samples of an audio_common_msgs message; stamp 0 for one without a header.

    AudioData and AudioDataStamped (ros-drivers) hold raw PCM, whose rate, channels and format are those given;
    AudioStamped (audio_common) tells them itself. BadInputError `sound` or `sound_format` for what does not fit.
    """
    stamp_ns = stamp_from_msg(msg.header.stamp) if hasattr(msg, 'header') else 0
    audio = getattr(msg, 'audio', msg)
    if hasattr(audio, 'info'):
        info, data = audio.info, audio.audio_data
        values: np.ndarray | None = None
        for name, scale in (
            ('float32_data', 1.0),
            ('int32_data', 2.0**31),
            ('int16_data', 2.0**15),
            ('int8_data', 2.0**7),
        ):
            if len(getattr(data, name, ())):
                values = np.asarray(getattr(data, name), np.float32) / np.float32(scale)
        if values is None and len(getattr(data, 'uint8_data', ())):
            values = (np.asarray(data.uint8_data, np.float32) - 128) / 128
        if values is None or info.channels < 1 or len(values) % info.channels:
            raise BadInputError('sound', f'no whole samples of {info.channels} channels in an AudioStamped')
        return SoundBlock(stamp_ns, values.reshape(-1, info.channels), int(info.rate))
    return SoundBlock(stamp_ns, samples_of(np.asarray(audio.data, np.uint8), sample_format, channels), rate)


def behaviour_from_msg(msg: Any) -> tuple[Behaviour, GroupAffect]:
    """Behaviour and group affect of an AgentBehaviour."""
    return (
        Behaviour(msg.action, msg.target_track_id, msg.strength, msg.reason),
        GroupAffect(msg.group_valence, msg.group_arousal, msg.group_smile_intensity, msg.people),
    )
