"""Connection of one open page: its options, and the newest message that was not sent yet. Runs in the server's loop."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from affect_perception.errors import BadInputError

MAX_MESSAGE = 1024  # bytes of one message from a page; the page sends 40
_MAX_RATE = 20  # messages from a page in a second
_OPTIONS = ('pause', 'pictures')


def page_options(text: str) -> dict[str, bool]:
    """Options that a page sends: {"pause": bool} and {"pictures": bool}, either or both.

    BadInputError `message` for anything else.
    """
    try:
        options = json.loads(text)
    except (ValueError, RecursionError):
        options = None
    if not isinstance(options, dict) or not options or not set(options) <= set(_OPTIONS):
        raise BadInputError('message', f'a page sent {text[:60]!r}; wanted an object with {" and ".join(_OPTIONS)}')
    if not all(isinstance(value, bool) for value in options.values()):
        raise BadInputError('message', f'a page sent {text[:60]!r}; wanted true or false')
    return options


class PageConnection:
    """WebSocket of one page. At most one state and one picture wait; a newer one replaces one that was not sent."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.BaseTransport | None) -> None:
        self._socket, self._transport = socket, transport
        self._loop = asyncio.get_running_loop()
        self._state: str | None = None
        self._picture: bytes | None = None
        self._wake = asyncio.Event()
        self._sending_since: float | None = None
        self._received_at: list[float] = []
        self.pause, self.pictures = False, False

    def put_state(self, text: str) -> None:
        """Send a state, unless the page is paused. Non-blocking."""
        if not self.pause:
            self._state = text
            self._wake.set()

    def put_picture(self, jpeg: bytes) -> None:
        """Send a picture, if the page shows pictures and is not paused. Non-blocking."""
        if self.pictures and not self.pause:
            self._picture = jpeg
            self._wake.set()

    def receive(self, text: str) -> None:
        """Apply the options that the page sent; BadInputError for a bad message, or too many in a second."""
        now = self._loop.time()
        self._received_at = [at for at in self._received_at if now - at < 1.0] + [now]
        if len(self._received_at) > _MAX_RATE:
            raise BadInputError('flood', f'a page sent more than {_MAX_RATE} messages in a second')
        for name, value in page_options(text).items():
            setattr(self, name, value)

    async def write(self) -> None:
        """Send what is put, until cancelled or the page is closed."""
        while not self._socket.closed:
            await self._wake.wait()
            self._wake.clear()
            state, self._state = self._state, None
            picture, self._picture = self._picture, None
            self._sending_since = self._loop.time()
            try:
                if state is not None:
                    await self._socket.send_str(state)
                if picture is not None:
                    await self._socket.send_bytes(picture)
            except (ConnectionError, RuntimeError):  # the page was closed meanwhile
                return
            self._sending_since = None

    def stuck_s(self) -> float:
        """Time in seconds for which the page has not read what is being sent."""
        return 0.0 if self._sending_since is None else self._loop.time() - self._sending_since

    def abort(self) -> None:
        """End the connection at once, without a closing handshake."""
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()
