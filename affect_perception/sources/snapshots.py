"""Addresses that give one image per request (snapshot URLs of network cameras), polled."""

from __future__ import annotations

import http.client
import time

import numpy as np

from affect_perception.core.images.compressed import decode_compressed
from affect_perception.sources.http_stream import HttpAddress

_LARGEST = 64 * 2**20  # bytes of an image
_LONGEST_S = 8.0  # for all of one image


class SnapshotConnection:
    """`live.Connection` that requests an image at most `fps` times a second; `first` is the answer to one request."""

    def __init__(self, address: HttpAddress, first: http.client.HTTPResponse, fps: float) -> None:
        self._address, self._period_s = address, 1 / fps
        self._response: http.client.HTTPResponse | None = first
        self.fps = fps
        self._due = time.monotonic()

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB; BadInputError for a damaged image, OSError or ConfigError without an answer."""
        if self._response is None:
            time.sleep(max(self._due - time.monotonic(), 0.0))
            self._response = self._address.request()
        response, self._response = self._response, None
        self._due = max(self._due + self._period_s, time.monotonic())
        with response:
            return decode_compressed(_body(response), 'snapshot')

    def close(self) -> None:
        """Close the last response."""
        if self._response is not None:
            self._response.close()

    def abort(self) -> None:
        """Shut the socket down, which ends a `read` in another thread."""
        self._address.shut_down()


def _body(response: http.client.HTTPResponse) -> bytes:
    parts: list[bytes] = []
    size, end = 0, time.monotonic() + _LONGEST_S
    try:
        while part := response.read1(65536):
            parts.append(part)
            size += len(part)
            if size > _LARGEST or time.monotonic() > end:
                raise OSError(f'an image of more than {size} bytes or {_LONGEST_S:g} s is no snapshot')
    except http.client.HTTPException as error:
        raise OSError(str(error)) from None
    return b''.join(parts)
