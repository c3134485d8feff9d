"""Streams and images over HTTP: requests with a login and a total time limit, and what their answers are."""

from __future__ import annotations

import contextlib
import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import Any

from affect_perception.errors import ConfigError
from affect_perception.runtime.masking import masked
from affect_perception.runtime.time_limit import within
from affect_perception.sources.addresses import without_login

TIMEOUT_S = 4.0  # between two pieces of data
CONNECT_S = 4.5  # for everything until the first piece of the body: look-up of the name, connections, headers


class HttpAddress:
    """An address to request, with its login where the server asks for one (basic or digest)."""

    def __init__(self, url: str) -> None:
        self._shown = masked(url)
        self._plain, user, password = without_login(url)
        self._sockets: list[socket.socket] = []
        logins = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        if user or password:
            logins.add_password(None, self._plain, user, password)  # None: any realm
        self._opener = urllib.request.build_opener(
            _Handler(self._sockets),
            urllib.request.HTTPDigestAuthHandler(logins),
            urllib.request.HTTPBasicAuthHandler(logins),
        )

    def request(self) -> http.client.HTTPResponse:
        """Return the answer of the server; ConfigError, without the login, where there is none within 4.5 s."""
        self._sockets.clear()
        try:
            return within(
                CONNECT_S,
                lambda: self._opener.open(self._plain, timeout=TIMEOUT_S),
                self.shut_down,
                http.client.HTTPResponse.close,
            )
        except urllib.error.HTTPError as error:
            error.close()
            reason = f'the server answers {error.code} {error.reason}'
            if error.code == 401:
                reason += '; give the right login as http://USER:PASSWORD@HOST'
            raise ConfigError(f'{self._shown} cannot be read: {reason}') from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            why = error.reason if isinstance(error, urllib.error.URLError) else error
            raise ConfigError(f'{self._shown} cannot be reached: {why}') from None

    def shut_down(self) -> None:
        """Shut the sockets down, which ends a request or a read in another thread."""
        shut_down(self._sockets)


class _Noted:
    """Part of a connection that adds its open socket to `sockets`, so that another thread can shut it down."""

    def __init__(self, host: str, sockets: list[socket.socket], **options: Any) -> None:
        super().__init__(host, **options)  # type: ignore[call-arg]  # of the connection beside it
        self._sockets = sockets

    def connect(self) -> None:
        """Connect to the host."""
        super().connect()  # type: ignore[misc]  # of the connection beside it
        self._sockets.append(self.sock)  # type: ignore[attr-defined]


class _Http(_Noted, http.client.HTTPConnection):
    """HTTP connection whose socket is noted."""


class _Https(_Noted, http.client.HTTPSConnection):
    """HTTPS connection whose socket is noted after the handshake."""


class _Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opener of both kinds."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._sockets = sockets

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Http, sockets=self._sockets), request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Https, sockets=self._sockets), request)


def shut_down(sockets: list[socket.socket]) -> None:
    """Shut sockets down that another thread uses."""
    for connection in list(sockets):
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def reader(response: http.client.HTTPResponse) -> Callable[[int], bytes]:
    """Function that reads up to so many bytes of a body; OSError for a broken one."""

    def receive(size: int) -> bytes:
        try:
            return response.read1(size)
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error

    return receive
