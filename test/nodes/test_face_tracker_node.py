"""The tracker node with real publishers and subscribers: stamps, ids, bad and compressed images."""

import array

import cv2
import numpy as np
import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
from builders.peer import ASTRONAUT, PERIOD, T0, Peer
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from affect_perception.msg import FaceTrackArray
from affect_perception.nodes.face_tracker_node import FaceTrackerNode
from affect_perception.ros import conversions as convert
from affect_perception.types import Frame

pytestmark = pytest.mark.ros

INLINE = {'detect_inline': True, 'reliable_images': True, 'detector': 'dlib_hog'}


@pytest.fixture
def tracker(spin):
    """A tracker node that waits for its detector, and a peer that sends images and gets tracks."""
    node = FaceTrackerNode(INLINE)
    peer = Peer(('image', Image), [('face_tracks', FaceTrackArray), ('/diagnostics', DiagnosticArray)])
    spin(node, peer)
    wait_until(peer.is_matched)
    return node, peer


def image(stamp_ns=T0, rgb=ASTRONAUT, frame_id='camera_color_optical_frame') -> Image:
    return convert.frame_to_msg(Frame(stamp_ns, frame_id, rgb))


def answer(node, peer, message) -> FaceTrackArray | None:
    """Answer of the tracker to one image: its message, or None when it counts the image as bad."""
    before, bad = len(peer.got['face_tracks']), sum(node.diagnostics.bad_inputs.values())
    peer.publisher.publish(message)
    wait_until(lambda: len(peer.got['face_tracks']) > before or sum(node.diagnostics.bad_inputs.values()) > bad)
    return peer.got['face_tracks'][-1] if len(peer.got['face_tracks']) > before else None


def test_tracks_carry_the_stamp_and_frame_id_of_their_image(tracker):
    tracks = answer(*tracker, image(frame_id='head_camera_optical'))
    assert convert.stamp_from_msg(tracks.header.stamp) == T0
    assert tracks.header.frame_id == 'head_camera_optical'
    assert (tracks.image_width, tracks.image_height) == (512, 512)
    assert len(tracks.tracks) == 1
    assert (tracks.tracks[0].crop.width, tracks.tracks[0].crop.height) == (96, 96)


def test_image_with_nobody_in_it_gives_an_empty_message(tracker):
    tracks = answer(*tracker, image(rgb=np.full((480, 640, 3), 90, np.uint8)))
    assert tracks.tracks == []
    assert convert.stamp_from_msg(tracks.header.stamp) == T0


def test_face_keeps_its_id_from_image_to_image(tracker):
    ids = {answer(*tracker, image(T0 + i * PERIOD)).tracks[0].track_id for i in range(15)}
    assert len(ids) == 1


def broken(**fields) -> Image:
    message = image(T0)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


BAD_IMAGES = {
    'encoding nobody knows': (broken(encoding='rgb9'), 'encoding'),
    'step and height that do not match the data': (broken(height=600), 'data'),
    'no data at all': (broken(data=array.array('B')), 'data'),
    '0x0 pixels': (broken(width=0, height=0, step=0, data=array.array('B')), 'size'),
    '1x1 pixel': (image(rgb=np.zeros((1, 1, 3), np.uint8)), 'size'),
    'more pixels than a camera has': (
        Image(width=8000, height=6000, step=24000, encoding='rgb8', data=array.array('B', bytes(30))),
        'size',
    ),
}


@pytest.mark.parametrize('what', BAD_IMAGES)
def test_bad_image_is_counted_and_the_next_one_is_processed(tracker, what):
    node, peer = tracker
    message, kind = BAD_IMAGES[what]
    assert answer(node, peer, message) is None
    assert node.diagnostics.bad_inputs == {kind: 1}
    assert len(answer(node, peer, image(T0 + PERIOD)).tracks) == 1


