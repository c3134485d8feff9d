"""Servers of network streams, as cameras and broadcasters run them: RTSP, RTMP and, by files, HLS.

Each sends a portrait that moves, at its own rate, to one client after another; `drop` ends the connections.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import re
import socket
import struct
import threading
import time
from fractions import Fraction
from pathlib import Path

from builders.media import av, pictures

FPS, COUNT = 10, 20
LOGIN = ('anna', 's3cr:et@')
OPTIONS = {'preset': 'ultrafast', 'tune': 'zerolatency', 'qp': '24', 'g': '5', 'keyint_min': '5'}


def encode(path: Path | io.BytesIO, container_format: str, count: int = COUNT, **options: str) -> None:
    """Write `count` pictures at FPS as H.264 with a key frame every five, for streaming."""
    with av.open(str(path) if isinstance(path, Path) else path, 'w', format=container_format, options=options) as made:
        track = made.add_stream('libx264', rate=FPS, options=OPTIONS)
        track.width, track.height, track.pix_fmt, track.thread_count = 320, 240, 'yuv420p', 1
        for i, rgb in enumerate(pictures(count)):
            frame = av.VideoFrame.from_ndarray(rgb, format='rgb24')
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            made.mux(track.encode(frame))
        made.mux(track.encode(None))


class StreamServer:
    """Accepts clients on a free port and serves each in a thread by `_serve(socket)`; context manager."""

    def __init__(self) -> None:
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.port = self._listener.getsockname()[1]
        self.played = 0  # clients that pictures were sent to
        self._clients: list[socket.socket] = []
        self._stopped = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._listener.close()
        self.drop()

    def drop(self) -> None:
        """End all connections."""
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._clients.append(client)
                threading.Thread(target=self._run, args=(client,), daemon=True).start()

    def _run(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, ValueError, EOFError):
            self._serve(client)

    def _serve(self, client: socket.socket) -> None:
        raise NotImplementedError


class RtspServer(StreamServer):
    """RTSP 1.0 (RFC 2326) with H.264 in RTP, interleaved; `login` basic or digest asks for LOGIN."""

    def __init__(self, login: str = '') -> None:
        self._login = login
        stream = io.BytesIO()
        encode(stream, 'h264')
        units = [unit for unit in re.split(rb'\x00\x00\x00?\x01', stream.getvalue()) if unit]
        self._sets = [next(unit for unit in units if unit[0] & 31 == kind) for kind in (7, 8)]
        self._pictures = [unit for unit in units if unit[0] & 31 in (1, 5)]
        super().__init__()

    def _serve(self, client: socket.socket) -> None:
        file = client.makefile('rb')
        while line := file.readline().decode().strip():
            method, url, _ = line.split()
            fields = {}
            while head := file.readline().decode().strip():
                name, _, value = head.partition(': ')
                fields[name.lower()] = value
            answer, body = self._answer(method, url, fields)
            head = f'RTSP/1.0 {answer}\r\nCSeq: {fields["cseq"]}\r\nContent-Length: {len(body)}\r\n\r\n'
            client.sendall(head.encode() + body)
            if method == 'PLAY':
                self.played += 1
                threading.Thread(target=self._play, args=(client,), daemon=True).start()

    def _answer(self, method: str, url: str, fields: dict[str, str]) -> tuple[str, bytes]:
        if method != 'OPTIONS' and not self._is_known(method, fields.get('authorization', '')):
            ask = 'Basic realm="cam"' if self._login == 'basic' else 'Digest realm="cam", nonce="abc"'
            return f'401 Unauthorized\r\nWWW-Authenticate: {ask}', b''
        if method == 'OPTIONS':
            return '200 OK\r\nPublic: DESCRIBE, SETUP, PLAY, TEARDOWN', b''
        if method == 'DESCRIBE':
            return f'200 OK\r\nContent-Type: application/sdp\r\nContent-Base: {url}/', self._description()
        if method == 'SETUP':
            return '200 OK\r\nSession: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1', b''
        return '200 OK\r\nSession: 1', b''

    def _is_known(self, method: str, given: str) -> bool:
        if self._login == 'basic':
            return given == 'Basic ' + base64.b64encode(':'.join(LOGIN).encode()).decode()
        if self._login == 'digest':
            found = dict(re.findall(r'(\w+)="([^"]+)"', given))
            one = hashlib.md5(f'{LOGIN[0]}:cam:{LOGIN[1]}'.encode()).hexdigest()
            two = hashlib.md5(f'{method}:{found.get("uri")}'.encode()).hexdigest()
            return found.get('response') == hashlib.md5(f'{one}:abc:{two}'.encode()).hexdigest()
        return True

    def _description(self) -> bytes:
        sets = ','.join(base64.b64encode(unit).decode() for unit in self._sets)
        return (
            'v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n'
            'c=IN IP4 0.0.0.0\r\na=rtpmap:96 H264/90000\r\n'
            f'a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}\r\na=control:track1\r\n'
        ).encode()

    def _play(self, client: socket.socket) -> None:
        number, begin = 0, time.monotonic()
        with contextlib.suppress(OSError):
            while not self._stopped.is_set():
                unit = self._pictures[number % len(self._pictures)]
                head = struct.pack('>BBHII', 0x80, 0x80 | 96, number % 65536, number * 90000 // FPS, 7)
                client.sendall(struct.pack('>cBH', b'$', 0, len(head + unit)) + head + unit)
                number += 1
                time.sleep(max(begin + number / FPS - time.monotonic(), 0))


class RtmpServer(StreamServer):
    """RTMP 1.0 with H.264: handshake, connect, createStream and play; one chunk per message."""

    def __init__(self) -> None:
        stream = io.BytesIO()
        encode(stream, 'flv', flvflags='no_duration_filesize')
        self._tags = _flv_tags(stream.getvalue())
        super().__init__()

    def _serve(self, client: socket.socket) -> None:
        file = client.makefile('rb')
        hello = file.read(1537)
        client.sendall(b'\3' + bytes(1536) + hello[1:])
        file.read(1536)
        client.sendall(_message(2, 1, struct.pack('>I', 65536)))  # size of the chunks that follow
        for kind, body in _messages(file):
            if kind != 20:
                continue
            name, number = _command(body)
            if name == 'connect':
                self._reply(client, number, b'\3\0\0\x09', b'\3' + _pair('code', 'NetConnection.Connect.Success'))
            elif name == 'createStream':
                self._reply(client, number, b'\5', b'\0' + struct.pack('>d', 1.0))
            elif name == 'play':
                status = b'\3' + _pair('level', 'status', last=False) + _pair('code', 'NetStream.Play.Start')
                client.sendall(_message(3, 20, _text('onStatus') + b'\0' + bytes(8) + b'\5' + status, stream=1))
                self.played += 1
                threading.Thread(target=self._play, args=(client,), daemon=True).start()

    def _reply(self, client: socket.socket, number: bytes, first: bytes, second: bytes) -> None:
        client.sendall(_message(3, 20, _text('_result') + number + first + second))

    def _play(self, client: socket.socket) -> None:
        begin, shift_ms = time.monotonic(), 0
        with contextlib.suppress(OSError):
            while not self._stopped.is_set():
                for at_ms, kind, data in self._tags:
                    time.sleep(max(begin + (shift_ms + at_ms) * 1e-3 - time.monotonic(), 0))
                    client.sendall(_message(6, kind, data, shift_ms + at_ms, stream=1))
                shift_ms += COUNT * 1000 // FPS


def _flv_tags(data: bytes) -> list[tuple[int, int, bytes]]:
    """(time in ms, type, content) of every tag of pictures of an FLV file."""
    tags, at = [], 13
    while at < len(data):
        size = int.from_bytes(data[at + 1 : at + 4], 'big')
        if data[at] == 9:
            tags.append((int.from_bytes(data[at + 4 : at + 7], 'big'), 9, data[at + 11 : at + 11 + size]))
        at += 11 + size + 4
    return tags


def _message(chunk: int, kind: int, data: bytes, at_ms: int = 0, stream: int = 0) -> bytes:
    head = bytes([chunk]) + at_ms.to_bytes(3, 'big') + len(data).to_bytes(3, 'big') + bytes([kind])
    return head + stream.to_bytes(4, 'little') + data


def _messages(file):
    """(type, content) of the messages of a client, whose chunks have 128 bytes."""
    heads: dict[int, tuple[int, int]] = {}
    parts: dict[int, bytes] = {}
    size = 128
    while basic := file.read(1):
        form, chunk = basic[0] >> 6, basic[0] & 63
        head = file.read((11, 7, 3, 0)[form])
        if form < 2:
            heads[chunk] = (int.from_bytes(head[3:6], 'big'), head[6])
        length, kind = heads[chunk]
        data = parts.get(chunk, b'')
        data += file.read(min(length - len(data), size))
        parts[chunk] = data
        if len(data) == length:
            del parts[chunk]
            if kind == 1:
                size = int.from_bytes(data[:4], 'big')
            yield kind, data


def _command(body: bytes) -> tuple[str, bytes]:
    """Name of an AMF0 command and its number, as encoded."""
    length = int.from_bytes(body[1:3], 'big')
    return body[3 : 3 + length].decode(), body[3 + length : 12 + length]


def _text(text: str) -> bytes:
    return b'\2' + struct.pack('>H', len(text)) + text.encode()


def _pair(name: str, value: str, last: bool = True) -> bytes:
    return struct.pack('>H', len(name)) + name.encode() + _text(value) + (b'\0\0\x09' if last else b'')
