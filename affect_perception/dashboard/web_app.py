"""HTTP side of the web server: files of the page, access checks, login by token. Runs in the server's loop.

Files are served from memory, never read from disk on request, so that no path can lead out of the page's folder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.resources import files

from aiohttp import web

from affect_perception.dashboard import security
from affect_perception.dashboard.connections import Connections
from affect_perception.errors import BadInputError
from affect_perception.settings import DashboardSettings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_WRONG_TOKEN_S = 0.5  # delay of the answer to a wrong token, against guessing
_COOKIE_S = 30 * 86400
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


class WebApp:
    """aiohttp application of the page. `socket` handles `/ws`; `on_bad` gets the error of every refused request.

    `connections` is told of each request that has arrived and of its end.
    """

    def __init__(
        self,
        settings: DashboardSettings,
        token: str,
        socket: Handler,
        on_bad: Callable[[Exception], None],
        connections: Connections,
    ) -> None:
        self._token, self._on_bad = token, on_bad
        self._hosts = security.known_hosts(settings)
        self._files = {file.name: file.read_bytes() for file in (files(__package__) / 'page').iterdir()}
        self._socket, self._connections = socket, connections

    def application(self) -> web.Application:
        """Make the application; in the loop that runs it."""
        app = web.Application(middlewares=[self._guard])
        app.on_response_prepare.append(_add_headers)
        app.router.add_get('/', self._index)
        app.router.add_get('/ws', self._socket)
        for name in self._files:
            app.router.add_get(f'/{name}', self._file)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse requests of other sites, and those without the token if there is one."""
        with self._connections.serving(request.protocol):
            return await self._answer(request, handler)

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get('Host', '')
        try:
            security.check_host(host, self._hosts)
            security.check_origin(request.headers.get('Origin'), host)
        except BadInputError as error:
            self._on_bad(error)
            return web.Response(status=403, text=f'{error}\n')
        if not self._token or self._has_token(request):
            return await handler(request)
        return await self._log_in(request)

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        """Answer a request without cookie: set the cookie for the right token, else show the login page."""
        given = request.query.get('token')
        if given is None and 'Authorization' not in request.headers and security.COOKIE not in request.cookies:
            return self._login_page(401)
        if given is None or not security.is_token(given, self._token):  # counted and delayed, wherever it was given
            self._on_bad(BadInputError('token', 'a browser gave a wrong token'))
            await asyncio.sleep(_WRONG_TOKEN_S)
            return self._login_page(403)
        response = web.Response(status=302, headers={'Location': '/'})  # without the token, for the browser's history
        cookie = security.cookie_of(self._token)
        response.set_cookie(security.COOKIE, cookie, httponly=True, samesite='Strict', max_age=_COOKIE_S)
        return response

    def _has_token(self, request: web.Request) -> bool:
        bearer = request.headers.get('Authorization', '').partition('Bearer ')[2]
        cookie = request.cookies.get(security.COOKIE, '')
        return security.is_token(bearer, self._token) or security.is_token(cookie, security.cookie_of(self._token))

    def _login_page(self, status: int) -> web.Response:
        return web.Response(status=status, body=self._files['login.html'], content_type='text/html', charset='utf-8')

    async def _index(self, _: web.Request) -> web.Response:
        return web.Response(body=self._files['index.html'], content_type='text/html', charset='utf-8')

    async def _file(self, request: web.Request) -> web.Response:
        name = request.path[1:]
        return web.Response(body=self._files[name], content_type=_TYPES[name.rpartition('.')[2]], charset='utf-8')


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
