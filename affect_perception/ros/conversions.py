"""Messages are made and read here, in pairs; a round-trip test covers each pair.

Nothing here looks at the clock: stamps come from the records, which have them from the image.
"""

from __future__ import annotations

import array
import math

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from affect_perception.core.agent.group_affect import GroupAffect
from affect_perception.core.agent.policy import Behaviour
from affect_perception.core.images.encodings import decode_compressed, to_rgb
from affect_perception.core.tracking.face_position import to_depth
from affect_perception.errors import BadInputError
from affect_perception.msg import AgentBehaviour, FaceAffect, FaceAffectArray, FaceTrack, FaceTrackArray
from affect_perception.types import Affect, AffectFrame, Box, Depth, Frame, Intrinsics, Track, TrackedFrame


def stamp_to_msg(stamp_ns: int) -> Time:
    return Time(sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000)


def stamp_from_msg(stamp: Time) -> int:
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def header_to_msg(stamp_ns: int, frame_id: str) -> Header:
    return Header(stamp=stamp_to_msg(stamp_ns), frame_id=frame_id)


def bytes_to_msg(data: np.ndarray) -> array.array:
    """The bytes of an array, in the one form that rclpy takes without looking at every element."""
    out = array.array('B')
    out.frombytes(memoryview(np.ascontiguousarray(data)).cast('B'))
    return out


def image_to_msg(rgb: np.ndarray, header: Header) -> Image:
    """rgb is (H, W, 3) uint8; the message is rgb8 without padding."""
    height, width = rgb.shape[:2]
    return Image(header=header, height=height, width=width, encoding='rgb8', step=3 * width, data=bytes_to_msg(rgb))


def rgb_from_image(msg: Image) -> np.ndarray:
    """(H, W, 3) uint8; raises BadInputError where the fields contradict each other or the encoding is not known."""
    return to_rgb(msg.data, msg.width, msg.height, msg.step, msg.encoding, bool(msg.is_bigendian))


def frame_to_msg(frame: Frame) -> Image:
    return image_to_msg(frame.rgb, header_to_msg(frame.stamp_ns, frame.frame_id))


def frame_from_msg(msg: Image | CompressedImage) -> Frame:
    """Raises BadInputError for an image that cannot be read."""
    rgb = decode_compressed(msg.data, msg.format) if isinstance(msg, CompressedImage) else rgb_from_image(msg)
    return Frame(stamp_from_msg(msg.header.stamp), msg.header.frame_id, rgb)


def depth_to_msg(depth: Depth, frame_id: str) -> Image:
    """16UC1 in mm as realsense2_camera sends it; depths finer than that are rounded, 0 stays "none"."""
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


def depth_from_msg(msg: Image) -> Depth:
    """Raises BadInputError `depth`."""
    stamp_ns = stamp_from_msg(msg.header.stamp)
    return to_depth(stamp_ns, msg.data, msg.width, msg.height, msg.step, msg.encoding, bool(msg.is_bigendian))


def intrinsics_to_msg(intrinsics: Intrinsics, header: Header) -> CameraInfo:
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


def intrinsics_from_msg(msg: CameraInfo) -> Intrinsics:
    """Those of the raw image (K, D); raises BadInputError `camera_info` where there are none, or a fisheye's."""
    distortion = tuple(msg.d) if any(msg.d) else ()
    if distortion and msg.distortion_model not in ('plumb_bob', 'rational_polynomial'):
        raise BadInputError(
            'camera_info',
            f'no distortion model {msg.distortion_model!r}; supported: plumb_bob, rational_polynomial',
        )
    fx, fy, cx, cy = (float(msg.k[i]) for i in (0, 4, 2, 5))
    return Intrinsics(msg.width, msg.height, fx, fy, cx, cy, distortion)


def box_to_msg(box: Box, image_width: int, image_height: int) -> RegionOfInterest:
    """Whole pixels inside the image; a box outside it becomes empty."""
    inside = box.clipped(image_width, image_height)
    left, top = round(inside.x), round(inside.y)
    right, bottom = round(inside.x + inside.width), round(inside.y + inside.height)
    return RegionOfInterest(x_offset=left, y_offset=top, width=right - left, height=bottom - top)


def box_from_msg(roi: RegionOfInterest) -> Box:
    return Box(float(roi.x_offset), float(roi.y_offset), float(roi.width), float(roi.height))


def point_to_msg(position: tuple[float, float, float]) -> Point:
    return Point(x=float(position[0]), y=float(position[1]), z=float(position[2]))


def point_from_msg(point: Point) -> tuple[float, float, float]:
    return point.x, point.y, point.z


def tracks_to_msg(tracked: TrackedFrame) -> FaceTrackArray:
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


def tracks_from_msg(msg: FaceTrackArray) -> TrackedFrame:
    """Raises BadInputError when a crop cannot be read."""
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


def affect_to_msg(affect: AffectFrame) -> FaceAffectArray:
    """The boxes must lie in the image, as those of `tracks_from_msg` do."""
    faces = [
        FaceAffect(
            track_id=face.track_id,
            roi=box_to_msg(face.box, math.inf, math.inf),
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


def affect_from_msg(msg: FaceAffectArray) -> AffectFrame:
    faces = tuple(
        Affect(
            track_id=face.track_id,
            box=box_from_msg(face.roi),
            confidence=face.confidence,
            smile_probabilities=tuple(float(p) for p in face.smile_probabilities),
            smile_intensity=face.smile_intensity,
            position=point_from_msg(face.position),
            valence=face.valence,
            arousal=face.arousal,
            expression_probabilities=tuple(face.expression_probabilities),
            reaction_intensities=tuple(face.reaction_intensities),
            evidence_frames=face.evidence_frames,
        )
        for face in msg.faces
    )
    return AffectFrame(
        stamp_from_msg(msg.header.stamp),
        msg.header.frame_id,
        msg.model,
        faces,
        tuple(msg.expression_labels),
        tuple(msg.reaction_labels),
    )


def behaviour_to_msg(behaviour: Behaviour, group: GroupAffect, header: Header) -> AgentBehaviour:
    """`header` is that of the FaceAffectArray that led to the behaviour."""
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


def behaviour_from_msg(msg: AgentBehaviour) -> tuple[Behaviour, GroupAffect]:
    return (
        Behaviour(msg.action, msg.target_track_id, msg.strength, msg.reason),
        GroupAffect(msg.group_valence, msg.group_arousal, msg.group_smile_intensity, msg.people),
    )
