"""Microphones by PortAudio (sounddevice): blocks stamped with the time at which their first sample was taken."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from affect_perception.core.sound import SoundBlock
from affect_perception.errors import ConfigError

_BLOCK_S = 0.05
_STALLED_S = 1.0  # a device that gives no block for longer is over
_QUEUED = 40  # blocks: 2 s
_OLDEST_S = 5.0  # a driver that claims samples older than this has no useful clock


class Microphone:
    """Sound of a device: '' the default one, its number, or a part of its name. ConfigError without such a device."""

    live = True
    exact = False

    def __init__(self, device: str = '') -> None:
        sd = library()
        wanted: int | str | None = int(device) if device.isdigit() else device or None
        try:
            about = sd.query_devices(wanted, 'input')
            self.name = str(about['name'])
            self._rate = round(float(about['default_samplerate']))
            self._queue: queue.Queue[SoundBlock | None] = queue.Queue(_QUEUED)
            self.dropped = 0
            self._stream = sd.InputStream(
                device=wanted,
                channels=min(int(about['max_input_channels']), 2),
                samplerate=self._rate,
                blocksize=round(self._rate * _BLOCK_S),
                dtype='float32',
                callback=self._on_block,
                finished_callback=self._on_end,
            )
            self._stream.start()
        except (sd.PortAudioError, ValueError) as error:
            raise ConfigError(f'no microphone {device or "at all"}: {error}; {devices(sd)}') from None

    def _on_block(self, samples: np.ndarray, _count: int, when: Any, _status: Any) -> None:
        """Callback of PortAudio's thread."""
        age_s = when.currentTime - when.inputBufferAdcTime
        age_s = age_s if 0 <= age_s <= _OLDEST_S else len(samples) / self._rate
        block = SoundBlock(time.time_ns() - round(age_s * 1e9), samples.copy(), self._rate)
        try:
            self._queue.put_nowait(block)
        except queue.Full:
            self.dropped += 1  # shows as a gap

    def _on_end(self) -> None:
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)

    def __iter__(self) -> Iterator[SoundBlock]:
        while True:
            try:
                block = self._queue.get(timeout=_STALLED_S)
            except queue.Empty:
                raise OSError(f'microphone {self.name} gives no sound any more') from None
            if block is None:
                return
            yield block

    def close(self) -> None:
        """Close the device."""
        self._stream.abort(ignore_errors=True)
        self._stream.close(ignore_errors=True)
        self._on_end()


def library() -> Any:
    """Import sounddevice; ConfigError where it, or PortAudio, is not installed."""
    try:
        import sounddevice
    except ImportError:
        raise ConfigError("a microphone needs sounddevice: pip install 'affect-perception[audio]'") from None
    except OSError:
        raise ConfigError('a microphone needs PortAudio: apt install libportaudio2') from None
    return sounddevice


def devices(sd: Any) -> str:
    """Text about the input devices of this machine."""
    found = [f'{d["index"]} {d["name"]}' for d in sd.query_devices() if d['max_input_channels'] > 0]
    return f'there are: {", ".join(found)}' if found else 'this machine has no input device'
