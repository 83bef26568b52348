"""Makes messages of rclpy's classes for the encoders of ``messages``: the live counterpart of ``make_message``."""

from __future__ import annotations

import array
import importlib
from functools import cache
from typing import Any

import numpy as np

_ARRAY_CODES = {"uint8": "B", "float": "f", "double": "d", "int32": "i", "uint32": "I"}


@cache
def message_class(type_name: str) -> Any:
    """Return the class of a message or service type.

    Args:
        type_name: "package/msg/Name" or "package/srv/Name".
    """
    package, folder, name = type_name.split("/")
    return getattr(importlib.import_module(f"{package}.{folder}"), name)


@cache
def _array_fields(type_name: str) -> dict[str, str]:
    """Fields that rclpy stores as array.array, with their type codes."""
    found = {}
    for field, kind in message_class(type_name).get_fields_and_field_types().items():
        if kind.startswith("sequence<") and kind[9:-1] in _ARRAY_CODES:
            found[field] = _ARRAY_CODES[kind[9:-1]]
    return found


def make_ros_message(type_name: str, **fields: Any) -> Any:
    """Make a message of rclpy's classes; numpy arrays become array.array, which rclpy accepts without a check per element.

    Args:
        type_name: "package/msg/Name".
        fields: Values of the fields; the others keep their defaults.
    """
    message = message_class(type_name)()
    arrays = _array_fields(type_name)
    for name, value in fields.items():
        if name in arrays and isinstance(value, np.ndarray):
            code = arrays[name]
            packed = array.array(code)
            packed.frombytes(np.ascontiguousarray(value, dtype=np.dtype(code)).tobytes())
            value = packed
        setattr(message, name, value)
    return message
