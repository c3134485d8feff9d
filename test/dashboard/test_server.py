"""The web server with real sockets: pages, pictures, limits, slow and silent pages."""

import asyncio
import json
import socket
import threading
import time

import pytest
from conftest import wait_until

pytest.importorskip('aiohttp', reason='needs aiohttp (extra `web`)')
import aiohttp
from builders.web import closing, servers, status, talk

from affect_perception.errors import BadInputError, ConfigError


@pytest.mark.parametrize(('text', 'code'), [('nonsense', 1008), ('{"pause": 3}', 1008), ('x' * 5000, 1009)])
def test_bad_messages_end_that_page_only(serve, text, code):
    server = serve()

    async def send(page):
        await page.send_str(text)
        return await closing(page)

    async def listen(page):
        return (await page.receive()).type

    assert talk(server, send) == code
    wait_until(lambda: server.bad == ['message'])  # told a moment after the page is closed
    assert talk(server, listen) == aiohttp.WSMsgType.TEXT


def test_flood_of_messages_ends_the_page(serve):
    server = serve()

    async def send(page):
        for _ in range(30):
            await page.send_str('{"pause": false}')
        return await closing(page)

    assert talk(server, send) == 1008
    assert server.bad == ['flood']


def test_taken_port_is_named_and_the_next_ones_are_tried_if_wanted(serve):
    first = serve()
    with pytest.raises(ConfigError, match=rf'port {first.port} .* is taken .*dashboard_port'):
        serve(dashboard_port=first.port)
    assert first.port < serve(dashboard_port=first.port, dashboard_port_tries=20).port < first.port + 20


def test_more_pages_than_allowed_are_refused_and_others_go_on(serve):
    server = serve(dashboard_clients=1)

    async def second(page):
        with pytest.raises(aiohttp.WSServerHandshakeError, match='503'):
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(f'http://127.0.0.1:{server.port}/ws'),
            ):
                pass
        return (await page.receive()).type

    assert talk(server, second) == aiohttp.WSMsgType.TEXT


def test_thousand_connections_are_cut_down_and_the_page_goes_on(serve):
    server = serve(dashboard_clients=8)
    many = [socket.create_connection(('127.0.0.1', server.port), timeout=60) for _ in range(1000)]
    wait_until(lambda: 'connections' in server.bad)
    for connection in many:
        connection.close()
    wait_until(lambda: status_or_none(server) == 200)


def status_or_none(server):
    try:
        return status(server)
    except (OSError, IndexError):
        return None


def test_page_that_never_reads_is_dropped_and_not_waited_for(serve, monkeypatch):
    monkeypatch.setattr('affect_perception.dashboard.server._STUCK_S', 0.3)
    server = serve(compose=lambda: {'type': 'state', 'much': 'x' * 400_000}, dashboard_rate=60.0)
    upgrade = (
        f'GET /ws HTTP/1.1\r\nHost: localhost:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
    )
    with socket.create_connection(('127.0.0.1', server.port), timeout=60) as deaf:
        deaf.sendall(upgrade.encode())

        async def listen(page):
            got = 0
            while server.dropped == 0:
                server.changed()
                got += (await page.receive()).type == aiohttp.WSMsgType.TEXT
            return got

        assert talk(server, listen) > 3
    assert 'slow' in server.bad
    wait_until(lambda: server.clients == 0)


def test_pictures_go_to_those_who_ask_and_states_not_to_those_who_pause(serve):
    server = serve()

    async def look(page):
        await page.send_str('{"pictures": true}')
        while server.viewers == 0:
            await asyncio.sleep(0.01)
        server.show(b'jpeg')
        while (message := await page.receive()).type != aiohttp.WSMsgType.BINARY:
            pass
        await page.send_str('{"pause": true}')
        while server.viewers:
            await asyncio.sleep(0.01)
        return message.data

    assert talk(server, look) == b'jpeg'


def test_every_page_gets_the_same_bytes_made_once(serve):
    made = []

    def compose():
        made.append(threading.current_thread().name)
        return {'type': 'state', 'n': len(made)}

    server = serve(compose=compose)

    async def two(page):
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f'http://127.0.0.1:{server.port}/ws') as other,
        ):
            await asyncio.sleep(0.1)
            server.changed()
            seen = [set(), set()]
            while not seen[0] & seen[1]:
                for index, one in enumerate((page, other)):
                    seen[index].add((await one.receive()).data)
                server.changed()

    talk(server, two)
    assert set(made) == {'dashboard'}


