"""Network streams from a real server on this machine."""

import contextlib
import http.server
import itertools
import socket
import threading
import time

import pytest
from builders.images import BadInputList, jpeg, opened, plain
from conftest import wait_until

from affect_perception.errors import ConfigError


def send_jpegs(send, count: int, before=lambda data: b'', pause_s: float = 0.02) -> None:
    for i in range(count):
        data = b'\xff\xd8\xff\xe0\x00\x01damaged' if i == 3 else jpeg(plain(40 + i))
        send(before(data) + data)
        time.sleep(pause_s)


@contextlib.contextmanager
def tcp_server(count: int):
    """Sends `count` JPEGs, the fourth damaged, to everyone who connects; gives the port."""
    listener = socket.create_server(('127.0.0.1', 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    send_jpegs(connection.sendall, count)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


class MjpegHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == '/silent':
            time.sleep(10)
            return
        if self.path == '/dribble':  # a byte of a header now and then
            with contextlib.suppress(OSError):
                self.wfile.write(b'HTTP/1.1 200 OK\r\nX-Header: ')
                for _ in range(100):
                    self.wfile.write(b'x')
                    time.sleep(0.1)
            return
        self.send_response(200)
        multipart = self.path == '/video'
        self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=f' if multipart else 'text/html')
        self.end_headers()
        if multipart:
            with contextlib.suppress(OSError):
                send_jpegs(self.wfile.write, 15, lambda data: b'\r\n--f\r\nContent-Length: %d\r\n\r\n' % len(data))

    def log_message(self, *_):
        pass


@pytest.fixture
def http_server():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), MjpegHandler)
    server.daemon_threads, server.block_on_close = True, False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


def test_tcp_stream_of_jpegs_skips_a_damaged_one_and_is_reconnected():
    bad = BadInputList()
    with tcp_server(12) as port:
        source = opened(f'tcp://127.0.0.1:{port}', bad)
        frames = list(itertools.islice(source, 14))
        source.close()
    assert source.live
    assert source.size == (64, 48)
    assert abs(int(frames[0].rgb[10, 10, 0]) - 40) < 6
    assert bad.kinds[:2] == ['compressed', 'stream']
    assert all(abs(frame.stamp_ns - time.time_ns()) < 60e9 for frame in frames)


def test_http_stream_of_jpegs_is_read_and_its_end_is_reported(http_server):
    bad = BadInputList()
    source = opened(f'{http_server}/video', bad)
    frames = list(itertools.islice(source, 10))
    time.sleep(0.4)
    source.close()
    assert abs(int(frames[0].rgb[10, 10, 0]) - 40) < 6
    assert bad.kinds[:2] == ['compressed', 'stream']


def test_web_page_is_refused_as_a_stream(http_server):
    with pytest.raises(ConfigError, match='is a page'):
        opened(f'{http_server}/index.html')


def test_silent_server_is_refused(http_server):
    with pytest.raises(ConfigError, match='cannot be reached'):
        opened(f'{http_server}/silent')


def test_server_that_sends_its_headers_byte_by_byte_is_refused_in_time(http_server, monkeypatch):
    monkeypatch.setattr('affect_perception.sources.stream.CONNECT_S', 0.5)
    before = threading.active_count()
    with pytest.raises(ConfigError, match='cannot be reached'):
        opened(f'{http_server}/dribble')
    wait_until(lambda: threading.active_count() <= before + 1)  # the server has one


def test_stream_that_dribbles_is_aborted_and_opened_again(monkeypatch):
    monkeypatch.setattr('affect_perception.sources.live.SILENT_S', 0.3)
    bad, listener, accepted = BadInputList(), socket.create_server(('127.0.0.1', 0)), []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                accepted.append(connection)
                threading.Thread(target=dribble, args=(connection,), daemon=True).start()

    def dribble(connection):
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(b'x')
                time.sleep(0.05)

    threading.Thread(target=serve, daemon=True).start()
    source = opened(f'tcp://127.0.0.1:{listener.getsockname()[1]}', bad)
    reader = threading.Thread(target=list, args=(source,), daemon=True)
    reader.start()
    wait_until(lambda: len(accepted) > 1)
    source.close()
    reader.join(5)
    listener.close()
    assert bad.kinds[:2] == ['stream', 'stream']
