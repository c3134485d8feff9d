"""Publishers of another process that change mid-run, have odd stamps or are two: nodes go on and say so."""

import threading

import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
from builders.other_process import Cameras
from builders.peer import Peer
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from affect_perception.msg import FaceTrackArray
from affect_perception.nodes.affect_node import AffectNode
from affect_perception.nodes.face_tracker_node import FaceTrackerNode

pytestmark = pytest.mark.ros

SMALL, LARGE = {'width': 64, 'height': 48}, {'width': 320, 'height': 240}


@pytest.fixture
def cameras():
    other = Cameras()
    yield other
    other.close()


@pytest.fixture
def tracker(spin):
    node = FaceTrackerNode({'detector': 'dlib_hog', 'reid': 'off', 'align': False, 'detect_beside': 'thread'})
    peer = Peer(None, [('face_tracks', FaceTrackArray), ('/diagnostics', DiagnosticArray)])
    spin(node, peer)
    wait_until(peer.is_matched)
    return node, peer


def told(peer: Peer, text: str) -> bool:
    """Whether diagnostics have warned with `text`."""
    statuses = [msg.status[0] for msg in peer.got['/diagnostics']]
    return any(text in status.message and status.level != DiagnosticStatus.OK for status in statuses)


def ended(peer: Peer, text: str) -> bool:
    """Whether the newest diagnostics do not say `text`."""
    return text not in peer.got['/diagnostics'][-1].status[0].message


def widths(peer: Peer, after: int = 0) -> set[int]:
    """Widths of the images that tracks were published of."""
    return {tracks.image_width for tracks in peer.got['face_tracks'][after:]}


def test_size_encoding_type_and_quality_of_service_may_change_while_images_come(cameras, tracker):
    node, peer = tracker
    offers = [
        SMALL,
        LARGE,
        {**SMALL, 'encoding': 'bgra8'},
        {**LARGE, 'compressed': True},
        {**SMALL, 'reliability': 'best_effort'},
        {**LARGE, 'latched': True},
    ]
    for offer in offers:
        before = len(peer.got['face_tracks'])
        cameras.play(
            8,
            lambda: node._images.matched,
            lambda before=before, offer=offer: offer['width'] in widths(peer, before),
            **offer,
        )
    assert set(node.diagnostics.bad_inputs) <= {'stamp'}


def test_stamps_that_do_not_change_are_told_until_they_do(cameras, tracker):
    _, peer = tracker
    cameras.ask(do='start', **SMALL)
    text, images = 'do not change', {'frames': 3, 'fps': 5.0, **SMALL}
    wait_until(lambda: cameras.ask(do='send', stuck=True, **images) == {} and told(peer, text))
    wait_until(lambda: cameras.ask(do='send', **images) == {} and ended(peer, text))
    assert len(peer.got['face_tracks']) > 3


def test_stamps_of_the_future_are_told_and_give_no_latency(cameras, tracker):
    _, peer = tracker
    cameras.ask(do='start', **SMALL)
    ahead = {'frames': 3, 'fps': 5.0, 'ahead_s': 3600.0}
    wait_until(lambda: cameras.ask(do='send', **ahead, **SMALL) == {} and told(peer, 'ahead of this clock'))
    values = {pair.key: pair.value for pair in peer.got['/diagnostics'][-1].status[0].values}
    assert values['latency_ms_p95'] == '-'
    assert peer.got['face_tracks']


def test_two_publishers_of_different_rates_are_both_heard_and_told_with_their_names(cameras, tracker):
    node, peer = tracker
    slow = Cameras()
    try:
        for camera, offer in ((cameras, SMALL), (slow, {**LARGE, 'name': 'slow_camera'})):
            camera.ask(do='start', **offer)
        wait_until(lambda: node._images.matched == 2)
        for camera, offer, fps in ((cameras, SMALL, 5.0), (slow, LARGE, 1.0)):
            images = {'frames': round(4 * fps), 'fps': fps, **offer}
            threading.Thread(target=camera.ask, kwargs={'do': 'send', **images}, daemon=True).start()
        wait_until(lambda: widths(peer) == {64, 320})
        wait_until(lambda: told(peer, '/driver, /slow_camera'))
    finally:
        slow.close()
    wait_until(lambda: ended(peer, 'nodes publish'))


def test_second_tracker_on_face_tracks_is_told_with_both_names(spin):
    node = AffectNode({'device': 'cpu', 'backend': 'torch'})
    first, second = (Peer(('face_tracks', FaceTrackArray)) for _ in range(2))
    listener = Peer(None, [('/diagnostics', DiagnosticArray)])
    spin(node, first, second, listener)
    wait_until(lambda: told(listener, '2 nodes publish on /face_tracks (/peer, /peer)'))
