"""The lifecycle of tracker and affect nodes: they start themselves, pause with what they know, free what they held."""

import time

import numpy as np
import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')

from builders.peer import T0, Peer, tracked
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from skimage import data as pictures

from affect_perception.errors import ConfigError
from affect_perception.msg import FaceAffectArray, FaceTrackArray
from affect_perception.nodes.affect_node import AffectNode
from affect_perception.nodes.face_tracker_node import FaceTrackerNode
from affect_perception.ros import conversions as convert
from affect_perception.ros.executors import Spinner
from affect_perception.types import Frame

pytestmark = pytest.mark.ros

HOG = {'detect_inline': True, 'reliable_images': True, 'detector': 'dlib_hog'}
WAITING = {'parameter_overrides': [Parameter('autostart', value=False)]}


@pytest.fixture
def manager(ros):
    """A lifecycle manager: `change(node, transition)` and `state(node)` over the services, as Nav2's would."""
    peer = Peer()
    spinners = [Spinner([peer])]
    closing = [peer]

    class Manager:
        def spin(self, *nodes):
            spinners.append(Spinner(nodes))
            closing.extend(nodes)
            return nodes[0]

        def change(self, node, transition: int) -> bool:
            client = peer.create_client(ChangeState, f'{node.get_name()}/change_state')
            assert client.wait_for_service(60)
            answer = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
            wait_until(answer.done, 120)
            return answer.result().success

        def state(self, node) -> int:
            client = peer.create_client(GetState, f'{node.get_name()}/get_state')
            assert client.wait_for_service(60)
            answer = client.call_async(GetState.Request())
            wait_until(answer.done)
            return answer.result().current_state.id

    yield Manager()
    for node in closing:
        if hasattr(node, 'close'):
            node.close()
    for spinner in spinners:
        spinner.close()
    for node in closing:
        node.destroy_node()


def test_a_node_starts_itself_unless_told_to_wait(manager):
    node = manager.spin(AffectNode({'device': 'cpu', 'backend': 'torch'}))
    assert manager.state(node) == State.PRIMARY_STATE_ACTIVE
    node = manager.spin(FaceTrackerNode(HOG, **WAITING))
    assert manager.state(node) == State.PRIMARY_STATE_UNCONFIGURED
    for wrong in (Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
        assert not manager.change(node, wrong), 'asked for in the wrong order'
    assert manager.state(node) == State.PRIMARY_STATE_UNCONFIGURED
    assert manager.change(node, Transition.TRANSITION_CONFIGURE)
    assert not manager.change(node, Transition.TRANSITION_CONFIGURE)
    assert manager.state(node) == State.PRIMARY_STATE_INACTIVE


def test_an_affect_node_that_was_paused_goes_on_where_it_was_and_forgets_when_it_is_cleaned_up(manager):
    node = manager.spin(AffectNode({'device': 'cpu', 'backend': 'torch'}))
    peer = Peer(('face_tracks', FaceTrackArray), [('face_affect', FaceAffectArray)])
    manager.spin(peer)
    stamps = iter(range(T0, T0 + 10**6))

    def ask() -> FaceAffectArray:
        wait_until(lambda: peer.publisher.get_subscription_count() and peer.count_publishers('face_affect'))
        before = len(peer.got['face_affect'])

        def sent() -> bool:  # again, should discovery have taken its time
            time.sleep(0.2)
            peer.publisher.publish(convert.tracks_to_msg(tracked(stamp_ns=next(stamps))))
            return len(peer.got['face_affect']) > before

        wait_until(sent)
        return peer.got['face_affect'][-1]

    first = ask().faces[0].evidence_frames
    assert manager.change(node, Transition.TRANSITION_DEACTIVATE)
    wait_until(lambda: not peer.publisher.get_subscription_count())
    assert manager.change(node, Transition.TRANSITION_ACTIVATE)
    assert ask().faces[0].evidence_frames > first
    assert manager.change(node, Transition.TRANSITION_DEACTIVATE)
    assert manager.change(node, Transition.TRANSITION_CLEANUP)
    assert node.engine is None
    assert not peer.count_publishers('face_affect')
    assert manager.change(node, Transition.TRANSITION_CONFIGURE)
    assert manager.change(node, Transition.TRANSITION_ACTIVATE)
    assert ask().faces[0].evidence_frames >= 1


def test_a_tracker_that_was_paused_keeps_the_ids_it_gave(manager):
    node = manager.spin(FaceTrackerNode(HOG))
    peer = Peer(('image', Image), [('face_tracks', FaceTrackArray)])
    manager.spin(peer)
    rgb = np.ascontiguousarray(pictures.astronaut())
    stamps = iter(range(T0, T0 + 10**13, 33_000_000))

    def look() -> list[int]:
        wait_until(lambda: peer.publisher.get_subscription_count())
        before = len(peer.got['face_tracks'])

        def sent() -> bool:
            time.sleep(0.2)
            peer.publisher.publish(convert.frame_to_msg(Frame(next(stamps), 'camera', rgb)))
            return len(peer.got['face_tracks']) > before + 2

        wait_until(sent)
        return [track.track_id for track in peer.got['face_tracks'][-1].tracks]

    ids = look()
    assert len(ids) == 1
    assert manager.change(node, Transition.TRANSITION_DEACTIVATE)
    wait_until(lambda: not peer.publisher.get_subscription_count())
    assert manager.change(node, Transition.TRANSITION_ACTIVATE)
    assert look() == ids
    assert manager.change(node, Transition.TRANSITION_DEACTIVATE)
    assert manager.change(node, Transition.TRANSITION_CLEANUP)
    assert (node.tracker, node.detector) == (None, None)


def test_what_cannot_be_loaded_fails_the_transition_and_raises_where_a_node_starts_itself(manager):
    bad = {'device': 'cpu', 'model': 'vgg'}
    node = manager.spin(AffectNode(bad, **WAITING))
    assert not manager.change(node, Transition.TRANSITION_CONFIGURE)
    assert manager.state(node) == State.PRIMARY_STATE_UNCONFIGURED
    with pytest.raises(ConfigError, match="no model 'vgg'"):
        AffectNode(bad)
