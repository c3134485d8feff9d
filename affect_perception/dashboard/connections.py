"""Connections of the web server: a limited number, each with a limit of time for every request.

A new connection that finds all places taken gets that of the one that has waited longest for its next request, so that
clients that send a byte a second cannot lock out others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from affect_perception.errors import BadInputError

REQUEST_S = 10.0  # from the first byte of a request, or from the start of the connection, to the end of its header
KEEP_ALIVE_S = 30.0  # between two requests


class Connections:
    """Accept up to `limit` connections; `on_bad` gets an error of kind `connections` for each one that is ended."""

    def __init__(self, limit: int, on_bad: Callable[[Exception], None]) -> None:
        self._limit, self._on_bad = limit, on_bad
        self._open: dict[int, _Connection] = {}  # by id of aiohttp's protocol
        self._waiting: dict[_Connection, None] = {}  # for a request, in the order in which the waiting began

    def accept(self, handler: Any) -> asyncio.BaseProtocol:
        """Protocol of a new connection around aiohttp's `handler`; one that closes it, if all are busy."""
        if len(self._open) >= self._limit:
            self._on_bad(BadInputError('connections', f'more than {self._limit} connections'))
            if not self._waiting:
                return _Refusal()
            next(iter(self._waiting)).abort()
        connection = self._open[id(handler)] = _Connection(handler, self)
        self.wait(connection)
        return connection

    @contextmanager
    def serving(self, handler: Any) -> Iterator[None]:
        """Note that a request of aiohttp's protocol `handler` has arrived, and is answered after the block."""
        connection = self._open.get(id(handler))
        if connection is None:  # ended meanwhile
            yield
            return
        self._waiting.pop(connection, None)
        connection.begin()
        try:
            yield
        finally:
            connection.end()
            if id(handler) in self._open:
                self.wait(connection)

    def wait(self, connection: _Connection) -> None:
        """Note that the connection has no request under way."""
        self._waiting[connection] = None

    def remove(self, connection: _Connection) -> None:
        """Forget a connection that is ended."""
        self._open.pop(id(connection.handler), None)
        self._waiting.pop(connection, None)

    def too_slow(self, connection: _Connection) -> None:
        """End a connection whose request did not arrive in time."""
        self._on_bad(BadInputError('connections', f'no request arrived within {REQUEST_S:g} s'))
        connection.abort()


class _Connection(asyncio.Protocol):
    """aiohttp's protocol `handler` with a limit of time from the first byte of each request to its end."""

    def __init__(self, handler: Any, connections: Connections) -> None:
        self.handler, self._connections = handler, connections
        self._transport: asyncio.BaseTransport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._busy = False

    def begin(self) -> None:
        """Note that the request is complete."""
        self._busy = True
        self._cancel()

    def end(self) -> None:
        """Note that the request has been answered."""
        self._busy = False

    def abort(self) -> None:
        """End the connection at once."""
        self._cancel()
        self._connections.remove(self)
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass the start on; the time of the first request begins."""
        self._transport = transport
        self._start()
        self.handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on; the time of a request begins with its first one."""
        if not self._busy and self._deadline is None:
            self._start()
        self.handler.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass the end of the client's bytes on."""
        answer: bool | None = self.handler.eof_received()
        return answer

    def pause_writing(self) -> None:
        """Pass on that the client reads too slowly."""
        self.handler.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the client reads again."""
        self.handler.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass the end on."""
        self._cancel()
        self._connections.remove(self)
        self.handler.connection_lost(exc)

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(REQUEST_S, self._connections.too_slow, self)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Refusal(asyncio.Protocol):
    """Protocol that closes its connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()
