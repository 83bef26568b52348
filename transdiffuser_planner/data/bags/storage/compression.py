"""Compression, and decompression of chunks and messages, with limits on what wrong bytes can claim."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd  # comes with rosbags

ZstdError = zstd.ZstdError
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"


FAST_LEVEL: Final = 1


class CompressionError(Exception):
    """Compressed data is damaged, or its compression is unknown."""


def fast_zstd(data: bytes) -> bytes:
    """Compress at a level that costs a quarter of the usual time.

    Args:
        data: Any bytes.
    """
    packed: bytes = zstd.compress(data, level=FAST_LEVEL)
    return packed


def _lz4(data: bytes, size: int) -> bytes:
    import lz4.frame  # type: ignore[import-untyped]  # comes with rosbags

    unpacked: bytes = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=size + 1)
    return unpacked


def _zstd(data: bytes, size: int) -> bytes:
    parts, left, rest = [], size + 1, data
    while rest and left > 0:
        unpacker = zstd.ZstdDecompressor()
        part = unpacker.decompress(rest, max_length=left)
        if not unpacker.eof and len(part) < left:
            raise CompressionError("its end is missing")
        parts.append(part)
        left -= len(part)
        rest = unpacker.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)


_KINDS: dict[str, Callable[[bytes, int], bytes]] = {
    "": lambda data, _: data,
    "none": lambda data, _: data,
    "lz4": _lz4,
    "zstd": _zstd,
}


def unpack_chunk(data: bytes, kind: str, size: int) -> bytes:
    """Decompress a chunk.

    Args:
        data: Compressed bytes.
        kind: "", lz4 or zstd.
        size: Number of bytes that it must have.

    Raises:
        CompressionError: Unknown compression, damaged data, or another size.
    """
    if kind not in _KINDS:
        raise CompressionError(
            f"unsupported compression '{kind}'; rewrite the bag with 'ros2 bag convert' to zstd or none"
        )
    unpacked = _guarded(_KINDS[kind], data, size)
    if len(unpacked) != size:
        raise CompressionError(f"it unpacks to another size than {size} bytes")
    return unpacked


def unpack_message(data: bytes) -> bytes:
    """Decompress a message that was compressed on its own.

    Raises:
        CompressionError: It is damaged.
    """
    return _guarded(lambda packed, _: zstd.decompress(packed), data, 0)


def _guarded(unpack: Callable[[bytes, int], bytes], data: bytes, size: int) -> bytes:
    errors: tuple[Any, ...] = (zstd.ZstdError, EOFError, RuntimeError, MemoryError, OverflowError, ValueError)
    try:
        return unpack(data, size)
    except errors as error:
        raise CompressionError(f"cannot be unpacked: {str(error) or type(error).__name__}") from None


def open_zstd(path: Path) -> BinaryIO:
    """Open a file that was compressed as a whole, for reading."""
    return cast(BinaryIO, zstd.open(path, "rb"))
