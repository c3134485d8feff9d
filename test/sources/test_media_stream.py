"""Network streams read by FFmpeg, from real servers on this machine: RTSP, RTMP, UDP, HLS and files over HTTP."""

import base64
import contextlib
import http.server
import itertools
import threading
import time
from fractions import Fraction

import numpy as np
import pytest
from builders.images import BadInputList, opened
from builders.media import av, pictures, portrait
from builders.stream_servers import COUNT, FPS, OPTIONS, RtmpServer, RtspServer, encode
from conftest import wait_until

from affect_perception.errors import ConfigError

LOGIN = 'anna:s3cr%3Aet%40@'


def number_of(rgb: np.ndarray) -> int:
    """Number of the picture of the portrait that an image shows."""
    off = [np.abs(rgb[..., 1].astype(int) - portrait(i)[..., 1]).mean() for i in range(COUNT)]
    assert min(off) < 6
    return int(np.argmin(off))


def taken(source, count: int) -> list:
    """The next `count` frames of a live source."""
    return list(itertools.islice(source, count))


@pytest.mark.parametrize('login', ['basic', 'digest'])
def test_rtsp_is_played_with_a_login_that_is_shown_nowhere(login):
    with RtspServer(login) as server:
        source = opened(f'rtsp://{LOGIN}127.0.0.1:{server.port}/live')
        frames = taken(source, 3)
        source.close()
        with pytest.raises(ConfigError, match='401') as caught:
            opened(f'rtsp://anna:wrongpass@127.0.0.1:{server.port}/live')
    assert source.live
    assert source.size == (320, 240)
    assert source.name == f'rtsp://***@127.0.0.1:{server.port}/live'
    assert len({number_of(frame.rgb) for frame in frames}) > 1
    assert 'wrongpass' not in str(caught)


@pytest.mark.parametrize(('server', 'scheme'), [(RtspServer, 'rtsp'), (RtmpServer, 'rtmp')])
def test_stream_that_breaks_is_opened_again(server, scheme):
    bad = BadInputList()
    with server() as camera:
        source = opened(f'{scheme}://127.0.0.1:{camera.port}/live/a', bad)
        before = taken(source, 2)
        camera.drop()
        wait_until(lambda: camera.played > 1, 20)
        after = taken(source, 3)
        source.close()
    assert all(number_of(frame.rgb) >= 0 for frame in before + after)
    assert bad.kinds[0] == 'stream'
    assert 'broke' in str(bad[0])


def test_udp_is_played_as_it_arrives():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.BaseHTTPRequestHandler)
    port = server.server_port  # of TCP; the same of UDP is free as well
    server.server_close()
    stopped = threading.Event()

    def send():
        with av.open(f'udp://127.0.0.1:{port}', 'w', format='mpegts') as made:
            track = made.add_stream('libx264', rate=FPS, options=OPTIONS)
            track.width, track.height, track.pix_fmt, track.thread_count = 320, 240, 'yuv420p', 1
            for i, rgb in enumerate(itertools.cycle(pictures(COUNT))):
                if stopped.wait(1 / FPS):
                    return
                frame = av.VideoFrame.from_ndarray(rgb, format='rgb24')
                frame.pts, frame.time_base = i, Fraction(1, FPS)
                made.mux(track.encode(frame))

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    source = opened(f'udp://127.0.0.1:{port}')
    frames = taken(source, 3)
    source.close()
    stopped.set()
    sender.join(10)
    assert all(number_of(frame.rgb) >= 0 for frame in frames)


