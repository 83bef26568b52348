"""Reads values of a CDR stream one after the other: numbers, texts, and arrays as views. Lengths are checked before use."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CODES = {
    "bool": "?",
    "uint8": "B",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "float32": "f",
    "float64": "d",
}
_DTYPES = {"uint8": "u1", "uint16": "u2", "float64": "f8"}
_PACKED = {order: {name: struct.Struct(order + code) for name, code in _CODES.items()} for order in "<>"}
_ENCAPSULATION = 4
ENDS_EARLY = "the message ends early"
"""Without numbers, as equal reasons are counted together."""


class CdrReader:
    """A position in a serialized message.

    Attributes:
        order: "<" or ">", of all its numbers.
        data: The message after its encapsulation, which alignment counts from.
        at: Offset of the next value in ``data``.
    """

    __slots__ = ("_packed", "at", "data", "order")

    def __init__(self, raw: bytes | memoryview) -> None:
        """Read the encapsulation.

        Args:
            raw: The whole message.

        Raises:
            ValueError: It is shorter, or of another encoding than plain CDR.
        """
        if len(raw) < _ENCAPSULATION:
            raise ValueError(ENDS_EARLY)
        if raw[0] != 0 or raw[1] > 1:
            raise ValueError("the encoding is not plain CDR")
        self.order = "<" if raw[1] else ">"
        self._packed = _PACKED[self.order]
        self.data = memoryview(raw)[_ENCAPSULATION:]
        self.at = 0

    def align(self, size: int) -> None:
        """Skip the padding before a number of that many bytes."""
        self.at = (self.at + size - 1) & -size

    def number(self, kind: str) -> Any:
        """Read a number.

        Args:
            kind: As in .msg files.

        Raises:
            ValueError: The message ends before it.
        """
        packed = self._packed[kind]
        at = (self.at + packed.size - 1) & -packed.size
        self.at = at + packed.size
        if self.at > len(self.data):
            raise ValueError(ENDS_EARLY)
        return packed.unpack_from(self.data, at)[0]

    def text(self) -> str:
        """Read a string; bytes that are no UTF-8 are replaced.

        Raises:
            ValueError: The message ends before it.
        """
        size = self.number("uint32")
        if size > len(self.data) - self.at:
            raise ValueError(ENDS_EARLY)
        content = bytes(self.data[self.at : self.at + size])
        self.at += size
        return content.removesuffix(b"\0").decode(errors="replace")

    def count(self) -> int:
        """Read the length of a sequence."""
        return int(self.number("uint32"))

    def numbers(self, kind: str, count: int) -> NDArray[Any]:
        """Read an array as a view of the message.

        Args:
            kind: Of its elements, as in .msg files.
            count: Number of elements.

        Raises:
            ValueError: The message ends before the last.
        """
        dtype = np.dtype(self.order + _DTYPES[kind])
        if count:
            self.align(dtype.itemsize)
        if count * dtype.itemsize > len(self.data) - self.at:
            raise ValueError(ENDS_EARLY)
        found = np.frombuffer(self.data, dtype=dtype, count=count, offset=self.at) if count else np.zeros(0, dtype)
        self.at += count * dtype.itemsize
        return found
