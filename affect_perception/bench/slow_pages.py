"""Pages that cost a server most, for `bench soak`: some read slowly, some send what no browser would send.

Run as `python -m affect_perception.bench.slow_pages HOST PORT SLOW HOSTILE`, until killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable

from affect_perception.runtime.processes.priority import use_idle_cores_only

_READ_BYTES, _READ_S = 2048, 0.3  # of a slow page: so much, so often; a state of four people has 1 to 2 kB
_PAUSE_S = 0.2  # of a hostile page between two attempts
_UPGRADE = (
    b'GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
    b'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
)
_GARBAGE = (
    b'GET /\xff\xfe HTTP/9.9\r\nHost: \xff\r\n\r\n',
    b'\x16\x03\x01' + bytes(500),
    b'x' * 20_000,
    b'GET /../../etc/passwd HTTP/1.1\r\nHost: evil.example\r\n\r\n',
    _UPGRADE + b'\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff' * 50,  # frames that claim 2^64 bytes
    _UPGRADE + b'\x81\x85\0\0\0\0hello' * 200,
)


async def _slow(host: str, port: int) -> None:
    """Read a WebSocket slowly; open it again when the server has dropped it."""
    reader, writer = await asyncio.open_connection(host, port, limit=_READ_BYTES)
    writer.write(_UPGRADE)
    try:
        while await reader.read(_READ_BYTES):
            await asyncio.sleep(_READ_S)
    finally:
        writer.close()


async def _garbage(host: str, port: int) -> None:
    """Send each of several malformed requests on a connection of its own."""
    for data in _GARBAGE:
        _, writer = await asyncio.open_connection(host, port)
        writer.write(data)
        await asyncio.sleep(_PAUSE_S)
        writer.close()


async def _dribble(host: str, port: int) -> None:
    """Send a header byte by byte until the server ends the connection."""
    _, writer = await asyncio.open_connection(host, port)
    while not writer.is_closing():
        writer.write(b'X')
        await writer.drain()
        await asyncio.sleep(_PAUSE_S)


async def _again(page: Callable[[str, int], Awaitable[None]], host: str, port: int) -> None:
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await page(host, port)
        await asyncio.sleep(_PAUSE_S)


async def _all(host: str, port: int, slow: int, hostile: int) -> None:
    kinds = [_slow] * slow + [(_garbage, _dribble)[i % 2] for i in range(hostile)]
    await asyncio.gather(*(_again(kind, host, port) for kind in kinds))


def main(argv: list[str]) -> None:
    """Run all pages until killed, at idle priority, as if on other computers."""
    use_idle_cores_only()
    asyncio.run(_all(argv[0], int(argv[1]), int(argv[2]), int(argv[3])))


if __name__ == '__main__':
    main(sys.argv[1:])
