"""Web server of the page: a thread and an asyncio loop of its own, one encoding of each message for all pages.

Pages get the newest state at most `dashboard_rate` times a second, less often from twenty pages on (`_SEND_RATE`), and
pictures only on request. A page that reads too slowly misses messages; a page that has not read for `_STUCK_S` is
disconnected.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from affect_perception.dashboard import security
from affect_perception.dashboard.connection import MAX_MESSAGE, PageConnection
from affect_perception.dashboard.connections import KEEP_ALIVE_S, Connections
from affect_perception.dashboard.web_app import WebApp
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.settings import DashboardSettings

_STUCK_S = 5.0
_SEND_RATE = 400.0  # messages a second to all pages together: each takes 0.1 ms or more of the interpreter
_GROUP, _GAP_S = 10, 0.01  # pages served at once, and the pause after them, in which other threads get the core
_SPARE = 32  # connections beyond those of open pages, for files


class Server:
    """Web server, running from construction until `close`. Every method may be called from any thread.

    `compose` makes the message for all pages, in the server's thread; `on_bad` gets the error of everything refused.
    Raises ConfigError when the address is wrong, needs a token, or the port is taken.
    """

    def __init__(
        self,
        settings: DashboardSettings,
        compose: Callable[[], dict[str, Any]],
        on_bad: Callable[[Exception], None],
        token: str = '',
    ) -> None:
        self._settings, self._compose, self._on_bad = settings, compose, on_bad
        address = security.check_address(settings, token)
        self._connections = Connections(settings.dashboard_clients + _SPARE, on_bad)
        self._app = WebApp(settings, token, self._serve_page, on_bad, self._connections)
        self._listening = _listen(address, settings)
        self.port: int = self._listening.getsockname()[1]
        shown = 'localhost' if address in ('127.0.0.1', '::1') else address
        shown = socket.gethostname() if address in ('0.0.0.0', '::') else shown
        self.address = f'http://{f"[{shown}]" if ":" in shown else shown}:{self.port}'
        self._pages: set[PageConnection] = set()
        self.dropped = 0  # pages that did not read
        self.viewers = 0  # pages that show pictures now
        self._started = threading.Event()
        self._failure: Exception | None = None  # that ended the server's thread
        self._thread = threading.Thread(target=self._run, name='dashboard', daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise ConfigError(f'the dashboard cannot be started: {self._failure}')

    @property
    def clients(self) -> int:
        """Number of open pages."""
        return len(self._pages)

    @property
    def running(self) -> bool:
        """Whether the server's thread runs."""
        return self._thread.is_alive()

    def changed(self) -> None:
        """Announce a new state, which is composed and sent when it is due."""
        if self._pages:
            self._call(self._changed.set)

    def show(self, jpeg: bytes) -> None:
        """Send a picture to the pages that show pictures."""
        self._call(self._put_picture, jpeg)

    def close(self) -> None:
        """End all connections; waits for the thread, but no longer than 5 s."""
        self._call(self._closing.set)
        self._thread.join(timeout=5.0)

    def _call(self, function: Callable[..., object], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(function, *args)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - thread border: raised by the constructor, or counted and logged
            self._failure = error
            if self._started.is_set():
                self._on_bad(error)
        finally:
            self._started.set()  # also after a failure, so that the constructor returns

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._on_loop_error)
        self._changed, self._closing = asyncio.Event(), asyncio.Event()
        runner = web.AppRunner(
            self._app.application(),
            access_log=None,
            handle_signals=False,
            logger=_RequestLog(self._on_bad),
            keepalive_timeout=KEEP_ALIVE_S,
        )
        await runner.setup()
        handlers: Any = runner.server
        accept = self._connections.accept
        server = await self._loop.create_server(lambda: accept(handlers()), sock=self._listening)
        tasks = [asyncio.ensure_future(task) for task in (self._send_states(), self._drop_stuck_pages())]
        self._started.set()
        await self._closing.wait()
        server.close()
        for task in tasks:
            task.cancel()
        for page in list(self._pages):
            page.abort()
        await asyncio.wait([asyncio.ensure_future(runner.cleanup())], timeout=2.0)

    def _on_loop_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Count an error of a callback or task of the loop, which asyncio would print each time."""
        error = context.get('exception')
        self._on_bad(error if isinstance(error, Exception) else RuntimeError(str(context.get('message'))))

    async def _serve_page(self, request: web.Request) -> web.StreamResponse:
        """Handle the WebSocket of a page until it is closed."""
        if len(self._pages) >= self._settings.dashboard_clients:
            self._on_bad(BadInputError('clients', f'more than dashboard_clients = {len(self._pages)} pages'))
            return web.Response(status=503, text='too many pages are open; close one, or raise dashboard_clients\n')
        websocket = web.WebSocketResponse(heartbeat=15.0, max_msg_size=MAX_MESSAGE, compress=False)
        await websocket.prepare(request)
        page = PageConnection(websocket, request.transport)
        self._pages.add(page)
        writer = asyncio.ensure_future(self._write(page))
        self._changed.set()
        try:
            async for message in websocket:
                if message.type == WSMsgType.ERROR:
                    raise BadInputError('message', f'a page sent an invalid message: {message.data}')
                page.receive(message.data if message.type == WSMsgType.TEXT else repr(message.data[:40]))
                self._count_viewers()
        except BadInputError as error:
            self._on_bad(error)
            await websocket.close(code=1008, message=str(error).encode()[:120])
        finally:
            self._pages.discard(page)
            writer.cancel()
            self._count_viewers()
        return websocket

    async def _send_states(self) -> None:
        """Send the state to all pages, when it changes and once a second."""
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 1.0)
            self._changed.clear()
            if not self._pages:
                continue
            try:
                await self._send_state()
            except Exception as error:  # noqa: BLE001 - loop border: counted and logged, the next state is sent
                self._on_bad(error)
                await asyncio.sleep(1 / self._settings.dashboard_rate)

    async def _send_state(self) -> None:
        """Compose a state, put it to all pages, and wait until the next one is due."""
        text = json.dumps(self._compose(), allow_nan=False, separators=(',', ':'))
        until = self._loop.time() + max(1 / self._settings.dashboard_rate, len(self._pages) / _SEND_RATE)
        pages = list(self._pages)
        for first in range(0, len(pages), _GROUP):
            if first:
                await asyncio.sleep(_GAP_S)
            for page in pages[first : first + _GROUP]:
                page.put_state(text)
        await asyncio.sleep(until - self._loop.time())

    async def _drop_stuck_pages(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            try:
                for page in [page for page in self._pages if page.stuck_s() > _STUCK_S]:
                    self.dropped += 1
                    self._on_bad(BadInputError('slow', f'a page has read nothing for {_STUCK_S:.0f} s and was dropped'))
                    page.abort()
            except Exception as error:  # noqa: BLE001 - loop border: counted and logged, the next check is made
                self._on_bad(error)

    async def _write(self, page: PageConnection) -> None:
        try:
            await page.write()
        except Exception as error:  # noqa: BLE001 - task border: a page that gets nothing must not stay open
            self._on_bad(error)
            page.abort()

    def _put_picture(self, jpeg: bytes) -> None:
        for page in self._pages:
            page.put_picture(jpeg)

    def _count_viewers(self) -> None:
        self.viewers = sum(page.pictures and not page.pause for page in self._pages)


class _RequestLog(logging.Logger):
    """Logger of aiohttp: a malformed request is counted in place of a traceback each."""

    def __init__(self, on_bad: Callable[[Exception], None]) -> None:
        super().__init__('dashboard', logging.WARNING)
        self._on_bad = on_bad

    def handle(self, record: logging.LogRecord) -> None:
        """Count the record by its exception, as a bad request unless that is an error of ours."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, Exception) and not type(error).__module__.startswith(('aiohttp', 'asyncio')):
            self._on_bad(error)
            return
        text = ' '.join(str(error or record.getMessage()).split())[:200]
        self._on_bad(BadInputError('request', f'a malformed request: {text}'))


def _listen(address: str, settings: DashboardSettings) -> socket.socket:
    """Listening socket at the first free port of `dashboard_port` and the following ones; ConfigError for none."""
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    first, last = settings.dashboard_port, min(settings.dashboard_port + settings.dashboard_port_tries - 1, 65535)
    reason = ''
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
