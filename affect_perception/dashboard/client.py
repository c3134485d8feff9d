"""One open page: what it wants, and the newest message that it has not got yet. Lives in the server's loop."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from affect_perception.errors import BadInputError

LARGEST = 1024  # bytes that a page may send at once; ours send 40
_OFTEN = 20  # and how many messages a second
_WISHES = ('pause', 'pictures')


def wishes(text: str) -> dict[str, bool]:
    """What a page asks for: {"pause": bool} and {"pictures": bool}, either or both; else BadInputError `message`."""
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or not asked or not set(asked) <= set(_WISHES):
        raise BadInputError('message', f'a page sent {text[:60]!r}; wanted an object with {" and ".join(_WISHES)}')
    if not all(isinstance(value, bool) for value in asked.values()):
        raise BadInputError('message', f'a page sent {text[:60]!r}; wanted true or false')
    return asked


class Client:
    """Holds at most one state and one picture that wait; a newer one takes the place of one that was not sent."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None):
        self._socket, self._transport = socket, transport
        self._loop = asyncio.get_running_loop()
        self._state: str | None = None
        self._picture: bytes | None = None
        self._wake = asyncio.Event()
        self._sending_since: float | None = None
        self._heard: list[float] = []
        self.pause, self.pictures = False, False

    def put_state(self, text: str) -> None:
        if not self.pause:
            self._state = text
            self._wake.set()

    def put_picture(self, jpeg: bytes) -> None:
        if self.pictures and not self.pause:
            self._picture = jpeg
            self._wake.set()

    def obey(self, text: str) -> None:
        """Takes a message of the page; BadInputError if it is none, or one of too many."""
        now = self._loop.time()
        self._heard = [at for at in self._heard if now - at < 1.0] + [now]
        if len(self._heard) > _OFTEN:
            raise BadInputError('flood', f'a page sent more than {_OFTEN} messages in a second')
        for name, value in wishes(text).items():
            setattr(self, name, value)

    async def write(self) -> None:
        """Sends what was put, until cancelled or the page is gone."""
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
            except (ConnectionError, RuntimeError):  # gone in the meantime
                return
            self._sending_since = None

    def stuck_s(self) -> float:
        """For how long the page has not read what was sent."""
        return 0.0 if self._sending_since is None else self._loop.time() - self._sending_since

    def drop(self) -> None:
        """Ends the connection at once, without asking a page that does not listen."""
        if self._transport is not None:
            self._transport.abort()
