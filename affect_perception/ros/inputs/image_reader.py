"""Reader of image messages: our own conversions, then cv_bridge, where installed, for encodings ours do not know."""

from __future__ import annotations

from typing import Any

import numpy as np

from affect_perception.core.message_readers import frame_from_msg, stamp_from_msg
from affect_perception.errors import BadInputError
from affect_perception.types import Frame


def read_frame(msg: Any) -> Frame:
    """Frame of a sensor_msgs/Image or CompressedImage; BadInputError if neither we nor cv_bridge can read it."""
    try:
        return frame_from_msg(msg)
    except BadInputError as error:
        if error.kind != 'encoding' or not hasattr(msg, 'encoding'):
            raise
        rgb = _by_cv_bridge(msg)
        if rgb is None:
            raise
        return Frame(stamp_from_msg(msg.header.stamp), msg.header.frame_id, rgb)


def _by_cv_bridge(msg: Any) -> np.ndarray | None:
    """Image as (H, W, 3) uint8 RGB; None where cv_bridge is not installed or does not know the encoding either."""
    try:
        from cv_bridge import CvBridge
    except ImportError:
        return None
    try:
        return np.ascontiguousarray(CvBridge().imgmsg_to_cv2(msg, 'rgb8'))
    except Exception:  # noqa: BLE001 - CvBridgeError, or an error of OpenCV: told as an encoding that is not known
        return None
