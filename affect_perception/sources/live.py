"""A live source: a thread reads pictures as they come, one slot keeps the newest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

from affect_perception.errors import AffectPerceptionError, BadInputError
from affect_perception.types import Frame

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0  # between two attempts to connect again; doubled each time


class Connection:
    """What a live source reads from. `read` blocks up to a few seconds.

    It gives (H, W, 3) uint8 RGB, stamped when it arrives, or a whole `Frame` where the device knows more.

    `read` raises BadInputError for one picture that is to be skipped, and OSError when the connection is over.
    """

    fps: float = 0.0

    def read(self) -> np.ndarray | Frame:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class NewestFrame:
    """A `Source` that reads a connection in its own thread, counts overwritten frames and connects again after a break.

    `connect` opens the connection or raises ConfigError; it is called once here, so that a camera or stream that is not
    there is refused at start.
    """

    live = True

    def __init__(self, name: str, connect: Callable[[], Connection], frame_id: str, fps: float, on_bad):
        self.name, self.dropped, self.size = name, 0, None
        self._connect, self._frame_id, self._on_bad = connect, frame_id, on_bad
        connection = connect()
        self.fps = connection.fps or fps
        self._slot: Frame | None = None
        self._failure: Exception | None = None
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(connection,), name=f'source {name}', daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._slot is not None or self._closing.is_set())
                frame, self._slot = self._slot, None
            if self._failure is not None:
                raise self._failure
            if self._closing.is_set():
                return
            yield frame

    def close(self) -> None:
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(timeout=2.0)  # a read that hangs ends with the process

    def _run(self, connection: Connection) -> None:
        try:
            self._read(connection)
        except Exception as error:  # a fault of ours: shown to the reader, who would wait forever otherwise
            self._failure = error
            self._closing.set()
            with self._changed:
                self._changed.notify_all()

    def _read(self, connection: Connection | None) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._closing.is_set():
            try:
                if connection is None:
                    connection = self._connect()
                self._put(connection.read())
                pause_s = FIRST_PAUSE_S
            except BadInputError as error:
                self._on_bad(error)
            except (OSError, AffectPerceptionError) as error:
                if connection is not None:
                    connection.close()
                    connection = None
                if self._closing.is_set():
                    return
                self._on_bad(BadInputError('stream', f'{self.name} broke ({error}); trying again in {pause_s:g} s'))
                self._closing.wait(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        if connection is not None:
            connection.close()

    def _put(self, picture: np.ndarray | Frame) -> None:
        frame = picture if isinstance(picture, Frame) else Frame(time.time_ns(), self._frame_id, picture)
        with self._changed:
            self.size = (frame.width, frame.height)
            self.dropped += self._slot is not None
            self._slot = frame
            self._changed.notify_all()
