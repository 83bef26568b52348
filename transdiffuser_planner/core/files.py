"""Files that users name: text is read with or without a byte order mark, and written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from transdiffuser_planner.core.errors import OutputError

PARTIAL = ".partial"
"""Suffix of the name of an incomplete file or folder."""
_PROBE = ".writable_"
"""Start of the name of a file that is created and removed at once."""
_REMEDIES = {
    errno.ENOSPC: "free some space, or give a path on another disk",
    errno.EDQUOT: "free some space, or give a path on another disk",
    errno.EFBIG: "raise the limit of the size of files (ulimit -f unlimited), or give a path on another disk",
}


def read_text(path: str | Path) -> str:
    """Read UTF-8 text; a byte order mark, as editors of Windows write it, is left out.

    Args:
        path: The file.

    Raises:
        OSError: The file cannot be read.
        UnicodeDecodeError: It is not UTF-8.
    """
    return Path(path).read_text(encoding="utf-8-sig")


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8 and create its folder. After a failure the previous file, if any, is unchanged.

    Args:
        path: File to write; a pipe or a device is written directly.
        text: Its content; what is no Unicode, as bytes of a file's name, is escaped.

    Raises:
        OutputError: It cannot be written.
    """
    target = Path(path)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(target, text.encode("utf-8", errors="backslashreplace"))


@contextlib.contextmanager
def writing(path: Path, partial: Path | None = None) -> Iterator[None]:
    """Turn an error of the system into one line with the result's path, the reason and the next step.

    Args:
        path: The result that is written in the context.
        partial: Incomplete file or folder of it; removed after an error.

    Yields:
        Once.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        yield
    except (OSError, OutputError) as error:
        if partial is not None:
            _remove(partial)
        if isinstance(error, OutputError):  # of a part of the result
            raise OutputError(str(error).replace(str(partial), str(path))) from None
        raise OutputError(f"{path}: cannot be written ({reason(error, path)}); {remedy(error)}") from None


def reason(error: OSError, path: Path | None = None) -> str:
    """Describe an error of the system in a few words.

    Args:
        error: The error.
        path: File that the reader knows of; another one is named.
    """
    text = error.strerror or (str(error).splitlines() or [type(error).__name__])[0]
    culprit = error.filename
    is_other = isinstance(culprit, str) and (path is None or Path(culprit) not in (path, _partial(path)))
    is_other = is_other and _PROBE not in str(culprit)
    return f"{text}: {culprit}" if is_other else text


def remedy(error: OSError) -> str:
    """Return the next step after an error of writing.

    Args:
        error: The error.
    """
    if error.errno is None:  # NumPy reports a full disk without its number
        return "free some space, or give a path that can be written"
    return _REMEDIES.get(error.errno, "give a path that can be written")


def describe(error: OSError) -> str:
    """Describe an error of the system that no part of the program expected: reason and, where known, the next step.

    Args:
        error: The error.
    """
    text = reason(error)
    if "temporary" in text:  # Python tried all folders that it knows
        return f"{text}; set TMPDIR to a folder that can be written"
    if error.errno in _REMEDIES:
        return f"{text}; {remedy(error)} (TMPDIR chooses the folder of temporary files)"
    return text


def why_not_writable(path: Path, *, is_folder: bool) -> str:
    """Find out whether a file or folder can be written, without leaving anything behind.

    Permissions mean little to root, and nothing on a read-only disk; therefore it is tried, in the nearest existing folder.

    Args:
        path: File or folder, which need not exist.
        is_folder: A folder is to be written.

    Returns:
        The reason, empty when it can be written.
    """
    try:
        if path.is_dir():
            if not is_folder:
                return "Is a directory"
            _try_file(path / f"{_PROBE}{os.getpid()}")
        elif path.exists() and is_folder:
            return "Not a directory"
        elif path.is_file():
            path.open("ab").close()
        elif not path.exists():
            _try_new(path, is_folder=is_folder)
    except OSError as error:
        return reason(error, path)
    return ""


def cache_folder() -> Path:
    """Return the folder for what can be computed again: $XDG_CACHE_HOME, ~/.cache, or without a home the temporary folder's."""
    named = os.environ.get("XDG_CACHE_HOME")
    if named:
        return Path(named) / "transdiffuser_planner"
    try:
        return Path.home() / ".cache" / "transdiffuser_planner"
    except RuntimeError:  # HOME is not set, and the user is not in /etc/passwd, as in many containers
        return Path(tempfile.gettempdir()) / f"transdiffuser_planner_{os.getuid()}"


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it can be."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        path.unlink()


def _partial(path: Path) -> Path:
    return path.with_name(path.name + PARTIAL)


def _write_whole(target: Path, data: bytes) -> None:
    """Write to a temporary name and rename; in place where that is not possible: a device, a link, a mounted file."""
    partial = _partial(target)
    is_special = os.path.lexists(target) and (target.is_symlink() or not target.is_file())
    if is_special or (target.exists() and why_not_writable(partial, is_folder=False)):
        target.write_bytes(data)
        return
    try:
        partial.write_bytes(data)
        if target.exists():
            shutil.copymode(target, partial)
        with contextlib.suppress(OSError):  # a file mounted into a container cannot be replaced
            os.replace(partial, target)
            return
        target.write_bytes(data)
    finally:
        _remove(partial)


def _try_new(path: Path, *, is_folder: bool) -> None:
    """Create and remove the first missing part of a path.

    Raises:
        OSError: It cannot be created, or the disk is full.
    """
    missing = path
    while not os.path.lexists(missing.parent):
        missing = missing.parent
    if missing == path and not is_folder:
        _try_file(path)
        return
    missing.mkdir()
    try:
        _try_file(missing / f"{_PROBE}{os.getpid()}")
    finally:
        missing.rmdir()


def _try_file(path: Path) -> None:
    """Create and remove a file of one byte."""
    with path.open("xb") as file:
        try:
            file.write(b"\n")
            file.flush()
        finally:
            path.unlink()
