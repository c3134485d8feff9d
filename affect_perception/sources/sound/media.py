"""The sound of media files and stream addresses, by PyAV (FFmpeg), on the clock of the pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affect_perception.core.sound import SoundBlock
from affect_perception.errors import ConfigError
from affect_perception.runtime.masking import masked
from affect_perception.sources.addresses import expanded, with_quoted_login
from affect_perception.sources.container import clock_start_s, library, open_container, reason_of

if TYPE_CHECKING:
    from av.container import InputContainer

_TIMEOUT_S = 5.0
_ROUNDING_S = 0.02  # containers round stamps, some to ms: sample counts are finer


class MediaSound:
    """Sound of a file (`Path`), or of an address (text), which is live. ConfigError for a medium without sound."""

    def __init__(self, target: Path | str) -> None:
        self._target = target
        self.name = target.name if isinstance(target, Path) else masked(target).partition('?')[0]
        self.live = not isinstance(target, Path)
        self.exact = not self.live
        self._closed = False
        try:
            self._container: InputContainer | None = self._open()
        except ConfigError as error:
            raise ConfigError(f'no sound of {self.name}: {error}') from None
        if not self._container.streams.audio:
            self._container.close()
            raise ConfigError(f'{self.name} has no audio track')

    def _open(self) -> InputContainer:
        if isinstance(self._target, Path):
            return open_container(self._target)
        return open_container(with_quoted_login(expanded(self._target)), _TIMEOUT_S)

    def __iter__(self) -> Iterator[SoundBlock]:
        container = self._container or self._open()
        self._container = None
        try:
            yield from self._blocks(container)
        except library().error.FFmpegError as error:
            raise OSError(reason_of(error)) from None
        finally:
            container.close()

    def _blocks(self, container: InputContainer) -> Iterator[SoundBlock]:
        track = container.streams.audio[0]
        to_float = library().AudioResampler(format='fltp')
        start_s = None if self.live else float(clock_start_s(container))
        next_s: float | None = None
        for packet in container.demux(track):
            for decoded in _decoded(packet):
                for frame in to_float.resample(decoded):
                    if self._closed:
                        return
                    samples = np.ascontiguousarray(frame.to_ndarray().T, np.float32)
                    time_s = next_s if frame.time is None else float(frame.time)
                    if start_s is None:  # live: the first samples have just been taken
                        start_s = (time_s or 0.0) + len(samples) / frame.sample_rate - time.time()
                    at_s = (time_s or 0.0) - start_s
                    if next_s is not None and abs(at_s - next_s) < _ROUNDING_S:
                        at_s = next_s
                    next_s = at_s + len(samples) / frame.sample_rate
                    yield SoundBlock(round(at_s * 1e9), samples, frame.sample_rate)

    def close(self) -> None:
        """End the iteration after the current block."""
        self._closed = True


def _decoded(packet: Any) -> list[Any]:
    """Frames of a packet, none of a damaged one."""
    try:
        return list(packet.decode())
    except library().error.InvalidDataError:
        return []
