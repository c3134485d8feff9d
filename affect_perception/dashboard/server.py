"""The web server: a thread and an asyncio loop of its own, one encoding of each message for all pages.

Pages get the newest state at most `dashboard_rate` times a second, fewer times from twenty pages on (`_SENDINGS`), and
pictures only if they ask for them. A page that reads too slowly misses messages; one that has not read for `_STUCK_S`
is dropped. Nothing is read from disk on request: the few files of the page are in memory, so that no path can lead out
of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
import threading
from collections.abc import Callable
from importlib.resources import files

from aiohttp import WSMsgType, web

from affect_perception.dashboard import security
from affect_perception.dashboard.client import LARGEST, Client
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.settings import DashboardSettings

_STUCK_S = 5.0
_SILENT_S = 10.0  # a connection that has not asked for anything by then is closed
_SENDINGS = 400.0  # messages a second to all pages together: each takes 0.1 ms or more of the interpreter
_AT_ONCE, _GAP_S = 10, 0.01  # pages that are told together, and the pause after them, in which others get the core
_SPARE = 32  # connections beyond those of open pages, for files
_TYPES = {'html': 'text/html', 'js': 'text/javascript', 'css': 'text/css', 'svg': 'image/svg+xml'}
_HEADERS = {
    'Server': 'affect_perception',
    'Content-Security-Policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-cache',
}


class Server:
    """Serves from construction until `close`. Every method may be called from any thread.

    `compose` makes the message for all pages, in the server's thread; `on_bad` gets what was refused. Raises
    ConfigError when the address is wrong, needs a token, or the port is taken.
    """

    def __init__(
        self,
        settings: DashboardSettings,
        compose: Callable[[], dict],
        on_bad: Callable[[Exception], None],
        token: str = '',
    ):
        self._settings, self._compose, self._on_bad, self._token = settings, compose, on_bad, token
        address = security.check_address(settings, token)
        self._hosts = security.known_hosts(settings)
        self._page = {file.name: file.read_bytes() for file in (files(__package__) / 'page').iterdir()}
        self._listening = _listen(address, settings)
        self.port: int = self._listening.getsockname()[1]
        shown = 'localhost' if address in ('127.0.0.1', '::1') else address
        shown = socket.gethostname() if address in ('0.0.0.0', '::') else shown
        self.address = f'http://{f"[{shown}]" if ":" in shown else shown}:{self.port}'
        self._clients: set[Client] = set()
        self._asked: set[int] = set()  # connections that have asked for something
        self.dropped = 0  # pages that did not read
        self.viewers = 0  # pages that want pictures now
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name='dashboard', daemon=True)
        self._thread.start()
        self._started.wait()

    @property
    def clients(self) -> int:
        """Open pages."""
        return len(self._clients)

    def changed(self) -> None:
        """There is something new to tell."""
        if self._clients:
            self._call(self._changed.set)

    def show(self, jpeg: bytes) -> None:
        """A new picture for those who want one."""
        self._call(self._show, jpeg)

    def close(self) -> None:
        """Ends all connections; waits for the thread, but not for ever."""
        self._call(self._closing.set)
        self._thread.join(timeout=5.0)

    def _call(self, function, *args) -> None:
        with contextlib.suppress(RuntimeError):  # closed
            self._loop.call_soon_threadsafe(function, *args)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._started.set()  # also when it has failed: nobody is to wait for ever

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed, self._closing = asyncio.Event(), asyncio.Event()
        app = web.Application(middlewares=[self._guard])
        app.on_response_prepare.append(_add_headers)
        app.router.add_get('/', self._index)
        app.router.add_get('/ws', self._socket)
        for name in self._page:
            app.router.add_get(f'/{name}', self._file)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        server = await self._loop.create_server(lambda: self._accept(runner.server), sock=self._listening)
        tasks = [asyncio.ensure_future(task) for task in (self._tell(), self._watch())]
        self._started.set()
        await self._closing.wait()
        server.close()
        for task in tasks:
            task.cancel()
        for client in list(self._clients):
            client.drop()
        await asyncio.wait([asyncio.ensure_future(runner.cleanup())], timeout=2.0)

    def _accept(self, handlers) -> asyncio.Protocol:
        """The protocol of a new connection: none of ours when there are too many."""
        if len(handlers.connections) >= self._settings.dashboard_clients + _SPARE:
            self._on_bad(BadInputError('connections', f'more than {len(handlers.connections)} connections'))
            return _Refusal()
        handler = handlers()
        self._loop.call_later(_SILENT_S, self._hurry, handler)
        return handler

    def _hurry(self, handler) -> None:
        if id(handler) in self._asked:
            self._asked.discard(id(handler))
        elif handler.transport is not None:
            handler.transport.abort()

    @web.middleware
    async def _guard(self, request: web.Request, handler) -> web.StreamResponse:
        self._asked.add(id(request.protocol))
        host = request.headers.get('Host', '')
        try:
            security.check_host(host, self._hosts)
            security.check_origin(request.headers.get('Origin'), host)
        except BadInputError as error:
            self._on_bad(error)
            return web.Response(status=403, text=f'{error}\n')
        if not self._token or self._may(request):
            return await handler(request)
        given = request.query.get('token')
        if given is None:
            return self._login(401)
        if not security.is_token(given, self._token):
            self._on_bad(BadInputError('token', 'somebody gave a wrong token'))
            await asyncio.sleep(0.5)  # makes guessing slow
            return self._login(403)
        response = web.Response(
            status=302, headers={'Location': '/'}
        )  # without the token, which is to stand in no history
        response.set_cookie(
            security.COOKIE, security.cookie_of(self._token), httponly=True, samesite='Strict', max_age=30 * 86400
        )
        return response

    def _may(self, request: web.Request) -> bool:
        bearer = request.headers.get('Authorization', '').partition('Bearer ')[2]
        cookie = request.cookies.get(security.COOKIE, '')
        return security.is_token(bearer, self._token) or security.is_token(cookie, security.cookie_of(self._token))

    def _login(self, status: int) -> web.Response:
        return web.Response(status=status, body=self._page['login.html'], content_type='text/html', charset='utf-8')

    async def _index(self, request: web.Request) -> web.Response:
        return web.Response(body=self._page['index.html'], content_type='text/html', charset='utf-8')

    async def _file(self, request: web.Request) -> web.Response:
        name = request.path[1:]
        return web.Response(body=self._page[name], content_type=_TYPES[name.rpartition('.')[2]], charset='utf-8')

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if len(self._clients) >= self._settings.dashboard_clients:
            self._on_bad(BadInputError('clients', f'more than dashboard_clients = {len(self._clients)} pages'))
            return web.Response(status=503, text='too many pages are open; close one, or raise dashboard_clients\n')
        page = web.WebSocketResponse(heartbeat=15.0, max_msg_size=LARGEST, compress=False)
        await page.prepare(request)
        client = Client(page, request.transport)
        self._clients.add(client)
        writer = asyncio.ensure_future(client.write())
        self._changed.set()
        try:
            async for message in page:
                if message.type == WSMsgType.ERROR:
                    raise BadInputError('message', f'a page sent what is no message: {message.data}')
                client.obey(message.data if message.type == WSMsgType.TEXT else repr(message.data[:40]))
                self._count()
        except BadInputError as error:
            self._on_bad(error)
            await page.close(code=1008, message=str(error).encode()[:120])
        finally:
            self._clients.discard(client)
            writer.cancel()
            self._count()
        return page

    async def _tell(self) -> None:
        """Tells all pages what there is, when it changes and once a second."""
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 1.0)
            self._changed.clear()
            if not self._clients:
                continue
            text = json.dumps(self._compose(), allow_nan=False, separators=(',', ':'))
            until = self._loop.time() + max(1 / self._settings.dashboard_rate, len(self._clients) / _SENDINGS)
            told = list(self._clients)
            for first in range(0, len(told), _AT_ONCE):
                if first:
                    await asyncio.sleep(_GAP_S)
                for client in told[first : first + _AT_ONCE]:
                    client.put_state(text)
            await asyncio.sleep(until - self._loop.time())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            for client in [client for client in self._clients if client.stuck_s() > _STUCK_S]:
                self.dropped += 1
                self._on_bad(BadInputError('slow', f'a page has read nothing for {_STUCK_S:.0f} s and was dropped'))
                client.drop()

    def _show(self, jpeg: bytes) -> None:
        for client in self._clients:
            client.put_picture(jpeg)

    def _count(self) -> None:
        self.viewers = sum(client.pictures and not client.pause for client in self._clients)


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport) -> None:
        transport.abort()


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


def _listen(address: str, settings: DashboardSettings) -> socket.socket:
    """A listening socket at the first free one of the ports that may be tried."""
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    first, last = settings.dashboard_port, min(settings.dashboard_port + settings.dashboard_port_tries - 1, 65535)
    for port in range(first, last + 1):
        try:
            return socket.create_server((address, port), family=family, backlog=128)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise ConfigError(f'cannot listen on {address} port {port}: {error.strerror}') from error
            reason = 'is taken by another program' if error.errno == errno.EADDRINUSE else 'needs more rights'
    which = f'port {first}' if first == last else f'every port from {first} to {last}'
    raise ConfigError(
        f'{which} of {address} {reason} (another dashboard?); give a free one with dashboard_port '
        '(--dashboard-port 8081; 0 takes any), or leave the dashboard out (--no-dashboard, dashboard:=false)'
    )
