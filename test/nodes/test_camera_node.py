"""The camera node with a real folder of images, and sources, models and detectors that nodes refuse at start."""

import socket
import time

import cv2
import numpy as np
import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
from builders.peer import Peer
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from affect_perception.errors import ConfigError
from affect_perception.msg import FaceAffectArray
from affect_perception.nodes.affect_node import AffectNode
from affect_perception.nodes.camera_node import CameraNode
from affect_perception.nodes.face_tracker_node import FaceTrackerNode
from affect_perception.ros import conversions as convert
from affect_perception.types import Frame

pytestmark = pytest.mark.ros


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


class Empty:
    """Source without a frame."""

    live, fps, name, size, dropped = False, 30.0, 'empty', None, 0

    def __iter__(self):
        return iter(())

    def close(self):
        pass


@pytest.mark.parametrize(('source', 'hardware'), [('camera:0', 'camera:0'), ('scene', socket.gethostname())])
def test_hardware_in_diagnostics_is_the_camera_and_for_a_recording_the_computer(spin, source, hardware):
    peer = Peer(None, [('/diagnostics', DiagnosticArray)])
    node = spin(CameraNode({'source': source}, source=Empty()), peer)
    node.start()
    wait_until(lambda: peer.got['/diagnostics'])
    assert peer.got['/diagnostics'][0].status[0].hardware_id == hardware


def test_an_image_that_cannot_be_sent_is_counted_and_the_next_one_is_sent(spin, tmp_path, monkeypatch):
    for i in range(4):
        cv2.imwrite(str(tmp_path / f'{i}.png'), np.full((48, 64, 3), 40 * i, np.uint8))
    node = CameraNode({'source': str(tmp_path), 'fps': 100.0})
    spin(node)
    publish, sent = node.publish, []

    def fail_once(frame) -> None:
        sent.append(frame)
        if len(sent) == 1:
            raise LookupError('injected')
        publish(frame)

    monkeypatch.setattr(node, 'publish', fail_once)
    node.start()
    wait_until(lambda: node.finished)
    assert node.published + node.dropped == 3
    assert node.diagnostics.bad_inputs == {'internal': 1}


def test_a_source_that_fails_ends_the_source_and_not_the_node(spin):
    class Faulty:
        live, fps, name, size, dropped = False, 30.0, 'faulty', None, 0

        def __iter__(self):
            raise LookupError('injected')

        def close(self):
            pass

    node = spin(CameraNode({'source': 'scene'}, source=Faulty()))
    node.start()
    wait_until(lambda: node.finished)
    assert node.diagnostics.bad_inputs == {'internal': 1}


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


def test_login_of_a_source_is_in_no_parameter(spin, tmp_path):
    from affect_perception.settings import SourceSettings
    from affect_perception.sources.scene.scene import Scene

    address = 'rtsp://anna:secret@cam/live?token=abc'
    node = CameraNode({'source': address}, Scene(64, 64, 10.0, 1, 1))
    spin(node)
    assert node.get_parameter('source').value == 'rtsp://***@cam/live?token=***'
    assert isinstance(node.settings, SourceSettings)
    assert node.settings.source == address


class SlowSource:
    """Endless pictures, each of which takes much longer than its period of 1 ms."""

    live, fps, name, size, dropped = False, 1000.0, 'slow', (8, 8), 0

    def __init__(self):
        self.given = 0
        self.open = True

    def __iter__(self):
        while self.open:
            time.sleep(0.02)
            yield Frame(self.given * 10**6, 'camera', np.zeros((8, 8, 3), np.uint8))
            self.given += 1

    def close(self):
        self.open = False


def test_playback_is_slowed_down_where_its_source_cannot_keep_the_rate(spin):
    source = SlowSource()
    node = spin(CameraNode({'source': 'scene'}, source=source))
    stamps, sound = [], []
    publish = node.publish

    def note(frame) -> None:
        stamps.append(frame.stamp_ns)
        sound.append(node.playback.published_ns(source.given * 10**6))
        publish(frame)

    node.publish = note
    node.start()
    wait_until(lambda: len(stamps) > 20)
    source.close()
    wait_until(lambda: node.finished)
    assert stamps == sorted(set(stamps))
    assert np.abs(np.subtract(stamps, sound)).max() < 10  # sound of the same time is published beside it
    assert node.published + node.dropped == source.given