class Files(http.server.BaseHTTPRequestHandler):
    """Serves the files of a folder; `limits` holds bytes of a name after which its next answers break off."""

    protocol_version = 'HTTP/1.1'
    folder, limits, asked, login = None, {}, [], b''

    def do_GET(self):
        name = self.path.rpartition('/')[2]
        self.asked.append(name)
        path = self.folder / name
        if self.login and self.headers.get('Authorization') != 'Basic ' + base64.b64encode(self.login).decode():
            self.send_response(401)
            self.send_header('WWW-Authenticate', 'Basic realm="cam"')
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        begin = int(self.headers.get('Range', 'bytes=0-').removeprefix('bytes=').partition('-')[0])
        self.send_response(206 if 'Range' in self.headers else 200)
        self.send_header('Content-Type', 'application/vnd.apple.mpegurl' if name.endswith('.m3u8') else 'video/mp4')
        self.send_header('Content-Length', str(len(data) - begin))
        self.send_header('Accept-Ranges', 'bytes')
        self.send_header('Connection', 'close')
        if 'Range' in self.headers:
            self.send_header('Content-Range', f'bytes {begin}-{len(data) - 1}/{len(data)}')
        self.end_headers()
        limit = self.limits.pop(name, None) if self.headers.get('User-Agent', '').startswith('Lavf') else None
        with contextlib.suppress(OSError):
            self.wfile.write(data[begin:limit])
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def files(tmp_path):
    """(address of a server without scheme, the folder it serves)."""
    Files.folder, Files.limits, Files.asked, Files.login = tmp_path, {}, [], b''
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Files)
    server.daemon_threads, server.block_on_close = True, False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'127.0.0.1:{server.server_port}', tmp_path
    server.shutdown()
    server.server_close()


def test_hls_is_played_to_its_end_at_its_own_rate_with_a_login(files):
    address, folder = files
    Files.login = b'anna:s3cr:et@'
    encode(folder / 'list.m3u8', 'hls', hls_time='0.5', hls_list_size='0', hls_playlist_type='vod')
    bad = BadInputList()
    begin = time.monotonic()
    source = opened(f'http://{LOGIN}{address}/list.m3u8', bad)
    frames = list(source)
    assert time.monotonic() - begin > 0.9 * (COUNT - 1) / FPS, 'no faster than it is to be shown'
    assert number_of(frames[-1].rgb) == COUNT - 1
    assert len(frames) + source.dropped == COUNT
    assert not bad
    assert sum(name.endswith('.ts') for name in Files.asked) >= 4


def test_hls_of_a_live_broadcast_goes_on_with_the_segments_that_are_added(files):
    address, folder = files
    encode(folder / 'all.m3u8', 'hls', hls_time='0.5', hls_list_size='0', hls_playlist_type='event')
    lines = (folder / 'all.m3u8').read_text().splitlines()
    segments = [at for at, line in enumerate(lines) if line.endswith('.ts')]

    def publish(count: int) -> None:
        (folder / 'part').write_text('\n'.join(lines[: segments[count - 1] + 1]) + '\n')
        (folder / 'part').replace(folder / 'live.m3u8')

    publish(2)
    source = opened(f'http://{address}/live.m3u8')
    first = taken(source, 1)
    publish(4)
    last = next(frame for frame in source if number_of(frame.rgb) == COUNT - 1)
    source.close()
    assert source.live
    assert first[0].stamp_ns < last.stamp_ns


def test_file_over_http_goes_on_where_its_connection_broke(files):
    address, folder = files
    encode(folder / 'clip.mp4', 'mp4', movflags='faststart')
    Files.limits['clip.mp4'] = round((folder / 'clip.mp4').stat().st_size * 0.5)
    bad = BadInputList()
    source = opened(f'http://{address}/clip.mp4', bad)
    frames = list(source)
    numbers = [number_of(frame.rgb) for frame in frames]
    assert numbers == sorted(set(numbers)), 'no picture twice'
    assert numbers[-1] == COUNT - 1
    assert len(frames) + source.dropped == COUNT
    assert bad.kinds == ['stream']


def test_file_whose_sound_is_longer_ends_with_its_pictures(files):
    from builders.media import write_media

    address, folder = files
    write_media(folder / 'clip.mkv', pictures(8), sound_s=4.0)
    bad = BadInputList()
    frames = list(opened(f'http://{address}/clip.mkv', bad))
    assert number_of(frames[-1].rgb) == 7
    assert len(bad) <= 2, 'the header of this container tells no length of the pictures'


def test_scheme_that_this_ffmpeg_lacks_is_named():
    try:
        av.open('srt://127.0.0.1:9', options={'timeout': '1000'}, timeout=0.1)
    except av.error.ProtocolNotFoundError:
        with pytest.raises(ConfigError, match=r'the FFmpeg of this PyAV has no srt; build PyAV'):
            opened('srt://127.0.0.1:9')
    except av.error.FFmpegError:
        pytest.skip('this PyAV reads SRT')
