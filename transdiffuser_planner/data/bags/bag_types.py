"""Message types of a bag, from its own definitions; gaps are filled with the definitions of this project.

A definition that cannot be parsed, is incomplete, or does not fit its hash concerns its topic only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

from transdiffuser_planner.data.bags.storage.storage_file import CDR, ROS1, Channel
from transdiffuser_planner.messages.definitions import fields_of, referenced_types, typestore

_HEADER: Final = "std_msgs/msg/Header"
_RENAMED: Final = {"tf/msg/tfMessage": "tf2_msgs/msg/TFMessage"}
_IDL_SEPARATOR: Final = "=" * 80 + "\n"
_MSG, _IDL, _ROS1_MSG = "ros2msg", ("ros2idl", "omgidl"), "ros1msg"
_Types = dict[str, Any]


class BagTypes:
    """Typestores for the channels of a bag.

    Args:
        channels: All channels of all files of a drive.

    Attributes:
        problems: Topic -> why its messages cannot be decoded.
        notes: One line per definition that was replaced.
    """

    def __init__(self, channels: Iterable[Channel]) -> None:
        self.problems: dict[str, str] = {}
        self.notes: list[str] = []
        self._own = typestore()
        self._common: _Types = {}
        self._stores: dict[Channel, Any] = {}
        shared: list[tuple[Channel, _Types]] = []
        for channel in dict.fromkeys(channels):
            types = self._types(channel)
            if isinstance(types, str):
                self.problems.setdefault(channel.topic, types)
            elif all(
                name in self._own.fielddefs and self._own.fielddefs[name][1] == item[1] for name, item in types.items()
            ):
                self._stores[channel] = self._own
            elif all(item[1] == self._common[name][1] for name, item in types.items() if name in self._common):
                self._common |= types
                shared.append((channel, types))
            else:  # another bag of the drive, or another topic, has another definition of the same type
                self._add(channel, types)
        self._share(shared)
        for channel in list(self._stores):
            self._check_hash(channel)
        for channel in self._stores:  # a topic with one odd description among several can be decoded
            self.problems.pop(channel.topic, None)

    def _own_fields(self, name: str) -> Any:
        return self._own.fielddefs[name][1] if name in self._own.fielddefs else None

    def _share(self, shared: list[tuple[Channel, _Types]]) -> None:
        """Put definitions that agree into one typestore; code is generated once."""
        try:
            common = _registered(self._common)
        except Exception:  # one of them is odd: each on its own
            for channel, types in shared:
                self._add(channel, types)
            return
        for channel, _ in shared:
            self._stores[channel] = common

    def _add(self, channel: Channel, types: _Types) -> None:
        try:
            self._stores[channel] = _registered(types)
        except Exception as error:  # generated code refuses odd names in many ways
            self.problems.setdefault(
                channel.topic, f"its definition of {channel.type_name} cannot be used ({_line(error)})"
            )

    def _types(self, channel: Channel) -> _Types | str:
        """All definitions that a channel needs, or why there are none."""
        name = type_name(channel)
        if channel.encoding not in (CDR, ROS1):
            return f"its messages are encoded as {channel.encoding}, not as ROS 2's {CDR}"
        if not name:
            return "the bag names no type for it"
        problem, types = "", {}
        if channel.definition:
            try:
                types = dict(_parsed(channel.definition_encoding, channel.definition, name))
            except Exception as error:  # wrong text fails in many places of the parser
                problem = f"its definition of {name} ({channel.definition_encoding}) cannot be parsed: {_line(error)}"
        if name not in types:
            if name not in self._own.fielddefs:
                return problem or f"its type {name} is defined neither in the bag nor here"
            types = {}
            if problem:
                self.notes.append(f"{channel.topic}: {problem}; this version's definition is used")
        return self._completed(name, types)

    def _completed(self, name: str, types: _Types) -> _Types | str:
        """Add the types that a definition names and does not bring."""
        found: _Types = {}
        pending = [name]
        while pending:
            part = pending.pop()
            if part in found:
                continue
            item = types.get(part) or self._own.fielddefs.get(part)
            if item is None:
                return f"its definition of {name} names {part}, which is defined neither in the bag nor here"
            found[part] = item
            pending += referenced_types(item[1])
        return found

    def _check_hash(self, channel: Channel) -> None:
        """Compare a definition with the hash that the bag states; this version's definition is used where that fits."""
        name, expected = type_name(channel), channel.type_hash
        if not expected.startswith("RIHS01_") or channel.encoding != CDR:
            return
        try:
            if self._stores[channel].hash_rihs01(name) == expected:
                return
            fits = name in self._own.fielddefs and self._own.hash_rihs01(name) == expected
        except Exception:  # types without a hash, such as those with wide strings
            return
        if fits:
            self._stores[channel] = self._own
            self.notes.append(
                f"{channel.topic}: its definition of {name} does not fit its hash; this version's definition is used"
            )
        elif self._stores[channel] is not self._own:
            del self._stores[channel]
            self.problems.setdefault(
                channel.topic, f"its definition of {name} does not fit the hash that the bag states"
            )

    def store(self, channel: Channel) -> Any:
        """Typestore of a channel; None where its messages cannot be decoded."""
        return self._stores.get(channel)

    def fields(self, channel: Channel) -> dict[str, Any]:
        """Types of a channel, each with its fields; empty where it cannot be decoded."""
        store = self._stores.get(channel)
        return {} if store is None else fields_of(store, type_name(channel))

    def definition(self, channel: Channel) -> tuple[str, str] | None:
        """Definition (ros2msg text) and hash of a channel's type; None where it has none."""
        store, name = self._stores.get(channel), type_name(channel)
        if store is None:
            return None
        try:
            return store.generate_msgdef(name, ros_version=2)[0], store.hash_rihs01(name)
        except Exception:  # types that cannot be written, such as those with wide strings
            return None

    def to_cdr(self, channel: Channel, raw: bytes) -> bytes | memoryview:
        """Serialize a message of ROS 1 as ROS 2 does; others are returned unchanged.

        Args:
            channel: Its channel, which must have a typestore.
            raw: As recorded.
        """
        if channel.encoding != ROS1:
            return raw
        converted: memoryview = self._stores[channel].ros1_to_cdr(raw, type_name(channel))
        return converted


