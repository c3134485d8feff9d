"""Web servers of the dashboard on free ports, and requests to them over real sockets."""

import asyncio
import socket
from contextlib import contextmanager

import aiohttp

from affect_perception.dashboard.server import Server
from affect_perception.settings import DashboardSettings

TOKEN = 'a-token-of-some-length'


@contextmanager
def servers():
    """A function that starts servers, closed at the end; `.bad` of each has the kinds of what it refused."""
    started = []

    def start(token='', compose=lambda: {'type': 'state'}, **settings):
        bad = []
        settings = {'dashboard_port': 0, **settings}
        server = Server(DashboardSettings(**settings), compose, lambda error: bad.append(error.kind), token)
        server.bad = bad
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()


def ask(server, path='/', headers=None, raw=None) -> str:
    """The answer to one request, as text; nothing between us and the socket mends the path."""
    lines = {'Host': f'localhost:{server.port}', 'Connection': 'close', **(headers or {})}
    request = raw or f'GET {path} HTTP/1.1\r\n' + ''.join(f'{k}: {v}\r\n' for k, v in lines.items()) + '\r\n'
    with socket.create_connection(('127.0.0.1', server.port), timeout=5) as connection:
        connection.sendall(request.encode())
        answer = b''
        while data := connection.recv(65536):
            answer += data
    return answer.decode(errors='replace')


def status(server, *args, **kwargs) -> int:
    return int(ask(server, *args, **kwargs).split()[1])


def talk(server, use, headers=None):
    """Runs `use(socket)` on a WebSocket."""

    async def main():
        async with aiohttp.ClientSession() as session:
            url = f'http://127.0.0.1:{server.port}/ws'
            async with session.ws_connect(url, headers=headers or {}) as page:
                return await asyncio.wait_for(use(page), 10)

    return asyncio.run(main())


async def closing(page) -> int:
    """The code that the server closes with, after what it has still to say."""
    while (await page.receive()).type not in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
        pass
    return page.close_code
