"""What happens between threads: the newest item wins, the detector never blocks, errors reach who asked."""

import threading

import numpy as np
import pytest
from conftest import wait_until

from affect_perception.detectors.async_detector import AsyncDetector
from affect_perception.detectors.face_analyzer import FaceAnalyzer
from affect_perception.types import Box, Detection, DetectionRequest, Frame

REQUEST = DetectionRequest(Frame(5, '', np.zeros((4, 4, 3), np.uint8)))


class Gated:
    """A FaceDetector that answers when it is let."""

    name = 'gated'

    def __init__(self):
        self.gate = threading.Event()

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        assert self.gate.wait(10)
        return [Detection(Box(0, 0, 2, 2), 1.0)]


class Broken:
    name = 'broken'

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        raise RuntimeError('out of memory')


def test_detector_beside_answers_later_with_the_stamp_of_its_picture():
    detector = Gated()
    beside = AsyncDetector(FaceAnalyzer(detector))
    beside.submit(REQUEST)
    assert not beside.free
    assert beside.collect() is None
    detector.gate.set()
    found = wait_until(beside.collect)
    assert found.stamp_ns == 5
    assert len(found.detections) == 1
    assert beside.free
    beside.close()


def test_error_of_the_detector_reaches_who_collects_and_it_can_be_asked_again():
    beside = AsyncDetector(FaceAnalyzer(Broken()))
    beside.submit(REQUEST)
    with pytest.raises(RuntimeError, match='out of memory'):
        beside.collect(wait=True)
    assert beside.free
    beside.close()


def test_slot_keeps_the_newest_and_counts_what_it_replaced():
    pytest.importorskip('rclpy', reason='the folder nodes needs ROS 2 (make set-up brings it)')
    from affect_perception.runtime.newest_item import NewestItemSlot

    slot = NewestItemSlot()
    for item in 'abc':
        slot.put(item)
    assert slot.take() == 'c'
    assert (slot.received, slot.dropped) == (3, 2)
    slot.close()
    assert slot.take() is None
