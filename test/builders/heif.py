"""HEIC photos made of HEVC pictures of PyAV: HEIF boxes (ISO/IEC 23008-12) around them, also as a grid of tiles."""

from __future__ import annotations

import io
import struct

import numpy as np
from builders.media import av


def box(kind: bytes, data: bytes) -> bytes:
    """An ISO base media box."""
    return struct.pack('>I', 8 + len(data)) + kind + data


def full_box(kind: bytes, data: bytes, version: int = 0, flags: int = 0) -> bytes:
    """A box with version and flags."""
    return box(kind, struct.pack('>I', version << 24 | flags) + data)


def hevc_picture(rgb: np.ndarray) -> tuple[bytes, bytes]:
    """(hvcC box, coded picture with lengths) of an image with even sides, as in an MP4 file."""
    made = io.BytesIO()
    with av.open(made, 'w', format='mp4') as container:
        options = {'preset': 'ultrafast', 'x265-params': 'log-level=none:keyint=1', 'crf': '12'}
        track = container.add_stream('libx265', rate=1, options=options)
        track.height, track.width = rgb.shape[:2]
        track.pix_fmt, track.thread_count, track.codec_tag = 'yuv420p', 1, 'hvc1'
        container.mux(track.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format='rgb24')))
        container.mux(track.encode(None))
    data = made.getvalue()
    at = data.index(b'hvcC') - 4
    configuration = data[at : at + int.from_bytes(data[at : at + 4], 'big')]
    with av.open(io.BytesIO(data)) as container:
        picture = next(bytes(packet) for packet in container.demux(video=0) if packet.size)
    return configuration, picture


def heic(rgb: np.ndarray, tile: int = 0, quarter_turns: int = 0) -> bytes:
    """A HEIC file of an image (H, W, 3); in tiles of `tile` px as phones write it, to be turned counter-clockwise."""
    height, width = rgb.shape[:2]
    side = (tile, tile) if tile else (width, height)
    rows, columns = -(-height // side[1]), -(-width // side[0])
    padded = np.pad(rgb, ((0, rows * side[1] - height), (0, columns * side[0] - width), (0, 0)), 'edge')
    coded = [
        hevc_picture(padded[y * side[1] : (y + 1) * side[1], x * side[0] : (x + 1) * side[0]])
        for y in range(rows)
        for x in range(columns)
    ]
    items = [(i + 1, b'hvc1', picture) for i, (_, picture) in enumerate(coded)]
    primary = 1
    references = b''
    if tile:
        primary = len(items) + 1
        grid = struct.pack('>BBBBHH', 0, 0, rows - 1, columns - 1, width, height)
        ids = b''.join(struct.pack('>H', i + 1) for i in range(len(coded)))
        references = full_box(b'iref', box(b'dimg', struct.pack('>HH', primary, len(coded)) + ids))
        items.append((primary, b'grid', grid))
    properties = [
        coded[0][0],
        full_box(b'ispe', struct.pack('>II', *side)),
        full_box(b'ispe', struct.pack('>II', width, height)),
        box(b'irot', bytes([quarter_turns])),
    ]
    return _file(items, primary, properties, references)


def _file(items: list[tuple[int, bytes, bytes]], primary: int, properties: list[bytes], references: bytes) -> bytes:
    linked = b''
    for number, kind, _ in items:
        used = [1, 2] if kind == b'hvc1' and number != primary else [1, 3, 4] if kind == b'hvc1' else [3, 4]
        linked += struct.pack('>HB', number, len(used)) + bytes(0x80 | i if i in (1, 4) else i for i in used)
    infos = b''.join(
        full_box(b'infe', struct.pack('>HH', number, 0) + kind + b'\0', 2, int(kind == b'hvc1' and number != primary))
        for number, kind, _ in items
    )
    content = b''.join(data for _, _, data in items)

    def meta(begin: int) -> bytes:
        places, at = b'', begin
        for number, _, data in items:
            places += struct.pack('>HHHII', number, 0, 1, at, len(data))
            at += len(data)
        return full_box(
            b'meta',
            full_box(b'hdlr', bytes(4) + b'pict' + bytes(13))
            + full_box(b'pitm', struct.pack('>H', primary))
            + full_box(b'iloc', b'\x44\0' + struct.pack('>H', len(items)) + places)
            + full_box(b'iinf', struct.pack('>H', len(items)) + infos)
            + references
            + box(
                b'iprp',
                box(b'ipco', b''.join(properties)) + full_box(b'ipma', struct.pack('>I', len(items)) + linked),
            ),
        )

    start = box(b'ftyp', b'heic' + bytes(4) + b'mif1heic')
    return start + meta(len(start) + len(meta(0)) + 8) + box(b'mdat', content)
