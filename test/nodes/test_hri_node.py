"""The ROS4HRI mirror: REP 155's topics and fields, for subscribers as libhri makes them.

hri_msgs comes from its public field lists where it is not installed (hri_messages.py).
"""

import math
import sys
import time

import numpy as np
import pytest
from builders import hri_msgs as hri_messages
from conftest import wait_until

from affect_perception.types import NAN3, Affect, AffectFrame, Box, Track, TrackedFrame

T0 = 1_795_000_000_000_000_000
NAN = math.nan


def face(track_id=1, smile=(0.1, 0.2, 0.6, 0.1), intensity=0.7, **fields) -> Affect:
    return Affect(track_id, Box(100, 50, 200, 200), 0.8, smile, intensity, NAN3, **fields)


pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')

pytestmark = pytest.mark.ros


@pytest.fixture(scope='module')
def msgs():
    return hri_messages.load()


@pytest.fixture
def mirror(ros, msgs):
    """The mirror, and a peer that publishes results and subscribes as libhri does (reliable, volatile)."""
    from rclpy.node import Node

    from affect_perception.msg import FaceAffectArray, FaceTrackArray
    from affect_perception.nodes.hri_node import HriNode
    from affect_perception.ros import qos
    from affect_perception.ros.executors import Spinner

    class Peer(Node):
        def __init__(self):
            super().__init__('libhri')
            self.got = {}
            self.affect = self.create_publisher(FaceAffectArray, 'face_affect', qos.RESULTS)
            self.tracks = self.create_publisher(FaceTrackArray, 'face_tracks', qos.RESULTS)

        def listen(self, topic, kind):
            self.got[topic] = []
            self.create_subscription(kind, f'/humans/faces/{topic}', self.got[topic].append, 10)

    node, peer = HriNode(), Peer()
    peer.listen('tracked', msgs.IdsList)
    spinner = Spinner([node, peer])
    wait_until(lambda: peer.affect.get_subscription_count() and peer.tracks.get_subscription_count())
    yield node, peer
    node.close()
    spinner.close()
    for one in (node, peer):
        one.destroy_node()


def sent(peer, *faces, stamp_ns=T0) -> None:
    """Tracks and affect of one image of 640x480, with `faces` in it."""
    from affect_perception.ros import conversions as convert

    crop = np.full((96, 96, 3), 120, np.uint8)
    tracks = tuple(Track(f.track_id, f.box, f.confidence, 0.0, crop) for f in faces)
    peer.tracks.publish(convert.tracks_to_msg(TrackedFrame(stamp_ns, 'optical', 640, 480, tracks)))
    peer.affect.publish(convert.affect_to_msg(AffectFrame(stamp_ns, 'optical', 'first', faces)))


def test_messages_have_the_public_fields(msgs):
    for name, text in hri_messages.FIELDS.items():
        ours = {line.split()[1] for line in text.splitlines()}
        assert ours == set(getattr(msgs, name).get_fields_and_field_types())


def test_faces_in_view_are_listed_with_the_stamp_of_the_image(mirror):
    from affect_perception.ros.conversions import stamp_from_msg

    _, peer = mirror
    sent(peer, face(1), face(12))
    msg = wait_until(lambda: peer.got['tracked'])[0]
    assert list(msg.ids) == ['f00001', 'f00012']
    assert stamp_from_msg(msg.header.stamp) == T0
    assert msg.header.frame_id == 'optical'


