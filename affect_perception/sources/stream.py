"""Network streams: MJPEG over HTTP (multipart) or bare TCP is parsed here, all others by FFmpeg."""

from __future__ import annotations

import contextlib
import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np

from affect_perception.core.images.compressed import decode_compressed
from affect_perception.core.images.jpeg_stream import JpegSplitter
from affect_perception.errors import ConfigError
from affect_perception.runtime.time_limit import within
from affect_perception.settings import SourceSettings
from affect_perception.sources import BadInputCallback
from affect_perception.sources.capture import CaptureConnection, open_capture
from affect_perception.sources.live import Connection, LiveSource

TIMEOUT_S = 4.0  # between two pieces of data
CONNECT_S = 4.5  # for everything until the first piece of the body: look-up of the name, connections, headers


def open_stream(settings: SourceSettings, on_bad: BadInputCallback) -> LiveSource:
    """Open a stream URL; ConfigError within 5 s if there is no answer."""
    url = settings.source
    scheme = urlsplit(url).scheme
    connect = {'tcp': _connect_tcp, 'http': _connect_http, 'https': _connect_http}.get(scheme, _connect_ffmpeg)
    return LiveSource(url, lambda: connect(url), settings.frame_id, settings.fps, on_bad)


class MjpegConnection:
    """Connection to a byte stream of JPEG images; bytes between images (such as multipart headers) are skipped."""

    fps = 0.0

    def __init__(self, receive: Callable[[int], bytes], close: Callable[[], None], abort: Callable[[], None]) -> None:
        self._receive, self._close, self._abort = receive, close, abort
        self._splitter = JpegSplitter()
        self._waiting: list[bytes] = []

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB; BadInputError for a damaged image, OSError when the connection is over."""
        while not self._waiting:
            data = self._receive(65536)
            if not data:
                raise OSError('the other side closed the connection')
            self._waiting = self._splitter.feed(data)
        return decode_compressed(self._waiting.pop(0), 'jpeg')

    def close(self) -> None:
        """Close the socket or response."""
        self._close()

    def abort(self) -> None:
        """Shut the socket down, which ends a `read` in another thread."""
        self._abort()


def _connect_tcp(url: str) -> Connection:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise ConfigError(f'{url!r} lacks a host or a port; wanted tcp://HOST:PORT')
    try:
        connection = within(
            CONNECT_S, lambda: socket.create_connection((host, port), timeout=TIMEOUT_S), _nothing, socket.socket.close
        )
    except (OSError, UnicodeError) as error:  # UnicodeError: a name of a host that is none
        raise ConfigError(f'{url} cannot be reached: {error}') from None
    return MjpegConnection(connection.recv, connection.close, lambda: _shut_down([connection]))


def _connect_http(url: str) -> Connection:
    sockets: list[socket.socket] = []
    opener = urllib.request.build_opener(_HttpHandler(sockets), _HttpsHandler(sockets))
    try:
        response = within(
            CONNECT_S,
            lambda: opener.open(url, timeout=TIMEOUT_S),
            lambda: _shut_down(sockets),
            http.client.HTTPResponse.close,
        )
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise ConfigError(f'{url} cannot be reached: {reason}') from None
    kind = response.headers.get_content_type()
    if kind.startswith('multipart/') or kind in ('image/jpeg', 'video/x-motion-jpeg'):
        return MjpegConnection(_http_reader(response), response.close, lambda: _shut_down(sockets))
    response.close()
    if kind.startswith('text/'):
        raise ConfigError(f'{url} is a page ({kind}), not a video; give the address of the stream itself')
    return _connect_ffmpeg(url)


class _Http(http.client.HTTPConnection):
    """HTTP connection that adds its socket to `sockets`, so that another thread can shut it down."""

    def __init__(self, host: str, sockets: list[socket.socket], **options: Any) -> None:
        super().__init__(host, **options)
        self._sockets = sockets

    def connect(self) -> None:
        """Connect to the host."""
        super().connect()
        self._sockets.append(self.sock)


class _Https(http.client.HTTPSConnection):
    """HTTPS connection that adds its socket to `sockets` after the handshake."""

    def __init__(self, host: str, sockets: list[socket.socket], **options: Any) -> None:
        super().__init__(host, **options)
        self._sockets = sockets

    def connect(self) -> None:
        """Connect to the host, with TLS."""
        super().connect()
        self._sockets.append(self.sock)


class _HttpHandler(urllib.request.HTTPHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._sockets = sockets

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Http, sockets=self._sockets), request)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._sockets = sockets

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Https, sockets=self._sockets), request)


def _shut_down(sockets: list[socket.socket]) -> None:
    for connection in list(sockets):
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _nothing() -> None:
    pass


def _http_reader(response: http.client.HTTPResponse) -> Callable[[int], bytes]:
    def receive(size: int) -> bytes:
        try:
            return response.read1(size)
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error

    return receive


def _connect_ffmpeg(url: str) -> Connection:
    limits = {'OPEN_TIMEOUT_MSEC': TIMEOUT_S * 1000, 'READ_TIMEOUT_MSEC': TIMEOUT_S * 1000}
    with contextlib.suppress(ValueError):
        capture = open_capture(url, cv2.CAP_FFMPEG, **limits)
        if capture is not None:
            return CaptureConnection(capture)
    raise ConfigError(f'{url} cannot be reached, or is not a video that OpenCV can read')