def test_of_many_pages_told_in_groups_none_is_left_out(serve):
    told = threading.Event()
    server = serve(compose=lambda: {'type': 'state', 'told': told.is_set()})

    async def many(page):
        async with aiohttp.ClientSession() as session:
            pages = [page] + [await session.ws_connect(f'http://127.0.0.1:{server.port}/ws') for _ in range(24)]
            told.set()
            server.changed()
            for one in pages:
                while not json.loads((await one.receive()).data)['told']:
                    pass
            return len(pages)

    assert talk(server, many) == 25


def test_closing_does_not_wait_for_pages(serve):
    server = serve()
    closed = []

    async def stay(page):
        await page.receive()
        threading.Thread(target=lambda: (server.close(), closed.append(time.monotonic()))).start()
        await closing(page)

    talk(server, stay)
    wait_until(lambda: closed)
    assert not server.running


def test_state_that_cannot_be_made_is_counted_and_the_next_one_is_sent(serve):
    broken = iter([True, True])

    def compose():
        if next(broken, False):
            raise BadInputError('state', 'it cannot be made')
        return {'type': 'state'}

    server = serve(compose=compose)

    async def listen(page):
        return (await page.receive()).type

    assert talk(server, listen) == aiohttp.WSMsgType.TEXT
    assert server.bad == ['state', 'state']


def raising(*_: object) -> None:
    raise BadInputError('injected', 'an error of ours')


async def next_state(page):
    return (await page.receive()).type


def test_a_server_whose_thread_cannot_start_is_refused(serve, monkeypatch):
    monkeypatch.setattr('affect_perception.dashboard.server.WebApp.application', raising)
    with pytest.raises(ConfigError, match='cannot be started: an error of ours'):
        serve()


@pytest.mark.parametrize('part', ['put_state', 'stuck_s'])
def test_errors_in_the_loops_of_the_server_are_counted_and_the_loops_go_on(serve, monkeypatch, part):
    server = serve()

    async def look(page):
        assert await next_state(page) == aiohttp.WSMsgType.TEXT
        with monkeypatch.context() as patch:
            patch.setattr(f'affect_perception.dashboard.server.PageConnection.{part}', raising)
            while not server.bad:
                await asyncio.sleep(0.05)
        server.changed()
        return await next_state(page)

    assert talk(server, look) == aiohttp.WSMsgType.TEXT
    assert set(server.bad) == {'injected'}


def test_page_that_cannot_be_written_to_is_counted_and_ended(serve, monkeypatch):
    async def fail(_):
        raising()

    monkeypatch.setattr('affect_perception.dashboard.server.PageConnection.write', fail)
    server = serve()
    assert talk(server, next_state) in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    wait_until(lambda: server.bad == ['injected'])


def test_error_in_a_callback_of_the_loop_is_counted(serve, capfd):
    server = serve()
    server._loop.call_soon_threadsafe(server._loop.call_later, 0.0, raising)
    wait_until(lambda: server.bad == ['injected'])
    assert talk(server, next_state) == aiohttp.WSMsgType.TEXT
    assert 'Traceback' not in ''.join(capfd.readouterr())


def test_malformed_requests_are_counted_and_leave_no_traceback(serve, capfd):
    server = serve()
    for request in (b'GET /\xff\xfe HTTP/9.9\r\nHost: \xff\r\n\r\n', b'\x16\x03\x01\r\n\r\n', b'x' * 20_000):
        with socket.create_connection(('127.0.0.1', server.port), timeout=60) as connection:
            connection.sendall(request)
            connection.recv(65536)
    wait_until(lambda: 'request' in server.bad)  # aiohttp drops some without a word
    assert status(server) == 200
    assert 'Traceback' not in ''.join(capfd.readouterr())


@pytest.fixture
def serve():
    """Starts servers on free ports; `.bad` has the kinds of what they refused."""
    with servers() as start:
        yield start
