"""Writer of serialised messages to a rosbag2 (MCAP), in a thread of its own: a slow disk blocks no node.

The queue is bounded in bytes; messages that do not fit are dropped and counted. Recording ends before the disk is full,
with the bag closed properly: the index at its end needs room, too.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from affect_perception.errors import ConfigError
from affect_perception.runtime.failures import described
from affect_perception.sources.bags.message_types import known_types  # first: says what to do where rosbags is missing

# isort: split
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError

QUEUE_BYTES = 64 * 2**20  # 20 images of 1280x720
CLOSE_S = 20.0  # without any progress, until a disk is given up when the bag is closed
_RESERVE_BYTES = 16 * 2**20  # left free on the disk, for the index and for other programs
_METADATA_VERSION: Literal[8] = 8  # the newest that rosbag2 of Humble can read


class BagWriter:
    """Bag writer with a bounded queue. Raises ConfigError for a bag that exists already or cannot be created.

    `warn` gets one line about dropped messages, one about messages that cannot be written, and one if recording ends
    early. `written` counts the messages per topic, `dropped` those that did not fit, `failed` those that could not be
    written; `stopped` is the reason why recording ended early, or ''.
    """

    def __init__(self, path: Path, warn: Callable[[str], object], queue_bytes: int = QUEUE_BYTES) -> None:
        self.path, self._warn, self._queue_bytes = path, warn, queue_bytes
        self.written: Counter[str] = Counter()
        self.dropped = self.failed = 0
        self.stopped = ''
        self._types = known_types()
        self._connections: dict[str, Connection] = {}
        self._submitted = 0  # bytes given to the rosbags writer, which buffers up to a chunk in memory
        self._queue: deque[tuple[str, str, int, bytes]] = deque()
        self._queued = 0  # bytes in the queue
        self._ending = False
        self._changed = threading.Condition()
        if path.exists():
            raise ConfigError(f'{path} exists already; give another --record, or remove it')
        self._writer = Writer(path, version=_METADATA_VERSION, storage_plugin=StoragePlugin.MCAP)
        try:
            self._writer.open()
        except (OSError, WriterError) as error:
            raise ConfigError(f'cannot record to {path}: {error}') from None
        path.chmod(0o700)  # faces are for the user alone
        self._file = next(path.glob('*.mcap'))
        self._file.chmod(0o600)
        self._thread = threading.Thread(target=self._run, name='record', daemon=True)
        self._thread.start()

    def put(self, topic: str, msgtype: str, log_ns: int, data: bytes) -> None:
        """Enqueue one serialised message, recorded at `log_ns`. Non-blocking."""
        with self._changed:
            if self._ending or self.stopped:
                return
            full = (
                self._queued + len(data) > self._queue_bytes and self._queue
            )  # a message larger than the whole queue may pass
            if not full:
                self._queue.append((topic, msgtype, log_ns, data))
                self._queued += len(data)
                self._changed.notify()
            first = full and not self.dropped
            self.dropped += bool(full)
        if first:
            self._warn(f'{self.path}: the disk is too slow, messages are dropped; further ones are only counted')

    def close(self) -> None:
        """Write the rest of the queue and finish the bag; a disk that takes nothing for `CLOSE_S` is given up."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        if threading.current_thread() is self._thread:
            return
        progress, before = self._submitted, -1
        while self._thread.is_alive() and progress != before:
            self._thread.join(CLOSE_S)
            progress, before = self._submitted, progress
        if self._thread.is_alive():
            self._stop(f'the disk has taken nothing for {CLOSE_S:.0f} s; the bag has no end, `mcap recover` makes one')

    def _run(self) -> None:
        try:
            while (item := self._take()) is not None:
                if not self._has_room(len(item[3])):
                    self._stop('the disk is almost full; the bag ends here and is complete')
                    break
                self._write(*item)
            self._writer.close()
        except Exception as error:  # noqa: BLE001 - thread border: told, recording ends
            with contextlib.suppress(Exception):
                self._writer.abort()
            text = str(error) if isinstance(error, (OSError, WriterError)) else described(error)
            self._stop(f'{text}; earlier messages can be read, by `ros2 bag` after `mcap recover`')

    def _take(self) -> tuple[str, str, int, bytes] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._ending)
            if not self._queue:
                return None
            item = self._queue.popleft()
            self._queued -= len(item[3])
            return item

    def _write(self, topic: str, msgtype: str, log_ns: int, data: bytes) -> None:
        try:
            if topic not in self._connections:
                self._connections[topic] = self._writer.add_connection(topic, msgtype, typestore=self._types)
            self._writer.write(self._connections[topic], log_ns, data)
        except (OSError, WriterError):
            raise
        except Exception as error:  # noqa: BLE001 - one message that cannot be written ends no recording
            self.failed += 1
            if self.failed == 1:
                text = f'{self.path}: a message of {topic} cannot be written ({described(error)})'
                self._warn(f'{text}; further ones are only counted')
            return
        self._submitted += len(data)
        self.written[topic] += 1

    def _has_room(self, more: int) -> bool:
        disk = shutil.disk_usage(self.path)
        pending = max(self._submitted - self._file.stat().st_size, 0)
        return disk.free - pending - more > min(_RESERVE_BYTES, disk.total // 10)

    def _stop(self, reason: str) -> None:
        with self._changed:
            self.stopped = reason
            self._queue.clear()
        self._warn(f'recording to {self.path} stopped: {reason}')
