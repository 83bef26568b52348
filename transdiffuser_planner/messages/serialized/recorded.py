"""Messages of a bag -> objects, as the node reads them: by the bag's own definitions, texts that are no UTF-8 included."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any

from transdiffuser_planner.messages.definitions import fields_of, typestore
from transdiffuser_planner.messages.serialized.path import PATH
from transdiffuser_planner.messages.serialized.read_message import read_message


class _LenientBytes(bytes):
    """Bytes of which every part decodes as text, with wrong letters replaced, for a library that knows no such option."""

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        return _LenientBytes(part) if isinstance(part, bytes) else part

    def __bytes__(self) -> bytes:
        return self

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return super().decode(encoding, "replace")


def _is_about_text(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, is about a text that is no UTF-8."""
    while error is not None and not isinstance(error, UnicodeDecodeError):
        error = error.__cause__ or error.__context__
    return error is not None


@lru_cache(maxsize=100)
def _knows_path(store: Any) -> bool:
    """Whether a bag defines paths as ROS 2 does; other fields are rare, and left to the library."""
    return fields_of(store, PATH) == fields_of(typestore(), PATH)


def decode_recorded(store: Any, raw: bytes | memoryview, type_name: str) -> Any:
    """Decode a message of a bag.

    Args:
        store: rosbags' typestore with the definitions of the bag.
        raw: As recorded (CDR).
        type_name: Its type.

    Raises:
        Exception: It does not fit its definition; the library has many types of errors for that.
    """
    if type_name == PATH and _knows_path(store):
        return RecordedPath(store, raw)
    return _decode(store, raw, type_name)


class RecordedPath:
    """A path of a bag: header and positions at once, an object for every pose only for those who ask.

    Args:
        store: See ``decode_recorded``.
        raw: As recorded (CDR).

    Attributes:
        header: Its header.
        xy_N2: Positions, meters.
    """

    def __init__(self, store: Any, raw: bytes | memoryview) -> None:
        read = read_message(raw, PATH)
        self.header, self.xy_N2 = read.header, read.xy_N2
        self._store, self._raw = store, bytes(raw)

    def __deepcopy__(self, memo: dict[int, Any]) -> RecordedPath:
        other = copy.copy(self)
        other.header = copy.deepcopy(self.header, memo)
        return other

    @property
    def poses(self) -> Any:
        """All poses, as in nav_msgs/Path."""
        return _decode(self._store, self._raw, PATH).poses


def _decode(store: Any, raw: bytes | memoryview, type_name: str) -> Any:
    try:
        return store.deserialize_cdr(raw, type_name)
    except Exception as error:
        if not _is_about_text(error):
            raise
        return store.deserialize_cdr(_LenientBytes(raw), type_name)
