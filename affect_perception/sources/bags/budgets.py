"""Limits on what a bag may unpack to: bytes of a chunk, a message or a file, and arrays of message definitions.

A bag of 300 kB can claim 10 GB. The limits are far above what recorders write: rosbag2 closes a chunk at 1 MB, and the
largest image that the package reads has 100 MB. `install` puts the bounded decompressors into the rosbags package,
whose own ones have no limit.
"""

from __future__ import annotations

import bz2
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lz4.frame import LZ4FrameDecompressor
from rosbags.rosbag1 import reader as rosbag1_reader
from rosbags.rosbag2 import storage_mcap

try:
    from compression import zstd  # Python 3.14
except ImportError:
    from backports import zstd

LARGEST_CHUNK = 112 * 2**20  # bytes, of a chunk or a message
_PIECE = 2**20
_FILE_FACTOR, _FILE_FREE = 200, 256 * 2**20  # a .zstd file: this many times its size, and so much for small ones
_DISK_RESERVE = 64 * 2**20  # left free where it is unpacked, or a tenth of a small disk
_LARGEST_DEFINITION = 2**19  # characters
_MOST_ELEMENTS = 100_000  # of all fixed arrays of a message together


class TooLargeError(ValueError):
    """Data that would unpack to more than the limit; the text says what and how much is allowed."""


def unpack_zstd(data: bytes, limit: int = LARGEST_CHUNK) -> bytes:
    """Decompress Zstandard frames; TooLargeError above `limit` bytes, before they are in memory."""
    out = b''
    while data:
        decompressor = zstd.ZstdDecompressor()
        out += _bounded(decompressor, data, limit - len(out))
        data = decompressor.unused_data
    return out


def unpack_lz4(data: bytes, limit: int = LARGEST_CHUNK) -> bytes:
    """Decompress an LZ4 frame, with the limit of `unpack_zstd`."""
    return _bounded(LZ4FrameDecompressor(), data, limit)


def unpack_bz2(data: bytes, limit: int = LARGEST_CHUNK) -> bytes:
    """Decompress a bzip2 stream, with the limit of `unpack_zstd`."""
    return _bounded(bz2.BZ2Decompressor(), data, limit)


def _bounded(decompressor: Any, data: bytes, limit: int) -> bytes:
    out: bytes = decompressor.decompress(data, max_length=limit + 1)
    if len(out) > limit:
        raise TooLargeError(f'it unpacks to more than {LARGEST_CHUNK >> 20} MB')
    if not decompressor.eof:
        raise ValueError('compressed data ends too early')
    return out


def _whole(data: bytes, size: int) -> bytes:
    _check_size(size)
    return data


def _check_size(size: int) -> None:
    if size > LARGEST_CHUNK:
        raise TooLargeError(f'it claims {size / 1e6:.0f} MB; wanted {LARGEST_CHUNK >> 20} MB or less')


def unpack_chunk(data: bytes, compression: str, size: int) -> bytes:
    """Decompress an MCAP chunk that claims `size` bytes; ValueError for an unknown or damaged compression."""
    _check_size(size)
    if compression not in storage_mcap.DECOMPRESSORS:
        raise ValueError(f'no compression {compression!r}')
    return storage_mcap.DECOMPRESSORS[compression](data, size)


def install() -> None:
    """Replace the decompressors of the rosbags package by the bounded ones."""
    storage_mcap.DECOMPRESSORS.update(
        {
            '': _whole,
            'lz4': lambda data, size: unpack_lz4(_claims(data, size)),
            'zstd': lambda data, size: unpack_zstd(_claims(data, size)),
        }
    )
    rosbag1_reader.decompressors.update({'bz2': unpack_bz2, 'lz4': unpack_lz4})


def _claims(data: bytes, size: int) -> bytes:
    _check_size(size)
    return data


def unpack_file(packed: Path, plain: Path) -> bool:
    """Decompress a Zstandard file; returns whether it is whole. TooLargeError: for its size, or for the disk."""
    limit = _FILE_FREE + _FILE_FACTOR * packed.stat().st_size
    written = 0
    with zstd.open(packed, 'rb') as source, plain.open('wb') as target:
        while True:
            try:
                block = source.read(_PIECE)
            except (EOFError, zstd.ZstdError):  # the part decompressed so far is read
                return False
            if not block:
                return True
            written += len(block)
            if written > limit:
                raise TooLargeError(f'{packed} unpacks to more than {limit / 1e6:.0f} MB; decompress it yourself')
            if written % (16 * _PIECE) < _PIECE:
                disk = shutil.disk_usage(plain.parent)
                if disk.free < min(_DISK_RESERVE, disk.total // 10):
                    raise TooLargeError(f'{packed} does not fit into {plain.parent.parent}; set TMPDIR to another disk')
            target.write(block)


def check_definition(text: str) -> None:
    """Raise TooLargeError for the text of a message definition that would take seconds to parse."""
    if len(text) > _LARGEST_DEFINITION:
        raise TooLargeError(f'its definition has {len(text)} characters; wanted {_LARGEST_DEFINITION} or less')


def check_arrays(types: Mapping[str, Any]) -> None:
    """Raise TooLargeError for message types (as rosbags parses them) with fixed arrays of too many elements."""
    counts: dict[str, int] = {}
    for name in types:
        _count(name, types, counts, ())


def _count(name: str, types: Mapping[str, Any], counts: dict[str, int], above: tuple[str, ...]) -> int:
    """Number of elements of the fixed arrays of message type `name`, those of its fields included."""
    if name in above:
        raise TooLargeError(f'message type {name} contains itself')
    if name not in counts:
        fields = types[name][1] if name in types else []
        counts[name] = sum(_elements(kind, types, counts, (*above, name)) for _, kind in fields)
        if counts[name] > _MOST_ELEMENTS:
            text = f'message type {name} has fixed arrays of {counts[name]} elements'
            raise TooLargeError(f'{text}; wanted {_MOST_ELEMENTS} or less')
    return counts[name]


def _elements(kind: Any, types: Mapping[str, Any], counts: dict[str, int], above: tuple[str, ...]) -> int:
    node, given = kind  # rosbags: (BASE, ..), (NAME, name), (ARRAY, (inner, count)), (SEQUENCE, (inner, bound))
    if isinstance(given, str):
        return max(_count(given, types, counts, above), 1)
    inner, count = given
    if not isinstance(inner, tuple):
        return 1
    each = _elements(inner, types, counts, above)
    if node.name == 'SEQUENCE' and inner[1] in types and not types[inner[1]][1]:
        raise TooLargeError(f'a list of {inner[1]}, which has no fields, may claim any length')
    return each * count if node.name == 'ARRAY' else each
