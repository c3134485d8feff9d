"""Connections of the web server: a limit of time for each request, and places that nobody can occupy for ever."""

import socket

import pytest
from conftest import wait_until

pytest.importorskip('aiohttp', reason='needs aiohttp (extra `web`)')
from builders.web import servers, status, talk

from affect_perception.dashboard import connections


@pytest.fixture
def serve():
    with servers() as start:
        yield start


def connect(server) -> socket.socket:
    return socket.create_connection(('127.0.0.1', server.port), timeout=10)


def ended(connection: socket.socket) -> bool:
    """Whether the server has closed the connection; waits for that, or for bytes."""
    try:
        return connection.recv(65536) == b''
    except OSError:
        return True


def test_a_request_that_does_not_come_is_given_up(serve, monkeypatch):
    monkeypatch.setattr(connections, 'REQUEST_S', 0.2)
    server = serve()
    with connect(server) as silent, connect(server) as dribbling:
        dribbling.sendall(b'GET / HT')
        assert ended(silent)
        assert ended(dribbling)
    assert server.bad == ['connections'] * 2


def test_each_request_of_a_connection_has_its_own_limit(serve, monkeypatch):
    server = serve()
    with connect(server) as connection:
        request = f'GET /favicon.svg HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n'.encode()
        for _ in range(2):
            connection.sendall(request)
            assert connection.recv(65536).startswith(b'HTTP/1.1 200')
        monkeypatch.setattr(connections, 'REQUEST_S', 0.2)
        connection.sendall(request[:20])
        while not ended(connection):
            pass
    assert server.bad == ['connections']


def test_more_dribbling_connections_than_places_lock_nobody_out(serve):
    server = serve(dashboard_clients=4)
    many = []
    for _ in range(100):
        many.append(connect(server))
        many[-1].sendall(b'GET / HTTP/1.1\r\nX-Slow: ')
    assert status(server) == 200

    async def listen(page):
        for _ in range(100):
            many.append(connect(server))
        wait_until(lambda: status(server) == 200)
        return (await page.receive()).type.name

    assert talk(server, listen) == 'TEXT', 'a page that is open keeps its place'
    assert 'connections' in server.bad
    for connection in many:
        connection.close()
