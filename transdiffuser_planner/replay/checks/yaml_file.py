"""Reads the small YAML files of expectations, with one clear line for every error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.files import read_text


def load_mapping(path: Path, what: str, hint: str = "") -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Args:
        path: The file.
        what: Kind of file, for messages.
        hint: Remedy when the file cannot be read.

    Returns:
        The mapping.

    Raises:
        ConfigError: The file cannot be read, is not YAML, or is not a mapping.
    """
    try:
        data = yaml.safe_load(read_text(path))
    except OSError as error:
        raise ConfigError(f"{what} {path}: cannot be read ({error.strerror}){hint}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{what} {path}: not valid YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{what} {path}: expected a mapping, got {type(data).__name__}")
    return data


def checked_keys(entry: Any, known: tuple[str, ...], where: str) -> dict[str, Any]:
    """Check that an entry is a mapping with known keys only.

    Args:
        entry: The entry.
        known: Allowed keys.
        where: File and entry, for messages.

    Returns:
        The entry.

    Raises:
        ConfigError: It is not a mapping, or has other keys.
    """
    if not isinstance(entry, dict) or set(entry) - set(known):
        unknown = sorted(map(str, set(entry) - set(known))) if isinstance(entry, dict) else entry
        raise ConfigError(f"{where}: expected a mapping with keys among {', '.join(known)}, got {unknown}")
    return entry


def number(value: Any, where: str) -> float:
    """Convert a value to a float.

    Args:
        value: The value.
        where: File and entry, for messages.

    Returns:
        The number.

    Raises:
        ConfigError: The value is not a number, or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise ConfigError(f"{where}: expected a number, got {value!r}")
    return float(value)
