"""OpenCV's warnings are off while a thread is in a quiet block, and as before when the last one has left."""

import threading

import cv2
import pytest

from affect_perception.core.images.quiet_opencv import quiet

logging = pytest.importorskip('cv2.utils.logging', reason='an OpenCV without log levels')


@pytest.fixture
def warnings():
    before = logging.setLogLevel(logging.LOG_LEVEL_WARNING)
    yield
    logging.setLogLevel(before)


def test_warnings_come_back_when_the_blocks_of_two_threads_overlap(warnings):
    entered, left = threading.Event(), threading.Event()

    def second() -> None:
        with quiet():
            entered.set()
            left.wait(60)

    thread = threading.Thread(target=second)
    with quiet():
        thread.start()
        assert entered.wait(60)
    assert cv2.utils.logging.getLogLevel() == logging.LOG_LEVEL_SILENT, 'the second is still inside'
    left.set()
    thread.join(60)
    assert cv2.utils.logging.getLogLevel() == logging.LOG_LEVEL_WARNING


def test_many_threads_leave_the_level_as_it_was_also_after_errors(warnings):
    def work() -> None:
        for i in range(300):
            try:
                with quiet():
                    if i % 3 == 0:
                        raise ValueError
            except ValueError:
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert cv2.utils.logging.getLogLevel() == logging.LOG_LEVEL_WARNING
