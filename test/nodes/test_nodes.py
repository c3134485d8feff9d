"""The real nodes, with real publishers and subscribers, one at a time."""

import array

import cv2
import numpy as np
import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')

from builders.peer import ASTRONAUT, PERIOD, T0, Peer, tracked
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import Trigger

from affect_perception.errors import ConfigError
from affect_perception.msg import FaceAffectArray, FaceTrackArray
from affect_perception.nodes.affect_node import AffectNode, input_topics
from affect_perception.nodes.camera_node import CameraNode
from affect_perception.nodes.face_tracker_node import FaceTrackerNode
from affect_perception.ros import conversions as convert
from affect_perception.ros.executors import Spinner
from affect_perception.types import Frame

INLINE = {'detect_inline': True, 'reliable_images': True, 'detector': 'dlib_hog'}


@pytest.fixture
def spin(ros):
    """Spins nodes until the test ends."""
    spinning = []

    def start(*nodes):
        spinning.append((nodes, Spinner(nodes)))
        return nodes[0]

    yield start
    for nodes, spinner in spinning:
        for node in nodes:
            if hasattr(node, 'close'):
                node.close()
        spinner.close()
        for node in nodes:
            node.destroy_node()


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
    """What the tracker says to one image: its message, or None when it counts the image as bad."""
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


