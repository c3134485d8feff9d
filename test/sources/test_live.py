"""Live sources: newest frame, reconnection, faults of the reading thread."""

import itertools
import threading
import time

import pytest
from builders.images import BadInputList, plain
from conftest import wait_until

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

    def abort(self):
        pass


def test_slow_reader_gets_the_newest_frame_and_the_others_are_counted():
    clockwork = Clockwork(10_000)
    source = LiveSource('clockwork', lambda: clockwork, 'camera', 30.0, BadInputList().append)
    frames = iter(source)
    next(frames)
    wait_until(lambda: source.dropped >= 5)
    newest = clockwork.left + 1  # one more may be on its way
    late = next(frames)
    assert source.live
    assert 0 <= (newest - int(late.rgb[0, 0, 0])) % 200 < 100
    assert late.stamp_ns <= time.time_ns()
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


class Faulty(Clockwork):
    """Raises what no driver should, when it is read and when it is closed."""

    def read(self):
        raise ZeroDivisionError('a fault of ours')

    def close(self):
        raise LookupError('another one')


def test_any_error_of_a_driver_is_told_and_the_device_opened_again():
    bad, made = BadInputList(), iter([Faulty(1), Clockwork(1000)])
    source = LiveSource('faulty', lambda: next(made), 'camera', 30.0, bad.append)
    assert len(list(itertools.islice(source, 2))) == 2
    source.close()
    assert bad.kinds == ['stream', 'stream']
    assert 'cannot be closed (another one)' in str(bad[0])
    assert 'ZeroDivisionError: a fault of ours (' in str(bad[1])


def test_fault_in_the_reading_thread_itself_reaches_the_reader():
    def fail(_):
        raise ZeroDivisionError('a fault of ours')

    source = LiveSource('faulty', lambda: Faulty(1), 'camera', 30.0, fail)
    with pytest.raises(ZeroDivisionError):
        next(iter(source))


def test_a_connection_without_images_is_told_and_aborted(monkeypatch):
    monkeypatch.setattr('affect_perception.sources.live.SILENT_S', 0.1)

    class Stuck(Clockwork):
        def __init__(self):
            super().__init__(0)
            self.aborted = threading.Event()

        def read(self):
            assert self.aborted.wait(60)
            raise OSError('aborted')

        def abort(self):
            self.aborted.set()

    bad, made = BadInputList(), iter([Stuck(), Clockwork(1000)])
    source = LiveSource('stuck', lambda: next(made), 'camera', 30.0, bad.append)
    assert len(list(itertools.islice(source, 2))) == 2
    source.close()
    assert 'has sent no image for 0.1 s' in str(bad[0])
    assert 'aborted' in str(bad[1])
