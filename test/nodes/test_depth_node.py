"""Depth through the real nodes: topics, encodings and quality of service as realsense2_camera has them."""

import array
import math

import numpy as np
import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')

from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from skimage import data as pictures

from affect_perception.msg import FaceTrackArray
from affect_perception.nodes.camera_node import CameraNode
from affect_perception.nodes.face_tracker_node import FaceTrackerNode
from affect_perception.ros import conversions as convert
from affect_perception.ros import qos
from affect_perception.ros.executors import Spinner
from affect_perception.types import Depth, Frame, Intrinsics

pytestmark = pytest.mark.ros

T0 = 1_795_000_000_000_000_000
PERIOD = 33_333_333
WIDTH, HEIGHT = 640, 480
FRAME_ID = 'camera_color_optical_frame'
CAMERA = Intrinsics(WIDTH, HEIGHT, 600.0, 600.0, 319.5, 239.5)
COLOUR = '/camera/camera/color/image_raw'
INFO = '/camera/camera/color/camera_info'
ALIGNED = '/camera/camera/aligned_depth_to_color/image_raw'
REALSENSE = {'image_topic': COLOUR, 'depth_topic': ALIGNED, 'detector': 'dlib_hog', 'detect_inline': True}
# As in realsense2_camera: images SYSTEM_DEFAULT, which is reliable and volatile here, camera_info DEFAULT.
SYSTEM_DEFAULT = QoSProfile(depth=10, reliability=QoSReliabilityPolicy.RELIABLE)
RGB = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
RGB[:280, 128:] = pictures.astronaut()[:280]  # HOG takes the emblem further down for another face


def wall(face_m: float) -> np.ndarray:
    """(480, 640) uint16 mm: a wall at 3 m, and before it the astronaut's upper half at `face_m`, with 20 % holes."""
    z = np.full((HEIGHT, WIDTH), 3000, np.uint16)
    z[:, 128 + 150 : 128 + 320] = round(1000 * face_m)
    z[np.random.default_rng(0).random(z.shape) < 0.2] = 0
    return z


class Camera(Node):
    """Images and calibration as realsense2_camera publishes them."""

    def __init__(self, info: bool = True):
        super().__init__('camera')
        self.tracks = []
        self.images = self.create_publisher(Image, COLOUR, SYSTEM_DEFAULT)
        self.depths = self.create_publisher(Image, ALIGNED, SYSTEM_DEFAULT)
        self.infos = self.create_publisher(CameraInfo, INFO, SYSTEM_DEFAULT) if info else None
        self.heard = self.create_subscription(FaceTrackArray, 'face_tracks', self.tracks.append, 50)

    def shoot(self, node, stamp_ns: int = T0, depth: Image | None = None):
        """Sends depth and camera_info, then the image once they are there; returns the only track."""
        if self.infos is not None:
            self.infos.publish(convert.intrinsics_to_msg(CAMERA, convert.header_to_msg(stamp_ns, FRAME_ID)))
            wait_until(lambda: node.depth.locator.intrinsics)
        if depth is not None:
            bad = node.diagnostics.bad_inputs['depth']
            depth.header = convert.header_to_msg(stamp_ns, FRAME_ID)
            self.depths.publish(depth)
            wait_until(lambda: node.depth.locator.nearest(stamp_ns) or node.diagnostics.bad_inputs['depth'] > bad)
        before = len(self.tracks)
        self.images.publish(convert.frame_to_msg(Frame(stamp_ns, FRAME_ID, RGB)))
        wait_until(lambda: len(self.tracks) > before)
        assert len(self.tracks[-1].tracks) == 1
        return self.tracks[-1].tracks[0]


@pytest.fixture
def pair(ros):
    """Makes a tracker and a camera that have found each other."""
    made = []

    def make(settings=REALSENSE, **camera_options):
        node, camera = FaceTrackerNode(settings), Camera(**camera_options)
        made.append((node, camera, Spinner([node, camera])))
        publishers = [p for p in (camera.images, camera.depths, camera.infos) if p is not None]
        wait_until(lambda: all(p.get_subscription_count() for p in publishers))
        wait_until(camera.heard.get_publisher_count)
        return node, camera

    yield make
    for node, camera, spinner in made:
        node.close()
        spinner.close()
        node.destroy_node()
        camera.destroy_node()


def depth_16uc1(mm: np.ndarray) -> Image:
    return convert.depth_to_msg(Depth(T0, mm, 0.001), FRAME_ID)


def depth_32fc1(mm: np.ndarray) -> Image:
    metres = np.where(mm == 0, np.nan, mm / 1000).astype('<f4')
    height, width = mm.shape
    return Image(height=height, width=width, encoding='32FC1', step=4 * width, data=array.array('B', metres.tobytes()))


@pytest.mark.parametrize('encode', [depth_16uc1, depth_32fc1])
@pytest.mark.parametrize('z', [0.6, 1.35])
def test_face_before_a_realsense_has_its_position_within_a_centimetre(pair, encode, z):
    node, camera = pair()
    track = camera.shoot(node, depth=encode(wall(z)))
    u = track.roi.x_offset + track.roi.width / 2 - 0.5
    v = track.roi.y_offset + track.roi.height / 2 - 0.5
    got = track.position.x, track.position.y, track.position.z
    assert got == pytest.approx(((u - 319.5) / 600 * z, (v - 239.5) / 600 * z, z), abs=0.01)
    assert not node.diagnostics.bad_inputs


