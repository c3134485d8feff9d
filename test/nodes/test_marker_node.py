"""The marker node: markers and overlay as RViz gets them, and nothing for nobody."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')

from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from visualization_msgs.msg import Marker, MarkerArray

from affect_perception.msg import FaceAffectArray, FaceTrackArray
from affect_perception.nodes.marker_node import MarkerNode
from affect_perception.ros import conversions as convert
from affect_perception.ros import qos
from affect_perception.ros.executors import Spinner
from affect_perception.types import NAN3, Affect, AffectFrame, Box, Frame, Intrinsics

pytestmark = pytest.mark.ros

T0 = 1_795_000_000_000_000_000
CAMERA = Intrinsics(640, 480, 500.0, 500.0, 319.5, 239.5)


def face(track_id=1, smile=0.5, position=NAN3) -> Affect:
    return Affect(track_id, Box(270, 190, 100, 100), 0.9, (0.1, 0.2, 0.6, 0.1), smile, position, 0.2, evidence_frames=1)


class Viewer(Node):
    """Publishes what the graph would, and looks at what comes of it."""

    def __init__(self, outputs):
        super().__init__('viewer')
        self.got = {topic: [] for topic in outputs}
        self.affect = self.create_publisher(FaceAffectArray, 'face_affect', qos.RESULTS)
        self.tracks = self.create_publisher(FaceTrackArray, 'face_tracks', qos.RESULTS)
        self.images = self.create_publisher(Image, 'image', qos.IMAGES)
        self.info = self.create_publisher(CameraInfo, 'camera_info', qos.IMAGES)
        for topic, kind in outputs.items():
            self.create_subscription(kind, topic, self.got[topic].append, 10)

    def send(self, *faces, stamp_ns=T0):
        self.affect.publish(convert.affect_to_msg(AffectFrame(stamp_ns, 'optical', 'first', faces)))


@pytest.fixture
def view(ros):
    """Starts a marker node and a viewer of some of its outputs."""
    started = []

    def start(outputs, **settings):
        node, viewer = MarkerNode(settings), Viewer(outputs)
        started.append((node, viewer, Spinner([node, viewer])))
        if outputs:
            wait_until(lambda: viewer.affect.get_subscription_count())
        return node, viewer

    yield start
    for node, viewer, spinner in started:
        node.close()
        spinner.close()
        node.destroy_node()
        viewer.destroy_node()


def test_markers_carry_stamp_and_frame_of_the_image_and_lifetimes(view):
    _, viewer = view({'face_markers': MarkerArray})
    viewer.send(face(7, position=(0.0, 0.0, 1.0)))
    markers = wait_until(lambda: viewer.got['face_markers'])[0].markers
    assert {convert.stamp_from_msg(m.header.stamp) for m in markers} == {T0}
    assert {m.header.frame_id for m in markers} == {'optical'}
    assert {(m.ns, m.id) for m in markers} == {(part, 7) for part in ('face', 'smile_back', 'smile', 'text')}
    assert all(m.action == Marker.ADD and m.lifetime.nanosec == 500_000_000 for m in markers)


def test_size_of_the_images_is_asked_once_of_the_tracks(view):
    node, viewer = view({'face_markers': MarkerArray})
    wait_until(lambda: viewer.tracks.get_subscription_count())
    viewer.tracks.publish(FaceTrackArray(image_width=640, image_height=480))
    wait_until(lambda: viewer.tracks.get_subscription_count() == 0)
    viewer.send(face())
    placed = wait_until(lambda: viewer.got['face_markers'])[-1].markers[0].pose.position
    assert (placed.x, placed.y, placed.z) == pytest.approx((0, 0, 1), abs=1e-6)
    assert node.diagnostics.bad_inputs == {}


def test_camera_info_is_believed_more_than_the_assumed_field_of_view(view):
    _, viewer = view({'face_markers': MarkerArray})
    wait_until(lambda: viewer.info.get_subscription_count())
    viewer.info.publish(convert.intrinsics_to_msg(CAMERA, convert.header_to_msg(T0, 'optical')))
    position = (0.04, 0.08, 1.0)  # m, of pixel (339.5, 279.5) at plane_m by CAMERA; by the field of view elsewhere

    def placed():
        viewer.send(replace(face(), box=Box.around((340, 280), 100, 100)))
        markers = [m for msg in viewer.got['face_markers'] for m in msg.markers if m.ns == 'face']
        return markers and markers[-1].pose.position

    wait_until(lambda: placed() and (placed().x, placed().y, placed().z) == pytest.approx(position, abs=1e-6))


@pytest.mark.parametrize(('topic', 'kind'), [('overlay', Image), ('overlay/compressed', CompressedImage)])
def test_overlay_is_the_image_of_that_stamp_with_its_faces(view, topic, kind):
    _, viewer = view({topic: kind})
    wait_until(lambda: viewer.images.get_subscription_count())
    grey = np.full((480, 640, 3), 90, np.uint8)

    def asked():  # images are best effort, and the viewer may not be matched yet
        viewer.images.publish(convert.frame_to_msg(Frame(T0, 'optical', grey)))
        viewer.send(face(smile=1.0))
        return viewer.got[topic]

    msg = wait_until(asked)[0]
    assert convert.stamp_from_msg(msg.header.stamp) == T0
    rgb = convert.frame_from_msg(msg).rgb
    assert rgb.shape == grey.shape
    assert abs(rgb[0:100].astype(int) - 90).max() < 12, 'untouched far from the face'
    assert abs(rgb[185:300, 265:375].astype(int) - 90).max() > 50, 'a box about the face'


def test_overlay_is_scaled_down_and_the_faces_with_it(view):
    _, viewer = view({'overlay': Image}, overlay_width=320)
    wait_until(lambda: viewer.images.get_subscription_count())
    grey = np.full((480, 640, 3), 90, np.uint8)

    def asked():
        viewer.images.publish(convert.frame_to_msg(Frame(T0, 'optical', grey)))
        viewer.send(face(smile=1.0))
        return viewer.got['overlay']

    rgb = convert.frame_from_msg(wait_until(asked)[0]).rgb
    assert rgb.shape == (240, 320, 3)
    changed = np.argwhere((rgb != 90).any(axis=2))
    assert changed[:, 1].min() == pytest.approx(135, abs=3), 'the left side of a box at 270 of 640'
    assert changed[:, 0].max() == pytest.approx(150, abs=6), 'the bar below one that ends at 290 of 480'


def test_picture_of_a_result_is_asked_for_and_drawn_into(ros):
    wanted = []
    node = MarkerNode({'overlay_width': 32, 'overlay_rate': 60.0}, ask=lambda *what: wanted.append(what))
    viewer = Viewer({'overlay': Image})
    spinner = Spinner([node, viewer])
    try:
        wait_until(lambda: viewer.affect.get_subscription_count())
        assert viewer.images.get_subscription_count() == 0
        wait_until(lambda: viewer.send(face()) or wanted)
        assert set(wanted) == {(T0, 32)}
        picture = Frame(T0, 'optical', np.full((24, 32, 3), 90, np.uint8))
        wait_until(lambda: node.take(picture, 640) or viewer.got['overlay'])
        msg = viewer.got['overlay'][0]
        assert (msg.width, msg.height, msg.header.frame_id) == (32, 24, 'optical')
        assert convert.stamp_from_msg(msg.header.stamp) == T0
    finally:
        node.close()
        spinner.close()
        node.destroy_node()
        viewer.destroy_node()


def test_markers_come_no_more_often_than_asked(view):
    began_s = time.monotonic()
    node, viewer = view({'face_markers': MarkerArray}, marker_rate=0.1)
    wait_until(lambda: viewer.send(face()) or (node.diagnostics.processed > 10 and viewer.got['face_markers']))
    made = len(node.diagnostics.timings_ms()['markers'])
    assert made <= 2 + 0.1 * (time.monotonic() - began_s)  # 2 unless the machine is very busy


def test_overlay_of_images_that_cannot_be_read_is_skipped_and_counted(view):
    node, viewer = view({'overlay': Image})
    wait_until(lambda: viewer.images.get_subscription_count())
    bad = replace_fields(convert.frame_to_msg(Frame(T0, 'optical', np.zeros((48, 64, 3), np.uint8))), encoding='rgb9')
    wait_until(lambda: viewer.images.publish(bad) or viewer.send(face()) or node.diagnostics.bad_inputs)
    assert set(node.diagnostics.bad_inputs) == {'encoding'}


def test_overlay_goes_on_when_results_are_missing_and_when_stamps_go_back(view):
    _, viewer = view({'overlay': Image}, overlay_rate=60.0)
    wait_until(lambda: viewer.images.get_subscription_count())
    grey, sent = np.full((48, 64, 3), 90, np.uint8), []

    def drawn_of(first_ns: int) -> set[int]:
        def asked():
            stamp_ns = first_ns + 33_333_333 * len(sent)
            sent.append(stamp_ns)
            viewer.images.publish(convert.frame_to_msg(Frame(stamp_ns, 'optical', grey)))
            time.sleep(0.01)
            if len(sent) % 3:  # the tracker has dropped every third image
                viewer.send(face(), stamp_ns=stamp_ns)
            return len(stamps(viewer.got['overlay'], first_ns)) > 3

        sent.clear()
        wait_until(asked)
        return stamps(viewer.got['overlay'], first_ns)

    assert drawn_of(T0) <= set(sent)
    assert drawn_of(T0 - 3600 * 10**9) <= set(sent)


def stamps(messages, first_ns: int) -> set[int]:
    """Of the messages of the minute from `first_ns` on."""
    found = {convert.stamp_from_msg(msg.header.stamp) for msg in messages}
    return {stamp_ns for stamp_ns in found if 0 <= stamp_ns - first_ns < 60 * 10**9}


def replace_fields(msg, **fields):
    for name, value in fields.items():
        setattr(msg, name, value)
    return msg


def test_positions_that_are_not_numbers_give_markers_that_are(view):
    _, viewer = view({'face_markers': MarkerArray})
    wait_until(lambda: viewer.tracks.get_subscription_count())
    viewer.tracks.publish(FaceTrackArray(image_width=640, image_height=480))
    wait_until(lambda: viewer.tracks.get_subscription_count() == 0)
    nan = math.nan
    viewer.send(face(1, nan, (nan, nan, nan)), face(2, 0.5, (math.inf, 0.0, 1.0)))
    for marker in wait_until(lambda: viewer.got['face_markers'])[0].markers:
        place, scale = marker.pose.position, marker.scale
        assert all(map(math.isfinite, (place.x, place.y, place.z, scale.x, scale.y, scale.z, marker.color.r)))


def test_nothing_is_subscribed_while_nobody_looks(view):
    node, viewer = view({})
    node.demand.update()
    assert node.demand.active == frozenset()
    assert viewer.affect.get_subscription_count() == viewer.images.get_subscription_count() == 0
    assert node.demand.idle_reason() == 'nobody is subscribed'


def test_markers_alone_do_not_fetch_images(view):
    node, viewer = view({'face_markers': MarkerArray})
    wait_until(lambda: 'face_affect' in node.demand.active)
    assert viewer.images.get_subscription_count() == 0


def test_settings_change_while_running(view):
    node, viewer = view({'face_markers': MarkerArray})
    parameter = Parameter('marker_shape', value='billboard')
    assert node.set_parameters([parameter])[0].successful
    viewer.send(face(position=(0.0, 0.0, 1.0)))
    wait_until(lambda: any(m.markers[0].type == Marker.POINTS for m in viewer.got['face_markers'] if m.markers))