def test_each_face_has_roi_crop_expression_and_action_units_of_one_stamp(mirror, msgs):
    from sensor_msgs.msg import Image

    from affect_perception.ros.conversions import rgb_from_image, stamp_from_msg

    node, peer = mirror
    kinds = {
        'roi': msgs.NormalizedRegionOfInterest2D,
        'cropped': Image,
        'expression': msgs.Expression,
        'facs': msgs.FacialActionUnits,
    }
    for name, kind in kinds.items():
        peer.listen(f'f00003/{name}', kind)
    stamps = iter(range(T0, T0 + 10**9, 1000))

    def all_there():  # the topics of a face begin with its first image
        sent(peer, face(3, valence=0.25, arousal=NAN), stamp_ns=next(stamps))
        return all(peer.got[f'f00003/{name}'] for name in kinds)

    wait_until(all_there)
    roi, cropped, expression, facs = (peer.got[f'f00003/{name}'][-1] for name in kinds)
    assert (roi.xmin, roi.ymin, roi.xmax, roi.ymax) == pytest.approx((100 / 640, 50 / 480, 300 / 640, 250 / 480))
    assert roi.c == pytest.approx(0.8)
    assert rgb_from_image(cropped).shape == (128, 128, 3)
    assert expression.expression == 'happy'
    assert (expression.valence, expression.arousal, expression.confidence) == pytest.approx((0.25, 0.0, 0.9))
    assert facs.intensity[12] == pytest.approx(0.7)
    assert facs.confidence[12] == pytest.approx(0.8)
    assert sum(facs.confidence) == pytest.approx(0.8), 'nothing is claimed of the other action units'
    assert all(T0 <= stamp_from_msg(m.header.stamp) < T0 + 10**9 for m in (roi, cropped, expression, facs))
    assert node.diagnostics.bad_inputs == {}


@pytest.mark.parametrize('tracks_come', ['before', 'after', 'never'])
def test_roi_comes_with_every_expression_whenever_the_tracks_come(mirror, msgs, tracks_come):
    from affect_perception.ros import conversions as convert
    from affect_perception.ros.conversions import stamp_from_msg

    _, peer = mirror
    for name, kind in {'roi': msgs.NormalizedRegionOfInterest2D, 'expression': msgs.Expression}.items():
        peer.listen(f'f00003/{name}', kind)
    roi, expression = peer.got['f00003/roi'], peer.got['f00003/expression']
    stamps = iter(range(T0, T0 + 10**12, 33_000_000))

    def matched():
        sent(peer, face(3), stamp_ns=next(stamps))
        return roi and expression

    wait_until(matched)
    first = next(stamps)
    last = first + 10**11
    crop = np.full((96, 96, 3), 120, np.uint8)

    def of(messages):
        return [stamp_from_msg(m.header.stamp) for m in messages if first < stamp_from_msg(m.header.stamp) < last]

    for i in range(30):
        stamp_ns = next(stamps)
        frame = TrackedFrame(stamp_ns, 'optical', 640, 480, (Track(3, face(3).box, 0.8, 0.0, crop),))
        if tracks_come == 'before':
            peer.tracks.publish(convert.tracks_to_msg(frame))
        peer.affect.publish(convert.affect_to_msg(AffectFrame(stamp_ns, 'optical', 'first', (face(3),))))
        if tracks_come == 'after':
            time.sleep(0.01)
            peer.tracks.publish(convert.tracks_to_msg(frame))
        wait_until(lambda least=i - 9: len(of(expression)) > least)  # a queue holds ten
    sent(peer, face(3), stamp_ns=last)  # whatever still waits is overdue now

    wait_until(lambda: len(of(roi)) >= 30 and len(of(expression)) >= 30)
    assert of(roi) == of(expression) == sorted(of(roi))


def test_face_that_is_lost_is_listed_no_longer_and_its_topics_end(mirror):
    node, peer = mirror
    sent(peer, face(1))
    wait_until(lambda: node.faces)
    sent(peer, stamp_ns=T0 + 10**8)
    wait_until(lambda: peer.got['tracked'] and list(peer.got['tracked'][-1].ids) == [])
    assert node.faces, 'it may come back'
    sent(peer, stamp_ns=T0 + 10**10)
    wait_until(lambda: not node.faces)


def test_empty_list_is_published_at_the_end(mirror):
    node, peer = mirror
    sent(peer, face(1))
    wait_until(lambda: peer.got['tracked'])
    node.close()
    wait_until(lambda: list(peer.got['tracked'][-1].ids) == [])


def test_without_hri_msgs_the_error_says_what_to_install(ros, monkeypatch):
    from affect_perception.errors import ConfigError
    from affect_perception.nodes.hri_node import HriNode

    monkeypatch.setitem(sys.modules, 'hri_msgs', None)
    with pytest.raises(ConfigError, match=r'needs the package hri_msgs.*apt install ros-\$ROS_DISTRO-hri-msgs'):
        HriNode()