def test_depth_of_the_previous_image_serves_when_the_new_one_is_late(pair):
    node, camera = pair()
    camera.shoot(node, T0, depth_16uc1(wall(1.0)))
    assert camera.shoot(node, T0 + PERIOD).position.z == pytest.approx(1.0, abs=0.01)
    assert math.isnan(camera.shoot(node, T0 + 3 * PERIOD).position.z)


def test_without_depth_messages_positions_are_not_a_number(pair):
    node, camera = pair()
    position = camera.shoot(node).position
    assert all(map(math.isnan, (position.x, position.y, position.z)))
    assert not node.diagnostics.bad_inputs


def test_all_zero_depth_gives_no_position_and_no_complaint(pair):
    node, camera = pair()
    assert math.isnan(camera.shoot(node, depth=depth_16uc1(np.zeros((HEIGHT, WIDTH), np.uint16))).position.z)
    assert not node.diagnostics.bad_inputs


def test_missing_camera_info_is_warned_of_once_and_tracking_goes_on(pair, monkeypatch):
    node, camera = pair(info=False)
    warnings = []
    monkeypatch.setattr(type(node.get_logger()), 'warning', lambda _, text, **__: warnings.append(text))
    for i in range(3):
        assert math.isnan(camera.shoot(node, T0 + i * PERIOD, depth_16uc1(wall(1.0))).position.z)
    assert node.diagnostics.bad_inputs == {'camera_info': 3}
    assert len([text for text in warnings if 'camera_info' in text]) == 1
    assert 'positions stay NaN' in warnings[0]


def test_camera_info_may_have_a_topic_of_its_own(pair):
    node, camera = pair({**REALSENSE, 'camera_info_topic': '/rig/info'}, info=False)
    publisher = camera.create_publisher(CameraInfo, '/rig/info', SYSTEM_DEFAULT)
    message = convert.intrinsics_to_msg(CAMERA, convert.header_to_msg(T0, FRAME_ID))
    wait_until(lambda: publisher.publish(message) or node.depth.locator.intrinsics)
    assert camera.shoot(node, depth=depth_16uc1(wall(1.0))).position.z == pytest.approx(1.0, abs=0.01)


def bad_depth(what: str) -> Image:
    message = depth_16uc1(wall(1.0)[:360] if what == 'another shape' else wall(1.0))
    if what == 'a colour encoding':
        message.encoding = 'rgb8'
    if what == 'too little data':
        message.data = array.array('B', bytes(100))
    return message


@pytest.mark.parametrize('what', ['another shape', 'a colour encoding', 'too little data'])
def test_bad_depth_is_counted_and_tracking_goes_on(pair, what):
    node, camera = pair()
    first = camera.shoot(node, T0, bad_depth(what))
    assert math.isnan(first.position.z)
    assert node.diagnostics.bad_inputs == {'depth': 1}
    second = camera.shoot(node, T0 + 3 * PERIOD, depth_16uc1(wall(1.0)))
    assert second.track_id == first.track_id
    assert second.position.z == pytest.approx(1.0, abs=0.01)


def test_depth_of_half_the_size_is_used(pair):
    node, camera = pair()
    assert camera.shoot(node, depth=depth_16uc1(wall(1.0)[::2, ::2])).position.z == pytest.approx(1.0, abs=0.01)


# From a source with depth through camera_node


class DepthSource:
    """A live source of pictures with depth, as the RealSense's is."""

    name, live, fps, size, dropped = 'depth', True, 30.0, (WIDTH, HEIGHT), 0

    def __init__(self, frames: list[Frame]):
        self._frames = frames

    def __iter__(self):
        return iter(self._frames)

    def close(self) -> None:
        pass


def test_camera_node_with_depth_gives_faces_their_position_by_itself(ros):
    stamps = range(T0, T0 + 40 * PERIOD, PERIOD)
    frames = [Frame(stamp, FRAME_ID, RGB, Depth(stamp, wall(1.2), 0.001), CAMERA) for stamp in stamps]
    source = DepthSource([])
    tracker = FaceTrackerNode({'detector': 'dlib_hog', 'detect_inline': True})
    node, peer = CameraNode(source=source), Node('peer')
    got = {'face_tracks': [], 'depth': [], 'camera_info': []}

    def all_there() -> list:
        tracks = [t for m in got['face_tracks'] for t in m.tracks if not math.isnan(t.position.z)]
        return tracks if got['depth'] and got['camera_info'] else []

    for topic, kind in (('face_tracks', FaceTrackArray), ('depth', Image), ('camera_info', CameraInfo)):
        peer.create_subscription(kind, topic, got[topic].append, qos.IMAGES)
    spinner = Spinner([tracker, node, peer])
    try:
        for frame in frames:
            node.publish(frame)
            if all_there():
                break
            wait_until(lambda frame=frame: tracker.last_stamp_ns >= frame.stamp_ns or tracker.slot.dropped)
        track = wait_until(all_there)[0]
        assert track.position.z == pytest.approx(1.2, abs=0.01)
        assert got['depth'][0].encoding == '16UC1'
        assert got['depth'][0].header.frame_id == FRAME_ID
        assert convert.intrinsics_from_msg(got['camera_info'][0]) == CAMERA
    finally:
        for each in (node, tracker):
            each.close()
        spinner.close()
        for each in (node, tracker, peer):
            each.destroy_node()


def test_camera_node_without_depth_advertises_neither_depth_nor_camera_info(ros):
    node = CameraNode(source=DepthSource([]))
    node.publish(Frame(T0, FRAME_ID, RGB))
    topics = {name for name, _ in node.get_publisher_names_and_types_by_node('camera_node', '/')}
    node.close()
    node.destroy_node()
    assert '/image' in topics
    assert not topics & {'/depth', '/camera_info'}
