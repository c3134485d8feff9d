"""Network streams from a real server on this machine."""

import base64
import contextlib
import hashlib
import http.server
import itertools
import re
import socket
import threading
import time

import pytest
from builders.images import BadInputList, jpeg, opened, plain
from conftest import wait_until

from affect_perception.errors import ConfigError
from affect_perception.runtime.masking import masked


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
    wait_until(lambda: len(bad) > 1)
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
    reader.join(60)
    listener.close()
    assert bad.kinds[:2] == ['stream', 'stream']


# ---- logins, polled images, files over HTTP ------------------------------------------------------------------------


class FileHandler(http.server.BaseHTTPRequestHandler):
    """Serves a clip and a single image to those who log in: /basic/… and /digest/… ask for anna's password."""

    clip = b''

    def do_GET(self):
        scheme = self.path.split('/')[1]
        given = self.headers.get('Authorization', '')
        if scheme == 'basic' and given != 'Basic ' + base64.b64encode(b'anna:s3cr:et@').decode():
            return self._ask('Basic realm="camera"')
        if scheme == 'digest' and not self._is_digest(given):
            return self._ask('Digest realm="camera", nonce="abc", qop="auth", algorithm=MD5')
        data = jpeg(plain(40)) if self.path.endswith('.jpg') else self.clip
        self.send_response(200)
        self.send_header('Content-Type', 'image/jpeg' if self.path.endswith('.jpg') else 'video/mp4')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(data)
        return None

    def _ask(self, how: str):
        self.send_response(401)
        self.send_header('WWW-Authenticate', how)
        self.send_header('Content-Length', '0')
        self.end_headers()

    def _is_digest(self, given: str) -> bool:
        found = dict(re.findall(r'(\w+)="?([^",]+)"?', given))
        if not given.startswith('Digest') or found.get('username') != 'anna':
            return False
        one = hashlib.md5(b'anna:camera:s3cr:et@').hexdigest()
        two = hashlib.md5(f'GET:{self.path}'.encode()).hexdigest()
        middle = [found[name] for name in ('nonce', 'nc', 'cnonce', 'qop')]
        return found['response'] == hashlib.md5(':'.join([one, *middle, two]).encode()).hexdigest()

    def log_message(self, *_):
        pass


@pytest.fixture
def file_server(tmp_path):
    from builders.media import pictures, write_media

    FileHandler.clip = write_media(tmp_path / 'clip.mp4', pictures(8)).read_bytes()
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), FileHandler)
    server.daemon_threads, server.block_on_close = True, False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize('scheme', ['open', 'basic', 'digest'])
def test_a_login_opens_polled_images_and_files_and_is_shown_nowhere(file_server, scheme):
    login = '' if scheme == 'open' else 'anna:s3cr%3Aet%40@'
    polled = opened(f'http://{login}{file_server}/{scheme}/snapshot.jpg', fps=20.0)
    frames = list(itertools.islice(polled, 3))
    polled.close()
    assert all(abs(int(frame.rgb[10, 10, 0]) - 40) < 6 for frame in frames)
    clip = opened(f'http://{login}{file_server}/{scheme}/clip.mp4')
    assert list(clip)[-1].rgb.shape == (240, 320, 3), 'a file ends, and is not begun again'
    assert 's3cr' not in polled.name + clip.name


def test_a_login_may_stand_in_an_environment_variable(file_server, monkeypatch):
    monkeypatch.setenv('CAMERA_LOGIN', 'anna:s3cr%3Aet%40')
    polled = opened(f'http://${{CAMERA_LOGIN}}@{file_server}/digest/snapshot.jpg', fps=20.0)
    frames = list(itertools.islice(polled, 1))
    polled.close()
    assert frames


def test_a_wrong_login_is_refused_without_showing_it(file_server):
    with pytest.raises(ConfigError, match='401') as caught:
        opened(f'http://anna:wrongpass@{file_server}/basic/snapshot.jpg')
    assert 'wrongpass' not in str(caught.value)


@pytest.mark.parametrize(
    ('url', 'shown'),
    [
        ('rtsp://anna:pass@cam:554/live?channel=1', 'rtsp://***@cam:554/live?channel=1'),
        ('http://cam/video?user=anna&token=abc&size=2', 'http://cam/video?user=***&token=***&size=2'),
        ('http://cam/video', 'http://cam/video'),
    ],
)
def test_address_for_people_has_no_password(url, shown):
    assert masked(url) == shown


def test_an_unknown_scheme_is_named():
    with pytest.raises(ConfigError, match=r"no scheme 'gopher' in 'gopher://\*\*\*@cam/x'; wanted http"):
        opened('gopher://anna:pass@cam/x')
