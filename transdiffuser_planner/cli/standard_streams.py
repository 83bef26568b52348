"""Standard output and errors of the program, wherever they lead: a closed pipe, a full disk, a terminal of another alphabet.

Output that no program reads any more must not stop the work: the files that were requested are written all the same.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, Final, TextIO

_UTF8: Final = "utf-8"


def use_utf8() -> None:
    """Start this program again in Python's UTF-8 mode where file names would be ASCII, as in the locale C.

    In such a locale a name like "Prüfung" in a bag's metadata could neither be opened nor printed.
    """
    if sys.getfilesystemencoding().lower() == _UTF8 or os.environ.get("PYTHONUTF8") == "1":
        return
    environment = {**os.environ, "PYTHONUTF8": "1"}
    with contextlib.suppress(OSError):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def open_missing_streams() -> None:
    """Open closed standard streams on /dev/null, so that no other file gets their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


class _Stream:
    """A text stream that ends quietly: after the first failure all output is discarded.

    Attributes:
        failure: The first failure that is not a closed pipe, if any.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        with self._discarding():
            return self._stream.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        with self._discarding():
            self._stream.flush()

    @contextlib.contextmanager
    def _discarding(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                self.failure = self.failure or error
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())  # also for what is still buffered, at exit
            os.close(null)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def enduring_streams() -> Iterator[list[OSError]]:
    """Replace stdout and stderr by streams that end quietly, and escape what their encoding does not have.

    Yields:
        Filled on leaving: failures of stdout other than a closed pipe, as a full disk.
    """
    failures: list[OSError] = []
    before = sys.stdout, sys.stderr
    output, errors = (_Stream(_escaping(stream)) for stream in before)
    sys.stdout, sys.stderr = output, errors  # type: ignore[assignment]
    try:
        yield failures
    finally:
        output.flush()
        errors.flush()
        sys.stdout, sys.stderr = before
        failures += [output.failure] if output.failure is not None else []


def _escaping(stream: TextIO | None) -> TextIO:
    if stream is None:  # closed when the program started
        return open(os.devnull, "w", encoding=_UTF8)
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    return stream
