"""Shapes as messages for RViz."""

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
from visualization_msgs.msg import Marker

from affect_perception.core.display.markers import FaceMarkers
from affect_perception.ros import conversions as convert
from affect_perception.ros.rviz.marker_messages import marker_id, shapes_to_msg
from affect_perception.settings import MarkerSettings
from affect_perception.types import NAN3, Affect, Box, Intrinsics

pytestmark = pytest.mark.ros

T0 = 1_795_000_000_000_000_000

CAMERA = Intrinsics(640, 480, 500.0, 500.0, 319.5, 239.5)


def face(track_id=1, smile=0.5, position=NAN3) -> Affect:
    return Affect(track_id, Box(270, 190, 100, 100), 0.9, (0.1, 0.2, 0.6, 0.1), smile, position, 0.2, evidence_frames=1)


def test_billboards_trails_and_deletions_become_messages():
    made = FaceMarkers(MarkerSettings(marker_shape='billboard', trail_s=1.0)).step([face(2**32 - 1)], T0, CAMERA)[0]
    msg = shapes_to_msg(made, [('face', 5)], convert.header_to_msg(T0, 'optical'), 0.5)
    by_part = {m.ns: m for m in msg.markers if m.action == Marker.ADD}
    assert by_part['face'].type == Marker.POINTS
    assert len(by_part['face'].points) == 1
    assert by_part['trail'].type == Marker.LINE_STRIP
    assert by_part['face'].id == marker_id(2**32 - 1) == 2**31 - 1
    assert (msg.markers[-1].action, msg.markers[-1].ns, msg.markers[-1].id) == (Marker.DELETE, 'face', 5)
