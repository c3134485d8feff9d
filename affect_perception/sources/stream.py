"""Network streams: MJPEG over HTTP (multipart) or bare TCP and polled single images here, all others by FFmpeg.

A login in the address works with basic and digest authentication, and is shown to nobody.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import numpy as np

from affect_perception.core.images.compressed import decode_compressed
from affect_perception.core.images.jpeg_stream import JpegSplitter
from affect_perception.errors import ConfigError
from affect_perception.runtime.masking import masked
from affect_perception.runtime.time_limit import within
from affect_perception.settings import SourceSettings
from affect_perception.sources import BadInputCallback
from affect_perception.sources.addresses import check_address, expanded, scheme_of
from affect_perception.sources.http_stream import CONNECT_S, TIMEOUT_S, HttpAddress, reader, shut_down
from affect_perception.sources.live import Connection, LiveSource
from affect_perception.sources.media_stream import MediaAddress
from affect_perception.sources.snapshots import SnapshotConnection

_PLAYLISTS = ('.m3u8', '.m3u')


def open_stream(settings: SourceSettings, on_bad: BadInputCallback) -> LiveSource:
    """Open a stream address; ConfigError within 5 s if there is no answer."""
    url, fps = expanded(settings.source), settings.fps
    check_address(url)
    scheme, media = scheme_of(url), MediaAddress(url)

    def connect() -> Connection:
        if scheme == 'tcp':
            return _connect_tcp(url)
        if scheme in ('http', 'https'):
            return _connect_http(url, fps, media)
        return media.connect()

    return LiveSource(masked(url), connect, settings.frame_id, fps, on_bad)


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
    parts = urlsplit(url)
    place = (parts.hostname or '', parts.port or 0)
    try:
        connection = within(
            CONNECT_S, lambda: socket.create_connection(place, timeout=TIMEOUT_S), _nothing, socket.socket.close
        )
    except (OSError, UnicodeError) as error:  # UnicodeError: a name of a host that is none
        raise ConfigError(f'{masked(url)} cannot be reached: {error}') from None
    return MjpegConnection(connection.recv, connection.close, lambda: shut_down([connection]))


def _nothing() -> None:
    pass


def _connect_http(url: str, fps: float, media: MediaAddress) -> Connection:
    address = HttpAddress(url)
    response = address.request()
    kind = response.headers.get_content_type()
    if kind.startswith('multipart/') or kind == 'video/x-motion-jpeg':
        return MjpegConnection(reader(response), response.close, address.shut_down)
    if kind in ('image/jpeg', 'image/jpg', 'image/png'):
        return SnapshotConnection(address, response, fps)
    response.close()
    if kind.startswith('text/') and not urlsplit(url).path.lower().endswith(_PLAYLISTS):
        raise ConfigError(f'{masked(url)} is a page ({kind}), not a video; give the address of the stream itself')
    return media.connect()
