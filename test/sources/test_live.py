"""Live sources: newest frame, reconnection, faults of the reading thread."""

import itertools
import time

import pytest
from builders.images import BadInputList, plain

from affect_perception.errors import ConfigError
from affect_perception.sources.live import LiveSource


class Clockwork:
    """Gives `frames` plain pictures, one per 10 ms, then breaks."""

    fps = 0.0

    def __init__(self, frames: int):
        self.left = frames

    def read(self):
        if not self.left:
            raise OSError('unplugged')
        self.left -= 1
        time.sleep(0.01)
        return plain(self.left % 200)

    def close(self):
        pass


def test_slow_reader_gets_the_newest_frame_and_the_others_are_counted():
    source = LiveSource('clockwork', lambda: Clockwork(1000), 'camera', 30.0, BadInputList().append)
    frames = iter(source)
    next(frames)
    time.sleep(0.2)
    late = next(frames)
    assert source.live
    assert source.dropped >= 5
    assert 0 <= time.time_ns() - late.stamp_ns < 100_000_000
    source.close()
    assert list(frames) == []


def test_broken_source_is_reported_and_reconnected():
    bad, attempts = BadInputList(), []

    def connect():
        attempts.append(1)
        if len(attempts) == 2:
            raise ConfigError('still unplugged')
        return Clockwork(2 if len(attempts) == 1 else 1000)

    source = LiveSource('clockwork', connect, 'camera', 30.0, bad.append)
    stamps = [frame.stamp_ns for frame in itertools.islice(source, 6)]
    source.close()
    assert bad.kinds == ['stream', 'stream']
    assert 'unplugged' in str(bad[0])
    assert stamps == sorted(stamps)


def test_fault_in_the_reading_thread_reaches_the_reader():
    class Faulty(Clockwork):
        def read(self):
            raise ZeroDivisionError('a fault of ours')

    source = LiveSource('faulty', lambda: Faulty(1), 'camera', 30.0, BadInputList().append)
    with pytest.raises(ZeroDivisionError):
        next(iter(source))
