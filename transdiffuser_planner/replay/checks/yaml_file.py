"""Reads the small YAML files that say what a replay must fulfill, with one clear line for whatever is wrong in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from transdiffuser_planner.core.errors import ConfigError


def load_mapping(path: Path, what: str, hint: str = "") -> dict[str, Any]:
    """A YAML file that holds a mapping.

    Args:
        path: The file.
        what: How messages call it.
        hint: What to do when it is not there.

    Raises:
        ConfigError: It cannot be read, is no YAML, or no mapping.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{what} {path}: cannot be read ({error.strerror}){hint}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{what} {path}: not valid YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{what} {path}: expected a mapping, got {type(data).__name__}")
    return data


def checked_keys(entry: Any, known: tuple[str, ...], where: str) -> dict[str, Any]:
    """An entry that must be a mapping with known keys only.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(entry, dict) or set(entry) - set(known):
        unknown = sorted(map(str, set(entry) - set(known))) if isinstance(entry, dict) else entry
        raise ConfigError(f"{where}: expected a mapping with keys among {', '.join(known)}, got {unknown}")
    return entry


def number(value: Any, where: str) -> float:
    """A finite number.

    Raises:
        ConfigError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise ConfigError(f"{where}: expected a number, got {value!r}")
    return float(value)