def test_bad_images_of_one_kind_are_warned_of_once(tracker, monkeypatch):
    node, peer = tracker
    warnings = []
    monkeypatch.setattr(type(node.get_logger()), 'warning', lambda _, text, **__: warnings.append(text))
    for i in range(3):
        answer(node, peer, broken(encoding=f'rgb{i}'))
    assert node.diagnostics.bad_inputs == {'encoding': 3}
    assert len(warnings) == 1
    assert 'rgb0' in warnings[0]


def test_bad_images_show_in_diagnostics(tracker):
    node, peer = tracker
    wait_until(lambda: peer.got['/diagnostics'])
    answer(node, peer, broken(encoding='rgb9'))

    def warned():
        name = 'affect_perception: face_tracker_node: tracking'
        statuses = [s for array in peer.got['/diagnostics'] for s in array.status if s.name == name]
        return [s for s in statuses if s.level == DiagnosticStatus.WARN]

    status = wait_until(warned)[0]
    assert {v.key: v.value for v in status.values}['bad_inputs_encoding'] == '1'


def test_bag_that_loops_starts_new_tracks_and_goes_on(tracker):
    node, peer = tracker
    first = [answer(node, peer, image(T0 + i * PERIOD)) for i in range(3)][-1].tracks[0].track_id
    peer.publisher.publish(image(T0))
    again = wait_until(lambda: len(peer.got['face_tracks']) == 4 and peer.got['face_tracks'][3])
    assert node.diagnostics.bad_inputs == {'stamp': 1}
    assert len(again.tracks) == 1
    assert again.tracks[0].track_id != first


@pytest.mark.parametrize('encoding', ['jpeg', 'png'])
def test_compressed_images_are_read(spin, encoding):
    node = FaceTrackerNode({**INLINE, 'image_topic': 'camera/image_raw/compressed'})
    peer = Peer(('camera/image_raw/compressed', CompressedImage), [('face_tracks', FaceTrackArray)])
    spin(node, peer)
    wait_until(peer.is_matched)
    data = cv2.imencode('.' + encoding, ASTRONAUT[..., ::-1])[1]
    message = CompressedImage(
        header=convert.header_to_msg(T0, 'optical'), format=encoding, data=convert.bytes_to_msg(data)
    )
    assert len(answer(node, peer, message).tracks) >= 1  # HOG sees another face in the traces of JPEG


@pytest.mark.parametrize('reliability', [QoSReliabilityPolicy.RELIABLE, QoSReliabilityPolicy.BEST_EFFORT])
def test_camera_of_either_reliability_is_heard(spin, reliability):
    node, peer = FaceTrackerNode({'detector': 'dlib_hog'}), Peer()
    publisher = peer.create_publisher(Image, 'image', QoSProfile(depth=1, reliability=reliability))
    spin(node, peer)
    wait_until(publisher.get_subscription_count)
    message = image(rgb=ASTRONAUT[::4, ::4])
    wait_until(lambda: publisher.publish(message) or node.slot.received)


def test_an_image_that_no_detection_has_looked_at_is_not_told_as_empty(spin):
    """At the start and after each scene cut the detector is waited for; if in vain, the empty message is counted."""
    node = FaceTrackerNode({**INLINE, 'detect_inline': False, 'detect_beside': 'thread', 'detect_every': 300})
    peer = Peer(('image', Image), [('face_tracks', FaceTrackArray)])
    spin(node, peer)
    wait_until(peer.is_matched)
    cut = np.ascontiguousarray(ASTRONAUT[:, ::-1])
    answers = peer.got['face_tracks']
    for index in range(12):
        peer.publisher.publish(image(T0 + index * PERIOD, (ASTRONAUT, cut)[index // 3 % 2]))
        wait_until(lambda wanted=index + 1: len(answers) == wanted)
    empty = sum(not tracks.tracks for tracks in answers)
    assert node.tracker.counts['scene_cut'] == 3
    assert empty <= node.diagnostics.bad_inputs['unseen']
