"""Microphones: blocks of a device, one that is unplugged, one that stops calling, a reader that is too slow.

No test machine has a microphone: PortAudio is replaced at its Python interface, and everything above it is real.
"""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from affect_perception.errors import ConfigError
from affect_perception.sources.sound import microphone
from affect_perception.sources.sound.microphone import Microphone


class PortAudio:
    """sounddevice with one stereo device of 48 kHz."""

    class PortAudioError(Exception):
        pass

    def __init__(self) -> None:
        self.stream: SimpleNamespace | None = None

    def query_devices(self, device=None, kind=None):
        about = {'index': 0, 'name': 'desk', 'default_samplerate': 48000.0, 'max_input_channels': 2}
        if kind is None:
            return [about]
        if device not in (None, 0, 'desk'):
            raise ValueError(f'no device {device}')
        return about

    def InputStream(self, **options):
        self.stream = SimpleNamespace(
            **options, start=lambda: None, abort=lambda **_: None, close=lambda **_: None, calls=0
        )
        return self.stream

    def call(self, value: float, age_s: float = 0.1) -> None:
        """A call of the driver with a block whose samples were taken from `age_s` ago on."""
        stream = self.stream
        when = SimpleNamespace(currentTime=5.0, inputBufferAdcTime=5.0 - age_s)
        stream.callback(np.full((stream.blocksize, stream.channels), value, np.float32), stream.blocksize, when, None)


@pytest.fixture
def portaudio(monkeypatch) -> PortAudio:
    fake = PortAudio()
    monkeypatch.setattr(microphone, 'library', lambda: fake)
    return fake


def test_blocks_of_a_device_have_the_time_at_which_they_were_taken(portaudio):
    source, before_ns = Microphone(), time.time_ns()
    portaudio.call(0.25)
    block = next(iter(source))
    assert (block.rate, block.samples.shape) == (48000, (2400, 2))
    assert float(block.samples[0, 0]) == 0.25
    assert before_ns - 100_000_000 <= block.stamp_ns <= time.time_ns() - 100_000_000


def test_a_clock_of_the_driver_that_makes_no_sense_is_not_used(portaudio):
    source, before_ns = Microphone(), time.time_ns()
    portaudio.call(0.25, age_s=3600.0)
    assert next(iter(source)).stamp_ns >= before_ns - 50_000_000


def test_a_device_that_stops_calling_is_over_with_its_name(portaudio, monkeypatch):
    monkeypatch.setattr(microphone, '_STALLED_S', 0.05)
    source = Microphone()
    portaudio.call(0.25)
    blocks = iter(source)
    next(blocks)
    with pytest.raises(OSError, match='microphone desk gives no sound any more'):
        next(blocks)


def test_a_device_that_is_unplugged_ends_the_blocks(portaudio):
    source = Microphone('desk')
    portaudio.call(0.25)
    portaudio.stream.finished_callback()
    assert len(list(source)) == 1


def test_a_slow_reader_loses_blocks_that_are_counted(portaudio):
    source = Microphone()
    for _ in range(45):
        portaudio.call(0.0)
    assert source.dropped == 5


def test_a_device_that_is_not_there_is_refused_with_those_that_are(portaudio):
    with pytest.raises(ConfigError, match=r'no microphone 7: .*; there are: 0 desk'):
        Microphone('7')