def type_name(channel: Channel) -> str:
    """Return the name of a channel's type in ROS 2.

    Args:
        channel: ROS 1 and some converters leave out the "msg" in the middle.
    """
    package, _, name = channel.type_name.rpartition("/")
    full = f"{package}/msg/{name}" if package and "/" not in package else channel.type_name
    return _RENAMED.get(full, full)


@lru_cache(maxsize=200)
def _parsed(form: str, text: str, name: str) -> _Types:
    """Parse a definition's text, once for all bags of a process that have it.

    Raises:
        ValueError: It is in a format that is not known.
    """
    from rosbags.typesys import get_types_from_idl, get_types_from_msg

    if form == _MSG:
        return dict(get_types_from_msg(text, name))
    if form == _ROS1_MSG:
        return dict(_in_ros2(get_types_from_msg(text, name)))
    if form not in _IDL:
        raise ValueError(f"it is neither {_MSG} nor ros2idl")
    if not text.startswith(f"{_IDL_SEPARATOR}IDL: "):
        return dict(get_types_from_idl(text))
    types: _Types = {}
    for part in text.split(_IDL_SEPARATOR)[1:]:
        types |= get_types_from_idl(part.split("\n", 1)[1])
    return types


def _in_ros2(types: _Types) -> Iterator[tuple[str, Any]]:
    """Yield definitions with ROS 2's in place of ROS 1's: the header's, and those that differ in the case of names only.

    Yields:
        Name and definition.
    """
    own = typestore().fielddefs
    for name, item in types.items():
        known = own.get(name)
        is_same = known is not None and [(f.lower(), kind) for f, kind in known[1]] == [
            (f.lower(), kind) for f, kind in item[1]
        ]
        yield name, known if is_same or name == _HEADER else item


def _registered(types: _Types) -> Any:
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.EMPTY)
    store.register(types)
    return store


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0] or type(error).__name__
