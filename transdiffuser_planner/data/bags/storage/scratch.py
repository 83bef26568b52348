"""Temporary copies of storage files: unpacked ones, and databases whose log must be applied."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.data.bags.storage.compression import ZstdError, open_zstd

_NO_SPACE = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_BLOCK = 1 << 20


class Scratch:
    """A temporary folder that exists from its first use until it is closed.

    Args:
        where: Path of the bag, for messages.
    """

    def __init__(self, where: Path) -> None:
        self._where = where
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._count = 0

    def unpack(self, file: Path, name: str) -> Path:
        """Unpack a file that was compressed with zstd as a whole, without holding it in memory.

        Args:
            file: Compressed file.
            name: Name of the copy.

        Raises:
            RecordingError: The file is damaged or the temporary folder is full.
        """
        try:
            with open_zstd(file) as source:
                return self._fill(name, source, file.name)
        except (ZstdError, EOFError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise RecordingError(
                f"bag {self._where}: {file.name} cannot be unpacked ({reason}); it is damaged"
            ) from None

    def copy(self, file: Path, *suffixes: str) -> Path:
        """Copy a file and those with a suffix added to its name.

        Args:
            file: File to copy.
            suffixes: Added to its name, such as "-wal".

        Returns:
            The copy.

        Raises:
            RecordingError: A file cannot be read, or the temporary folder is full.
        """
        self._count += 1
        out = Path()
        for suffix in (*reversed(suffixes), ""):
            part = file.with_name(file.name + suffix)
            try:
                with part.open("rb") as source:
                    out = self._fill(f"{self._count}_{part.name}", source, part.name)
            except OSError as error:
                raise RecordingError(f"bag {self._where}: {part.name} cannot be read ({error.strerror})") from None
        return out

    def _fill(self, name: str, source: Any, what: str) -> Path:
        out: Path = self._writing(lambda: self._root() / name, what)
        copy: BinaryIO = self._writing(lambda: out.open("wb"), what)
        try:
            while block := source.read(_BLOCK):
                self._writing(lambda block=block: copy.write(block), what)  # type: ignore[misc]
            self._writing(copy.flush, what)
        finally:
            self._writing(copy.close, what)
        return out

    def _root(self) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="readable_bag_", ignore_cleanup_errors=True)
        return Path(self._folder.name)

    def _writing(self, step: Callable[[], Any], what: str) -> Any:
        """Run one step; its errors concern the temporary folder, not the bag.

        Raises:
            RecordingError: The folder is full or cannot be written.
        """
        try:
            return step()
        except OSError as error:
            folder = os.environ.get("TMPDIR") or tempfile.tempdir or "/tmp"
            is_full = error.errno in _NO_SPACE
            state = f"is full ({_free(folder)})" if is_full else f"cannot be written ({error.strerror or error})"
            raise RecordingError(
                f"bag {self._where}: {what} must be unpacked or copied into the temporary folder {folder}, which {state}; "
                "make room there, or choose another folder with the environment variable TMPDIR"
            ) from None

    def close(self) -> None:
        """Remove the copies."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _free(folder: str) -> str:
    try:
        return f"{shutil.disk_usage(folder).free / 1e6:.0f} MB free, or a limit on the size of files"
    except OSError:
        return "no room for the file"
