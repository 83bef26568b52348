"""Reads parameter files as ROS 2 does (rcl_yaml_param_parser), without ROS: sections, wildcards and types of values.

ROS 2 reads YAML in its own way: an octal 010 and a hexadecimal 0x10 are whole numbers, 2e-1 is a real number, aliases are
refused, and a section is used for every node that its name matches.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from transdiffuser_planner.core.errors import ConfigError

Sections = dict[str, dict[str, Any]]
"""Name of a node as in the file, perhaps with wildcards -> parameter name -> value; in order of first appearance."""

_KEY = "ros__parameters"
_NODE_NAME = re.compile(r"/?(?:[A-Za-z_]\w*|\*{1,2})(?:/(?:[A-Za-z_]\w*|\*{1,2}))*", re.ASCII)
_TRUE = {"Y", "y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}
_FALSE = {"N", "n", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
_WHOLE = re.compile(r"([+-]?)(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]*))", re.ASCII)
_REAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_HEX_REAL = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?\d+)?", re.ASCII)
_NO_NUMBER = re.compile(r"[+-]?(?:inf|infinity|nan(?:\(\w*\))?)", re.ASCII | re.IGNORECASE)
_DOTTED = {text for word in ("nan", "NaN", "NAN") for text in (f".{word}",)} | {
    f"{sign}.{word}" for word in ("inf", "Inf", "INF") for sign in ("", "+", "-")
}
_LARGEST = 2**63
_STRING_TAG = "tag:yaml.org,2002:str"
_KINDS = (bool, int, float, str, list, type(None))
"""A name that occurs twice in one section with values of two types keeps that of the first of these."""


def read_sections(path: Path) -> Sections:
    """Read a parameter file.

    Args:
        path: YAML file.

    Returns:
        The parameters of every section.

    Raises:
        ConfigError: The file cannot be read, or ROS 2 would refuse it; names the line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"parameter file {path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"parameter file {path}: not valid YAML ({error})") from None
    found: dict[str, dict[str, dict[type, Any]]] = {}
    try:
        events = yaml.parse(text, Loader=yaml.SafeLoader)
        for event in events:
            if isinstance(event, yaml.MappingStartEvent):
                _nodes(events, "", found)
            elif isinstance(event, yaml.NodeEvent):
                raise ConfigError(f"{_line(event)}: expected a node's name with {_KEY}: below")
    except ConfigError as refused:
        raise ConfigError(f"parameter file {path}: {refused}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"parameter file {path}: not valid YAML ({_first_line(error)})") from None
    return {
        name: {key: next(by_kind[kind] for kind in _KINDS if kind in by_kind) for key, by_kind in parameters.items()}
        for name, parameters in found.items()
    }


def absolute(section: str) -> str:
    """Return the name of a section with its leading slash, which a file need not have.

    Args:
        section: As in the file.
    """
    return f"/{section.removeprefix('/')}"


def matches(section: str, node: str) -> bool:
    """Whether a section is for a node: "/*" stands for one name, "/**" for any number of names.

    Args:
        section: Name of the section.
        node: Fully qualified name of the node.
    """
    return re.fullmatch(absolute(section).replace("/*", r"(/\w+)"), node, re.ASCII) is not None


def parameters_of(sections: Sections, node: str) -> dict[str, Any]:
    """Merge all sections for a node; of two values the one of the later section counts.

    Args:
        sections: Of a parameter file.
        node: Fully qualified name of the node.

    Returns:
        Parameter name -> value.
    """
    merged: dict[str, Any] = {}
    for name, values in sections.items():
        if matches(name, node):
            merged |= values
    return merged


def _line(event: yaml.Event) -> str:
    return "line ?" if event.start_mark is None else f"line {event.start_mark.line + 1}"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _items(events: Iterator[yaml.Event]) -> Iterator[tuple[str, yaml.Event]]:
    """Yield each key of a mapping with the first event of its value, which the caller consumes.

    Raises:
        ConfigError: ROS 2 refuses the file; names the line.
    """
    for event in events:
        if isinstance(event, yaml.MappingEndEvent):
            return
        if not isinstance(event, yaml.ScalarEvent) or not event.value:
            raise ConfigError(f"{_line(event)}: expected a name before the colon")
        value = next(events)
        if isinstance(value, yaml.AliasEvent):
            raise ConfigError(f"{_line(value)}: ROS 2 takes no aliases (*{value.anchor}); write the value again")
        yield str(event.value), value


def _nodes(events: Iterator[yaml.Event], name: str, found: dict[str, dict[str, dict[type, Any]]]) -> None:
    """Read a mapping of namespaces and nodes.

    Raises:
        ConfigError: ROS 2 refuses the file; names the line.
    """
    for key, value in _items(events):
        is_parameters = key.startswith(_KEY)
        if is_parameters and not name:
            raise ConfigError(f"{_line(value)}: expected a node's name before {_KEY}")
        if not isinstance(value, yaml.MappingStartEvent):
            what = "parameters" if is_parameters else f"{_KEY}:"
            raise ConfigError(
                f"{_line(value)}: expected {what} below {name}/{key}" if name else f"expected {what} below {key}"
            )
        if not is_parameters:
            _nodes(events, f"{name}/{key}" if name else key, found)
            continue
        if _NODE_NAME.fullmatch(name) is None:
            raise ConfigError(f"{_line(value)}: '{name}' is no name of a node")
        _parameters(events, "", found.setdefault(name, {}))


def _parameters(events: Iterator[yaml.Event], prefix: str, found: dict[str, dict[type, Any]]) -> None:
    """Read a mapping of parameters; nested names are joined by dots.

    Raises:
        ConfigError: ROS 2 refuses the file; names the line.
    """
    for key, value in _items(events):
        name = f"{prefix}{key}"
        if isinstance(value, yaml.MappingStartEvent):
            num_before = len(found)
            _parameters(events, f"{name}.", found)
            if len(found) == num_before and not any(other.startswith(f"{name}.") for other in found):
                raise ConfigError(f"{_line(value)}: no value for '{name}'")
            continue
        parsed = _sequence(events, name) if isinstance(value, yaml.SequenceStartEvent) else _scalar(value)
        found.setdefault(name, {})[type(parsed)] = parsed


def _sequence(events: Iterator[yaml.Event], name: str) -> list[Any] | None:
    """Read a list of values of one type; None, a parameter without a value, for an empty list.

    Raises:
        ConfigError: ROS 2 refuses the file; names the line.
    """
    values: list[Any] = []
    for event in events:
        if isinstance(event, yaml.SequenceEndEvent):
            return values or None
        if not isinstance(event, yaml.ScalarEvent):
            raise ConfigError(f"{_line(event)}: the list '{name}' may hold only values")
        values.append(_scalar(event))
        if type(values[-1]) is not type(values[0]):
            raise ConfigError(f"{_line(event)}: the list '{name}' holds values of several types")
    return None


def _scalar(event: Any) -> bool | int | float | str:
    """Convert a value as ROS 2 does.

    Raises:
        ConfigError: ROS 2 refuses the file; names the line.
    """
    text = str(event.value)
    if event.style in ("'", '"') or event.tag == _STRING_TAG:
        return text
    if not text:
        raise ConfigError(f"{_line(event)}: no value after the colon")
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    whole = _WHOLE.fullmatch(text)
    if whole is not None:
        sign, in_16, in_8, in_10 = whole.groups()
        size = int(in_16, 16) if in_16 else int(in_10) if in_10 else int(in_8 or "0", 8)
        number = -size if sign == "-" else size
        if -_LARGEST <= number < _LARGEST:
            return number
    real = _real(text)
    return text if real is None else real


def _real(text: str) -> float | None:
    """Convert as C's strtod; None for text, and for numbers that are too large or too small."""
    if text in _DOTTED:
        return float(text.replace(".", ""))
    if _NO_NUMBER.fullmatch(text) is not None:
        return float(text.split("(")[0])
    try:
        if _HEX_REAL.fullmatch(text) is not None:
            return float.fromhex(text)
    except OverflowError:
        return None
    if _REAL.fullmatch(text) is None:
        return None
    value = float(text)
    is_zero = not re.search("[1-9]", re.split("[eE]", text)[0])
    return None if math.isinf(value) or (value == 0.0 and not is_zero) else value
