"""Messages between a process and its child over a socket pair: a JSON header and raw arrays, no pickle.

One message is a 4-byte little-endian length, a JSON object of that many bytes (`kind`, the fields, and dtype and shape
of each array), then the bytes of the arrays in C order. Nothing but these bytes is accepted, so a message cannot run
code in its receiver.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

_LENGTH = struct.Struct('<I')
CHECK_S = 0.125  # from one call of `waiting` to the next
_TIME_LIMIT = struct.pack('@ll', int(CHECK_S), round(CHECK_S % 1 * 1e6))  # struct timeval


@dataclass(frozen=True, eq=False)
class Message:
    """A received message: `kind`, JSON `fields` by name, and the arrays in the order in which they were sent."""

    kind: str
    fields: dict[str, Any]
    arrays: tuple[np.ndarray, ...] = ()


class Link:
    """One end of a stream socket. `send` may be called by several threads, `receive` by one thread.

    `waiting` of both is called every CHECK_S while the other end does not read or write, and may raise to give up; the
    stream is then out of step and must be closed.
    """

    def __init__(self, end: socket.socket) -> None:
        # Blocking calls with the kernel's time limit: an image passes in one call without the interpreter, where a
        # non-blocking socket wakes this process for every buffer (tracker p50 +20 % with 8 people on two full cores).
        end.setblocking(True)
        for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            end.setsockopt(socket.SOL_SOCKET, option, _TIME_LIMIT)
        self._socket = end
        self._sending, self._receiving = threading.Lock(), threading.Lock()

    def send(
        self,
        kind: str,
        *arrays: np.ndarray,
        waiting: Callable[[], None] | None = None,
        lock_timeout_s: float = -1,
        **fields: Any,
    ) -> bool:
        """Send one message; False if another thread has been sending for `lock_timeout_s`. OSError: no receiver."""
        arrays = tuple(np.ascontiguousarray(array) for array in arrays)
        described = [(array.dtype.str, array.shape) for array in arrays]
        header = json.dumps({'kind': kind, 'fields': fields, 'arrays': described}).encode()
        parts = [memoryview(_LENGTH.pack(len(header)) + header)]
        parts += [array.data.cast('B') for array in arrays if array.size]
        if not self._sending.acquire(timeout=lock_timeout_s):
            return False
        try:
            self._write(parts, waiting)
        finally:
            self._sending.release()
        return True

    def receive(self, waiting: Callable[[], None] | None = None) -> Message:
        """Block until a whole message is there. EOFError or OSError: the other end is closed."""
        with self._receiving:
            (length,) = _LENGTH.unpack(self._read(bytearray(_LENGTH.size), waiting))
            header = json.loads(bytes(self._read(bytearray(length), waiting)))
            arrays = [np.empty(shape, np.dtype(kind)) for kind, shape in header['arrays']]
            for array in arrays:
                if array.size:
                    self._read(array.data.cast('B'), waiting)
        return Message(header['kind'], header['fields'], tuple(arrays))

    def send_descriptor(self, descriptor: int) -> None:
        """Send a copy of a file descriptor, after a message that announces it."""
        with self._sending:
            socket.send_fds(self._socket, [b'd'], [descriptor])

    def receive_descriptor(self) -> int:
        """Return the file descriptor that follows a message. EOFError or OSError: there is none."""
        with self._receiving:
            while True:
                try:
                    _, descriptors, _, _ = socket.recv_fds(self._socket, 1, 1)
                except BlockingIOError:
                    self._check(None)
                    continue
                if not descriptors:
                    raise EOFError('no file descriptor came')
                return descriptors[0]

    def fileno(self) -> int:
        """File descriptor, for `select`; -1 once closed."""
        return self._socket.fileno()

    def close(self) -> None:
        """End both directions, then release the descriptor when no thread uses it any more."""
        with contextlib.suppress(OSError):  # closed before, or the other end is gone
            self._socket.shutdown(socket.SHUT_RDWR)
        with self._receiving, self._sending:
            self._socket.close()

    def release(self) -> None:
        """Release the descriptor of this process alone; another process that shares the socket goes on using it."""
        self._socket.close()

    def _write(self, parts: list[memoryview], waiting: Callable[[], None] | None) -> None:
        while parts:
            try:
                count = self._socket.sendmsg(parts)
            except BlockingIOError:
                self._check(waiting)
                continue
            while parts and count >= len(parts[0]):
                count -= len(parts.pop(0))
            if count:
                parts[0] = parts[0][count:]

    def _read(self, into: bytearray | memoryview, waiting: Callable[[], None] | None) -> bytearray | memoryview:
        left = memoryview(into)
        while left:
            try:
                count = self._socket.recv_into(left, 0, socket.MSG_WAITALL)
            except BlockingIOError:
                self._check(waiting)
                continue
            if not count:
                raise EOFError('the other end closed the link')
            left = left[count:]
        return into

    def _check(self, waiting: Callable[[], None] | None) -> None:
        if self._socket.fileno() < 0:
            raise EOFError('the link is closed')
        if waiting is not None:
            waiting()
