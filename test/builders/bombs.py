"""Image files that ask their decoder for far more memory or time than their bytes, made here from their formats."""

import contextlib
import re
import struct
import sys
import zlib
from pathlib import Path


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def png(width: int, height: int, *extra: bytes, idat: bytes = b'') -> bytes:
    head = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + head + b''.join(extra) + chunk(b'IDAT', idat) + chunk(b'IEND', b'')


def jpeg(width: int, height: int, scans: int = 1, components: int = 3, sof: int = 0xC0) -> bytes:
    parts = b''.join(bytes((i + 1, 0x11, 0)) for i in range(components))
    frame = struct.pack('>BHHB', 8, height, width, components) + parts
    scan = b'\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x00'
    return b'\xff\xd8\xff' + bytes((sof,)) + struct.pack('>H', len(frame) + 2) + frame + scan * scans + b'\xff\xd9'


def tiff(width: int, height: int, *tags: tuple[int, int, int, int]) -> bytes:
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (277, 3, 1, 3), *tags]
    ifd = struct.pack('<H', len(entries)) + b''.join(struct.pack('<HHII', *entry) for entry in sorted(entries))
    return b'II*\0' + struct.pack('<I', 8) + ifd + bytes(4)


def webp(kind: bytes, body: bytes) -> bytes:
    return b'RIFF' + struct.pack('<I', len(body) + 12) + b'WEBP' + kind + struct.pack('<I', len(body)) + body


TEXT = zlib.compress(bytes(7_900_000))  # a compressed text of 8 MB, the most that libpng takes by default

BOMBS = {
    'png with a chunk of 2 GB': b'\x89PNG\r\n\x1a\n' + struct.pack('>I4s', 0x7FFFFFFF, b'IHDR') + bytes(33),
    'png of 2 billion columns': png(2**31 - 1, 1),
    'png with 300 texts of 8 MB': png(64, 64, *[chunk(b'zTXt', b'k\0\0' + TEXT)] * 300),
    'png of 200,000 empty chunks': png(64, 64, *[chunk(b'IDAT', b'')] * 200_000),
    'jpeg of 65500 x 65500': jpeg(65500, 65500),
    'jpeg of 2000 scans': jpeg(7680, 4320, scans=2000, sof=0xC2),
    'jpeg of 10 components': jpeg(7680, 4320, components=10, sof=0xC2),
    'progressive jpeg of 4 full components': jpeg(7680, 4320, components=4, sof=0xC2),
    'webp of 16383 x 16383': webp(b'VP8L', b'\x2f' + struct.pack('<I', 0x3FFF | 0x3FFF << 14) + bytes(9)),
    'animated webp': webp(b'VP8X', b'\x02' + bytes(3) + b'\xff\xff\0\xff\xff\0'),
    'tiff of 60000 x 60000': tiff(60000, 60000),
    'tiff with a tile of 60000 x 60000': tiff(640, 480, (322, 4, 1, 60000), (323, 4, 1, 60000)),
    'tiff with a tag of 4 billion values': tiff(640, 480, (273, 4, 2**32 - 1, 8)),
    'tiff of 60000 samples': tiff(640, 480, (277, 3, 1, 60000)),
    'bmp of 2 billion columns': b'BM' + bytes(12) + struct.pack('<Iii', 40, 2**31 - 1, 100) + bytes(28),
    'pnm of 99999 x 99999': b'P6 99999 99999 255 ' + bytes(100),
    'jpeg 2000': b'\0\0\0\x0cjP  \r\n\x87\n' + bytes(1000),
    'gif': b'GIF89a\xff\xff\xff\xff' + bytes(100),
    'openexr': b'v/1\x01' + bytes(100),
    'avif': b'\0\0\0\x1cftypavif' + bytes(100),
}


def peak_mb() -> int:
    """Most memory that this process has had, in MB; unlike ru_maxrss it is not inherited from the parent."""
    return int(re.findall(r'VmHWM:\s+(\d+)', Path('/proc/self/status').read_text())[0]) // 1024


def decode_all() -> int:
    """Decode every bomb; returns the growth of the most memory in MB."""
    from affect_perception.core.images.compressed import FILES, decode_compressed
    from affect_perception.errors import BadInputError

    before = peak_mb()
    for data in BOMBS.values():
        with contextlib.suppress(BadInputError):
            decode_compressed(data, accepted=FILES)
    return peak_mb() - before


if __name__ == '__main__':
    sys.stdout.write(f'{decode_all()}\n')
