"""Reader of dlib's primitive types from bytes, in sequence; every step is checked.

Integers are a length byte (top bit: negative) and as many little-endian bytes, floats are two such integers (mantissa,
exponent of 2), strings have their length in front, tensors are four sizes and little-endian float32.
Source: dlib's serialize.h, float_details.h and cuda/tensor.h (Davis King, Boost licence).
"""

from __future__ import annotations

import math

import numpy as np


class FormatError(Exception):
    """The bytes do not continue with the expected type."""


class DlibStream:
    """Cursor over `data`; each method reads one value and raises FormatError if the bytes cannot be of its type."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """Read `count` bytes."""
        if count > len(self._data) - self._at:
            raise FormatError(f'ends after {len(self._data)} bytes')
        self._at += count
        return self._data[self._at - count : self._at]

    def end(self) -> None:
        """Check that nothing is left."""
        if self._at != len(self._data):
            raise FormatError(f'{len(self._data) - self._at} bytes follow the end of the network')

    def integer(self) -> int:
        """Read an integer of up to 8 bytes."""
        head = self.take(1)[0]
        if not 1 <= head & 0x0F <= 8 or head & 0x70:
            raise FormatError(f'no number at byte {self._at - 1}')
        value = int.from_bytes(self.take(head & 0x0F), 'little')
        return -value if head & 0x80 else value

    def expect(self, *allowed: int) -> int:
        """Read an integer that must be one of `allowed`, usually the version of a type."""
        if (value := self.integer()) not in allowed:
            raise FormatError(f'version {value} at byte {self._at - 1}, known: {allowed}')
        return value

    def real(self) -> float:
        """Read a finite float."""
        mantissa, exponent = self.integer(), self.integer()
        if not -1100 < exponent < 1024:  # beyond lie infinity, not-a-number and nonsense
            raise FormatError(f'no finite number before byte {self._at}')
        return math.ldexp(mantissa, exponent)

    def boolean(self) -> bool:
        """Read a boolean, the character 0 or 1."""
        if (character := self.take(1)) not in (b'0', b'1'):
            raise FormatError(f'neither 0 nor 1 at byte {self._at - 1}')
        return character == b'1'

    def text(self) -> str:
        """Read a name of up to 64 characters."""
        length = self.integer()
        if not 0 <= length <= 64:
            raise FormatError(f'no name at byte {self._at}')
        return self.take(length).decode('latin-1')

    def sizes(self) -> tuple[int, int, int, int]:
        """Read the four sizes of a tensor: samples, channels, rows, columns."""
        sizes = self.integer(), self.integer(), self.integer(), self.integer()
        if min(sizes) < 0 or math.prod(sizes) * 4 > len(self._data):
            raise FormatError(f'a tensor of size {sizes} before byte {self._at}')
        return sizes

    def tensor(self) -> np.ndarray:
        """Read a tensor, float32 with four axes; all values must be finite."""
        self.expect(2)
        sizes = self.sizes()
        values = np.frombuffer(self.take(4 * math.prod(sizes)), '<f4').astype(np.float32)
        if not np.isfinite(values).all():
            raise FormatError(f'weights that are not finite before byte {self._at}')
        return values.reshape(sizes)

    def view(self) -> tuple[int, int, int, int]:
        """Read the shape of a part of another tensor (dlib's alias_tensor)."""
        self.expect(1)
        return self.sizes()
