"""Where pictures come from: order, stamps, what is refused, and streams from a real server on this machine."""

import contextlib
import http.server
import itertools
import socket
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import DATA

from affect_perception.errors import ConfigError
from affect_perception.settings import SourceSettings
from affect_perception.sources import camera, open_source
from affect_perception.sources.live import Connection, NewestFrame

CLIPS = DATA / 'clips'
needs_clips = pytest.mark.skipif(not CLIPS.is_dir(), reason=f'{CLIPS} is not here')


class Bad(list):
    """Collects what a source says of bad input."""

    @property
    def kinds(self) -> list[str]:
        return [error.kind for error in self]


def opened(source, bad=None, **settings):
    return open_source(SourceSettings(source=str(source), **settings), Bad().append if bad is None else bad.append)


def plain(shade: int, width: int = 64, height: int = 48) -> np.ndarray:
    """(height, width, 3) uint8 RGB, red `shade`, green 255 - shade."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:] = (shade, 255 - shade, 30)
    return picture


def jpeg(rgb: np.ndarray) -> bytes:
    return cv2.imencode('.jpg', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()


def write(path: Path, rgb: np.ndarray) -> None:
    assert cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


def write_video(path: Path, frames: int, fps: float = 20.0, noisy: bool = False) -> None:
    noise = np.random.default_rng(0).integers(0, 128 if noisy else 1, (48, 64, 3), np.uint8)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), fps, (64, 48))
    for i in range(frames):
        writer.write(cv2.cvtColor(np.uint8(plain(10 * i) | noise), cv2.COLOR_RGB2BGR))
    writer.release()


# ---- folders and files -------------------------------------------------------------------------------------------


def test_folder_plays_in_natural_order_with_the_name_of_each_frame(tmp_path):
    for name, shade in (('img10.png', 100), ('img2.png', 20), ('img1.PNG', 10)):
        write(tmp_path / name, plain(shade))
    (tmp_path / 'notes.txt').write_text('no picture')
    source = opened(tmp_path, fps=10.0)
    frames = list(source)
    assert not source.live and source.fps == 10.0
    assert [frame.stamp_ns for frame in frames] == [0, 100_000_000, 200_000_000]
    assert [frame.rgb[0, 0, 0] for frame in frames] == [10, 20, 100]
    assert [source.file_of(frame.stamp_ns) for frame in frames] == ['img1.PNG', 'img2.png', 'img10.png']
    assert source.files == ('img1.PNG', 'img2.png', 'img10.png')


def test_bad_pictures_of_a_folder_are_told_and_the_others_keep_their_names(tmp_path):
    write(tmp_path / '1.png', plain(10))
    (tmp_path / '2.jpg').write_bytes(b'hello')
    (tmp_path / '3.jpg').write_bytes(jpeg(plain(30, 200, 200))[:-200])
    write(tmp_path / '4.png', np.zeros((6000, 8000, 3), np.uint8))
    write(tmp_path / '5.png', plain(50, 1, 1))
    write(tmp_path / '6.png', plain(60, 100, 30))
    bad = Bad()
    source = opened(tmp_path, bad)
    frames = list(source)
    assert bad.kinds == ['compressed', 'compressed', 'size', 'size']
    assert '4.png' in str(bad[2]) and '8000x6000' in str(bad[2])
    assert [(source.file_of(f.stamp_ns), f.width, f.height) for f in frames] == [('1.png', 64, 48), ('6.png', 100, 30)]


def test_turned_photograph_is_turned_upright(tmp_path):
    tag = b'Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0'  # orientation 6
    data = jpeg(plain(10, 64, 48))
    (tmp_path / 'a.jpg').write_bytes(data[:2] + b'\xff\xe1' + (len(tag) + 2).to_bytes(2, 'big') + tag + data[2:])
    (frame,) = opened(tmp_path)
    assert (frame.width, frame.height) == (48, 64)


def test_single_image_is_one_frame(tmp_path):
    write(tmp_path / 'one.png', plain(70))
    source = opened(tmp_path / 'one.png')
    (frame,) = source
    assert source.file_of(frame.stamp_ns) == 'one.png' and frame.rgb[0, 0, 0] == 70


def test_folder_that_loops_goes_on_in_time(tmp_path):
    for i in range(2):
        write(tmp_path / f'{i}.png', plain(i))
    source = opened(tmp_path, loop=True, fps=10.0)
    frames = list(itertools.islice(source, 5))
    assert [f.stamp_ns // 100_000_000 for f in frames] == [0, 1, 2, 3, 4]
    assert [source.file_of(f.stamp_ns) for f in frames] == ['0.png', '1.png', '0.png', '1.png', '0.png']


def test_video_plays_every_frame_at_its_own_times(tmp_path):
    write_video(tmp_path / 'clip.avi', 12)
    source = opened(tmp_path / 'clip.avi')
    frames = list(source)
    assert (source.live, source.fps, source.size) == (False, 20.0, (64, 48))
    assert [round(f.stamp_ns / 1e6) for f in frames] == [50 * i for i in range(12)]
    assert all(abs(int(f.rgb[20, 20, 0]) - 10 * i) < 12 for i, f in enumerate(frames))
    assert [f.stamp_ns for f in source] == [f.stamp_ns for f in frames], 'a source can be read again'


def test_video_that_loops_goes_on_in_time(tmp_path):
    write_video(tmp_path / 'clip.avi', 3)
    stamps = [f.stamp_ns for f in itertools.islice(opened(tmp_path / 'clip.avi', loop=True), 8)]
    assert [round(s / 50e6) for s in stamps] == list(range(8))


def test_video_that_breaks_off_is_told(tmp_path):
    write_video(tmp_path / 'clip.avi', 20, noisy=True)
    data = (tmp_path / 'clip.avi').read_bytes()
    (tmp_path / 'short.avi').write_bytes(data[: len(data) // 2])
    bad = Bad()
    frames = list(opened(tmp_path / 'short.avi', bad))
    assert 0 < len(frames) < 20
    assert bad.kinds == ['video'] and f'{len(frames)} of' in str(bad[0])


def test_closed_source_ends(tmp_path):
    write_video(tmp_path / 'clip.avi', 12)
    source = opened(tmp_path / 'clip.avi', loop=True)
    frames = []
    for frame in source:
        frames.append(frame)
        if len(frames) == 3:
            source.close()
    assert len(frames) == 3


@needs_clips
@pytest.mark.parametrize('name', sorted(path.name for path in CLIPS.glob('*.*')))
def test_shared_clip_plays_as_video(name):
    source = opened(CLIPS / name)
    stamps = [frame.stamp_ns for frame in itertools.islice(source, 40)]
    assert len(stamps) >= 35 and stamps[0] == 0
    steps = np.diff(stamps) / 1e9
    assert steps.min() > 0 and abs(np.median(steps) - 1 / source.fps) < 0.02


# ---- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('source', 'said'),
    [
        ('/nowhere/film.mp4', "no file or folder '/nowhere/film.mp4'"),
        ('film.mp4', 'no file or folder'),
        ('holodeck', "unknown source 'holodeck'; choose one of: scene, camera:N"),
        ('camera:97', 'there is no camera 97'),
        ('camera:front', 'wanted camera:N'),
        ('topic:/camera/image_raw', 'image_topic'),
        ('realsense', 'RealSense'),
        ('realsense:', 'lacks a serial number|pyrealsense2'),
        ('tcp://127.0.0.1', 'lacks a host or a port'),
        ('tcp://127.0.0.1:1', 'cannot be reached'),
        ('http://127.0.0.1:1/video', 'cannot be reached'),
        ('rtsp://127.0.0.1:1/video', 'cannot be reached'),
    ],
)
def test_source_that_is_not_there_is_refused_in_one_line(source, said):
    with pytest.raises(ConfigError, match=said) as caught:
        opened(source)
    assert '\n' not in str(caught.value)


def test_file_that_is_neither_image_nor_video_is_refused(tmp_path):
    for name in ('notes.txt', 'notes.mp4', 'notes.jpg', 'notes.gif'):
        (tmp_path / name).write_text('words ' * 100)
        with pytest.raises(ConfigError, match=name):
            opened(tmp_path / name)


def test_folder_without_images_is_refused(tmp_path):
    with pytest.raises(ConfigError, match='no images in folder'):
        opened(tmp_path)


def test_auto_takes_the_scene_where_no_camera_works(monkeypatch):
    monkeypatch.setattr(camera, 'cameras', lambda: [97])
    monkeypatch.setattr(camera, 'open_capture', lambda *_, **__: None)
    source = opened('auto', width=320, height=180, scene_people=0)
    assert source.name == 'scene' and source.size == (320, 180)


# ---- live sources ------------------------------------------------------------------------------------------------


class Clockwork(Connection):
    """Gives `frames` plain pictures, one per 10 ms, then breaks."""

    def __init__(self, frames: int):
        self.left = frames

    def read(self):
        if not self.left:
            raise OSError('unplugged')
        self.left -= 1
        time.sleep(0.01)
        return plain(self.left % 200)

    def close(self):
        pass


def test_slow_reader_gets_the_newest_frame_and_the_others_are_counted():
    source = NewestFrame('clockwork', lambda: Clockwork(1000), 'camera', 30.0, Bad().append)
    frames = iter(source)
    next(frames)
    time.sleep(0.2)
    late = next(frames)
    assert source.live and source.dropped >= 5
    assert 0 <= time.time_ns() - late.stamp_ns < 100_000_000
    source.close()
    assert list(frames) == []


def test_broken_source_is_told_and_connected_again():
    bad, attempts = Bad(), []

    def connect():
        attempts.append(1)
        if len(attempts) == 2:
            raise ConfigError('still unplugged')
        return Clockwork(2 if len(attempts) == 1 else 1000)

    source = NewestFrame('clockwork', connect, 'camera', 30.0, bad.append)
    stamps = [frame.stamp_ns for frame in itertools.islice(source, 6)]
    source.close()
    assert bad.kinds == ['stream', 'stream'] and 'unplugged' in str(bad[0])
    assert stamps == sorted(stamps)


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


def test_tcp_stream_of_jpegs_is_read_skips_a_damaged_one_and_is_connected_again():
    bad = Bad()
    with tcp_server(12) as port:
        source = opened(f'tcp://127.0.0.1:{port}', bad)
        frames = list(itertools.islice(source, 14))
        source.close()
    assert source.live and source.size == (64, 48)
    assert abs(int(frames[0].rgb[10, 10, 0]) - 40) < 6
    assert bad.kinds[:2] == ['compressed', 'stream']
    assert all(abs(frame.stamp_ns - time.time_ns()) < 60e9 for frame in frames)


def test_http_stream_of_jpegs_is_read_and_its_end_is_told(http_server):
    bad = Bad()
    source = opened(f'{http_server}/video', bad)
    frames = list(itertools.islice(source, 10))
    time.sleep(0.4)
    source.close()
    assert abs(int(frames[0].rgb[10, 10, 0]) - 40) < 6
    assert bad.kinds[:2] == ['compressed', 'stream']


def test_web_page_is_no_stream(http_server):
    with pytest.raises(ConfigError, match='is a page'):
        opened(f'{http_server}/index.html')


def test_server_that_stays_silent_is_refused_within_five_seconds(http_server):
    start = time.monotonic()
    with pytest.raises(ConfigError, match='cannot be reached'):
        opened(f'{http_server}/silent')
    assert time.monotonic() - start < 5


def test_fault_in_the_reading_thread_reaches_the_reader():
    class Faulty(Clockwork):
        def read(self):
            raise ZeroDivisionError('a fault of ours')

    source = NewestFrame('faulty', lambda: Faulty(1), 'camera', 30.0, Bad().append)
    with pytest.raises(ZeroDivisionError):
        next(iter(source))
