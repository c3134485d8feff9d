"""The affect node with real publishers and subscribers: one result per image, several cameras, neutral faces."""

import math

import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
from builders.papers import SMALL, needs_torchvision, paper_checkpoint
from builders.peer import PERIOD, T0, Peer, tracked
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from affect_perception.errors import ConfigError
from affect_perception.models import MODELS
from affect_perception.msg import FaceAffect, FaceAffectArray, FaceTrackArray
from affect_perception.nodes.affect_node import AffectNode, input_topics
from affect_perception.ros import conversions as convert
from affect_perception.ros import qos

pytestmark = pytest.mark.ros


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


@pytest.mark.parametrize('name', [pytest.param(n, marks=needs_torchvision(n)) for n in SMALL])
def test_checkpoint_of_every_paper_runs_and_says_what_it_knows(spin, name, tmp_path):
    model = paper_checkpoint(name, tmp_path, crop_size=128)
    node = AffectNode({'device': 'cpu', 'model': model, 'backend': 'torch'})
    peer = Peer(('face_tracks', FaceTrackArray), [('face_affect', FaceAffectArray)])
    spin(node, peer)
    wait_until(peer.is_matched)
    peer.publisher.publish(convert.tracks_to_msg(tracked(faces=2)))
    affect = wait_until(lambda: peer.got['face_affect'])[0]
    network = MODELS[name](**SMALL[name])
    assert affect.model == name
    assert tuple(affect.expression_labels) == network.expressions
    assert tuple(affect.reaction_labels) == network.reactions
    for face in affect.faces:
        assert (face.smile_level != FaceAffect.SMILE_UNKNOWN) == (name == 'witzig2019')
        assert math.isnan(face.valence) == (name in ('witzig2019', 'qian2023'))
        assert len(face.expression_probabilities) == len(network.expressions)
        assert len(face.reaction_intensities) == len(network.reactions)
    details = node._details()
    assert details['crop_px'] == '96, wanted 128'
    assert details['tracks_with_state'] == '2'
    assert details['window'].startswith('the ')


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


def test_a_face_whose_crop_cannot_be_read_is_unknown_and_the_others_are_read(spin):
    node = AffectNode({'device': 'cpu'})
    peer = Peer(('face_tracks', FaceTrackArray), [('face_affect', FaceAffectArray)])
    spin(node, peer)
    wait_until(peer.is_matched)
    message = convert.tracks_to_msg(tracked(faces=3))
    message.tracks[1].crop.encoding = 'nonsense'
    peer.publisher.publish(message)
    affect = wait_until(lambda: peer.got['face_affect'])[0]
    assert [face.track_id for face in affect.faces] == [1, 2, 3]
    unknown = FaceAffect.SMILE_UNKNOWN
    assert [face.smile_level == unknown for face in affect.faces] == [False, True, False]
    assert node.diagnostics.bad_inputs == {'encoding': 1}


def test_people_of_a_tracker_that_was_started_again_inherit_nothing(spin, monkeypatch):
    monkeypatch.setattr('affect_perception.nodes.affect_node._PAUSE_S', 0.0)
    node, peer = AffectNode({'device': 'cpu'}), Peer(None, [('face_affect', FaceAffectArray)])
    spin(node, peer)
    results = peer.got['face_affect']

    def track(count: int) -> list[int]:
        publisher = peer.create_publisher(FaceTrackArray, 'face_tracks', qos.RESULTS)
        wait_until(lambda: publisher.get_subscription_count() and peer.is_matched())
        for _ in range(count):
            seen = len(results)
            publisher.publish(convert.tracks_to_msg(tracked(T0 + seen * PERIOD)))
            wait_until(lambda seen=seen: len(results) > seen)
        peer.destroy_publisher(publisher)
        return [message.faces[0].evidence_frames for message in results]

    assert track(2) == [1, 2]
    assert track(2) == [1, 2, 1, 2]
    assert node.diagnostics.bad_inputs == {'tracker': 1}


@pytest.mark.parametrize('topics', ['', ' , ', 'face_tracks,face_tracks'])
def test_topics_of_cameras_that_make_no_sense_are_refused(topics):
    with pytest.raises(ConfigError, match='tracks_topics'):
        input_topics(topics)


def test_calibrating_the_neutral_face_is_a_service_and_a_live_parameter(spin):
    node, peer = AffectNode({'device': 'cpu', 'model': 'smile_va_open'}), Peer()
    client = peer.create_client(Trigger, 'affect_node/calibrate_neutral')
    spin(node, peer)
    assert client.wait_for_service(10)
    answer = client.call_async(Trigger.Request())
    wait_until(answer.done)
    assert answer.result().success
    assert '2.0 s' in answer.result().message
    node.set_parameters([Parameter('smile_scale', value='personal'), Parameter('neutral_seconds', value=5.0)])
    assert node.settings.smile_scale == 'personal'
    assert node.settings.neutral_seconds == 5.0
