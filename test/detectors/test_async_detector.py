"""Asynchronous detection: submitting never blocks, and errors reach the caller of collect."""

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
        assert self.gate.wait(60)
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
    assert beside.problem == 'out of memory'
    beside.close()


def test_a_problem_ends_with_the_next_result():
    class Moody(Broken):
        broken = True

        def detect(self, rgb: np.ndarray) -> list[Detection]:
            return super().detect(rgb) if self.broken else []

    beside = AsyncDetector(FaceAnalyzer(moody := Moody()))
    beside.submit(REQUEST)
    with pytest.raises(RuntimeError):
        beside.collect(wait=True)
    moody.broken = False
    beside.submit(REQUEST)
    assert beside.problem
    assert beside.collect(wait=True).detections == ()
    assert not beside.problem
    beside.close()


def test_a_detection_that_is_long_due_is_a_problem_until_it_comes(monkeypatch):
    monkeypatch.setattr('affect_perception.detectors.async_detector.LATE_S', 0.1)
    beside = AsyncDetector(FaceAnalyzer(detector := Gated()))
    assert beside.waiting_s == 0
    beside.submit(REQUEST)
    assert not beside.problem
    wait_until(lambda: beside.problem.startswith('no detection for 0 s'))
    detector.gate.set()
    wait_until(lambda: not beside.problem)
    beside.close()


def test_a_run_that_was_starved_does_not_put_off_what_is_told_later(monkeypatch):
    class Clock(Gated):
        now = takes = 0.0

        def monotonic(self) -> float:
            return self.now

        perf_counter = monotonic

        def detect(self, rgb: np.ndarray) -> list[Detection]:
            self.now += self.takes
            return super().detect(rgb)

    monkeypatch.setattr('affect_perception.detectors.async_detector.time', clock := Clock())
    beside = AsyncDetector(FaceAnalyzer(clock))
    clock.gate.set()
    for clock.takes in (0.1, 50.0):
        beside.submit(REQUEST)
        beside.collect(wait=True)
    clock.takes = 0.0
    clock.gate.clear()
    beside.submit(REQUEST)
    clock.now += 4.0
    assert beside.problem == 'no detection for 4 s'
    clock.gate.set()
    beside.close()