@pytest.mark.parametrize('format', ['jpeg', 'png'])
def test_compressed_images_are_read(spin, format):
    node = FaceTrackerNode({**INLINE, 'image_topic': 'camera/image_raw/compressed'})
    peer = Peer(('camera/image_raw/compressed', CompressedImage), [('face_tracks', FaceTrackArray)])
    spin(node, peer)
    wait_until(peer.is_matched)
    data = cv2.imencode('.' + format, ASTRONAUT[..., ::-1])[1]
    message = CompressedImage(
        header=convert.header_to_msg(T0, 'optical'), format=format, data=convert.bytes_to_msg(data)
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


@pytest.mark.parametrize('faces', [0, 1, 8])
def test_affect_answers_every_face_of_the_image_with_its_stamp(spin, faces):
    node = AffectNode({'device': 'cpu'})
    peer = Peer(('face_tracks', FaceTrackArray), [('face_affect', FaceAffectArray)])
    spin(node, peer)
    wait_until(peer.is_matched)
    peer.publisher.publish(convert.tracks_to_msg(tracked(faces=faces)))
    affect = wait_until(lambda: peer.got['face_affect'])[0]
    assert convert.stamp_from_msg(affect.header.stamp) == T0
    assert affect.header.frame_id == 'optical'
    assert affect.model == 'smile_va'
    assert all(-1 <= face.valence <= 1 and len(face.expression_probabilities) == 8 for face in affect.faces)
    assert [face.track_id for face in affect.faces] == list(range(1, faces + 1))
    assert all(abs(sum(face.smile_probabilities) - 1) < 1e-5 for face in affect.faces)


def test_faces_of_several_cameras_are_read_together_and_answered_apart(spin):
    topics = ('left/face_tracks', 'right/face_tracks')
    node = AffectNode({'device': 'cpu', 'tracks_topics': ', '.join(topics)})
    left, right = (
        Peer((topic, FaceTrackArray), [(topic.replace('tracks', 'affect'), FaceAffectArray)]) for topic in topics
    )
    spin(node, left, right)
    wait_until(lambda: left.is_matched() and right.is_matched())
    left.publisher.publish(convert.tracks_to_msg(tracked(faces=2)))
    right.publisher.publish(convert.tracks_to_msg(tracked(stamp_ns=T0 + 5, faces=1)))
    of_left = wait_until(lambda: left.got['left/face_affect'])[0]
    of_right = wait_until(lambda: right.got['right/face_affect'])[0]
    assert (len(of_left.faces), len(of_right.faces)) == (2, 1)
    assert convert.stamp_from_msg(of_right.header.stamp) == T0 + 5


@pytest.mark.parametrize('topics', ['', ' , ', 'face_tracks,face_tracks'])
def test_topics_of_cameras_that_make_no_sense_are_refused(topics):
    with pytest.raises(ConfigError, match='tracks_topics'):
        input_topics(topics)


def test_calibrating_the_neutral_face_is_a_service_and_a_live_parameter(spin):
    node, peer = AffectNode({'device': 'cpu', 'model': 'first'}), Peer()
    client = peer.create_client(Trigger, 'affect_node/calibrate_neutral')
    spin(node, peer)
    assert client.wait_for_service(10)
    answer = client.call_async(Trigger.Request())
    wait_until(answer.done)
    assert answer.result().success and '2.0 s' in answer.result().message
    node.set_parameters([Parameter('neutral_baseline', value=True), Parameter('neutral_seconds', value=5.0)])
    assert node.settings.neutral_baseline and node.settings.neutral_seconds == 5.0


def test_camera_node_gives_every_picture_of_a_folder_when_it_may_take_its_time(spin, tmp_path):
    for i in range(5):
        cv2.imwrite(str(tmp_path / f'{i}.png'), np.full((48, 64, 3), 40 * i, np.uint8))
    (tmp_path / '2b.png').write_bytes(b'not a picture')
    settings = {'source': str(tmp_path), 'rate': 0.0}
    node = CameraNode(settings)
    peer = Peer(('face_affect', FaceAffectArray), [('image', Image)])
    spin(node, peer)
    seen = []

    def echo():
        for message in peer.got['image'][len(seen) :]:
            seen.append(message)
            peer.publisher.publish(FaceAffectArray(header=message.header))
        return node.finished

    node.start()
    wait_until(echo)
    assert [int(convert.rgb_from_image(m)[0, 0, 0]) for m in seen] == [0, 40, 80, 120, 160]
    assert node.dropped == 0
    assert sum(node.diagnostics.bad_inputs.values()) == 1


def test_parameters_are_described_with_meaning_unit_and_range(spin):
    node, peer = FaceTrackerNode({'detector': 'dlib_hog'}), Peer()
    spin(node, peer)
    client = peer.create_client(DescribeParameters, '/face_tracker_node/describe_parameters')
    assert client.wait_for_service(5.0)
    future = client.call_async(DescribeParameters.Request(names=['detect_every', 'detector', 'min_confidence']))
    wait_until(future.done)
    every, detector, confidence = future.result().descriptors
    assert 'frames' in every.description
    assert (every.integer_range[0].from_value, every.integer_range[0].to_value) == (1, 300)
    assert 'dlib_hog' in detector.additional_constraints
    assert detector.read_only
    assert confidence.floating_point_range[0].to_value == 1.0


def test_value_out_of_range_is_refused_at_start_with_name_value_and_range(ros):
    overrides = [Parameter('detect_every', value=0)]
    with pytest.raises(ConfigError, match=r'detect_every = 0 .*1 to 300'):
        FaceTrackerNode(parameter_overrides=overrides)


def test_whole_number_in_yaml_does_for_a_fraction(spin):
    node = FaceTrackerNode({'detector': 'dlib_hog'}, parameter_overrides=[Parameter('max_unseen_s', value=2)])
    spin(node)
    assert node.settings.max_unseen_s == 2.0


def test_live_setting_changes_while_running_and_a_fixed_one_does_not(spin):
    node, peer = FaceTrackerNode({'detector': 'dlib_hog'}), Peer()
    spin(node, peer)
    client = peer.create_client(SetParameters, '/face_tracker_node/set_parameters')
    assert client.wait_for_service(5.0)
    values = {'detect_every': 5, 'crop_size': 64, 'min_confidence': 2.0}
    request = SetParameters.Request(parameters=[Parameter(k, value=v).to_parameter_msg() for k, v in values.items()])
    future = client.call_async(request)
    wait_until(future.done)
    assert [result.successful for result in future.result().results] == [True, False, False]
    assert node.settings.detect_every == 5
    assert node.settings.crop_size == 96


@pytest.mark.parametrize(
    ('make', 'says'),
    [
        (lambda: CameraNode({'source': '/no/such/file.mp4'}), 'no/such/file.mp4'),
        (lambda: CameraNode({'source': 'camera:97'}), 'camera'),
        (lambda: CameraNode({'source': 'webcam'}), 'unknown source'),
        (lambda: AffectNode({'model': 'vgg'}), 'vgg'),
        (lambda: AffectNode({'device': 'tpu'}), 'tpu'),
        (lambda: FaceTrackerNode({'detector': 'haar'}), 'haar'),
    ],
)
def test_what_cannot_be_had_is_refused_at_start(ros, make, says):
    with pytest.raises(ConfigError, match=says):
        make()
