"""Live sources: a thread reads a connection and stamps its images; a depth-1 slot keeps the newest one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from affect_perception.errors import AffectPerceptionError, BadInputError
from affect_perception.runtime.failures import described
from affect_perception.runtime.newest_item import NewestItemSlot
from affect_perception.types import Frame

SILENT_S = 10.0  # without an image, until a connection is aborted
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 1.5  # between two attempts to reconnect; doubled each time


class Connection(Protocol):
    """An open camera or stream. `read` blocks for up to a few seconds."""

    fps: float  # 0 where unknown

    def read(self) -> np.ndarray | Frame:
        """Return the next image, (H, W, 3) uint8 RGB, to be stamped on arrival, or a `Frame` if the device stamps it.

        BadInputError for one image to skip, OSError when the connection is over, EOFError when there is no more.
        """

    def close(self) -> None:
        """Release the device or socket."""

    def abort(self) -> None:
        """Make a `read` that is under way in another thread end, where that is possible."""


class LiveSource:
    """`Source` of the newest frame of a connection, which is read in a thread and reopened after a break.

    `connect` opens the connection or raises ConfigError; the first call is in the constructor, so that an absent camera
    or stream is refused at start. `on_bad` gets each skipped image, each break and each silence of SILENT_S, after
    which the connection is aborted, as a BadInputError.
    """

    live = True

    def __init__(
        self,
        name: str,
        connect: Callable[[], Connection],
        frame_id: str,
        fps: float,
        on_bad: Callable[[BadInputError], object],
    ) -> None:
        self.name = name
        self.size: tuple[int, int] | None = None  # width and height of the last frame, px
        self._connect, self._frame_id, self._on_bad = connect, frame_id, on_bad
        connection = connect()
        self._connection: Connection | None = connection  # the open one, for `abort`
        self.fps = connection.fps or fps
        self._slot: NewestItemSlot[Frame] = NewestItemSlot()
        self._failure: Exception | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(connection,), name=f'source {name}', daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Frames that were overwritten by newer ones before they were taken."""
        return self._slot.dropped

    def __iter__(self) -> Iterator[Frame]:
        while not self._slot.closed:
            frame = self._slot.take(SILENT_S)
            if frame is not None:
                yield frame
            elif not self._slot.closed and self._connection is not None:
                self._on_bad(BadInputError('stream', f'{self.name} has sent no image for {SILENT_S:g} s'))
                self._connection.abort()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """End iteration and the reading thread; a read that hangs ends with the process."""
        self._closing.set()
        self._slot.close()
        self._thread.join(timeout=2.0)

    def _run(self, connection: Connection) -> None:
        try:
            self._read(connection)
        except Exception as error:  # noqa: BLE001  thread border: raised again in the consumer
            self._failure = error
            self._slot.close()

    def _read(self, connection: Connection | None) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._closing.is_set():
            try:
                if connection is None:
                    connection = self._connection = self._connect()
                self._put(connection.read())
                pause_s = FIRST_PAUSE_S
            except BadInputError as error:
                self._on_bad(error)
            except EOFError:  # a medium that was played to its end
                self._slot.end()
                break
            except Exception as error:  # noqa: BLE001 - thread border: whatever a driver raises, it is opened again
                if connection is not None:
                    self._connection = None
                    self._release(connection)
                    connection = None
                if self._closing.is_set():
                    return
                known = isinstance(error, (OSError, AffectPerceptionError))
                why = str(error) if known else described(error)
                self._on_bad(BadInputError('stream', f'{self.name} broke ({why}); trying again in {pause_s:g} s'))
                self._closing.wait(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        if connection is not None:
            self._release(connection)

    def _release(self, connection: Connection) -> None:
        try:
            connection.close()
        except Exception as error:  # noqa: BLE001 - a broken device may refuse this too; it is opened anew
            self._on_bad(BadInputError('stream', f'{self.name} cannot be closed ({error})'))

    def _put(self, image: np.ndarray | Frame) -> None:
        frame = image if isinstance(image, Frame) else Frame(time.time_ns(), self._frame_id, image)
        self.size = (frame.width, frame.height)
        self._slot.put(frame)
