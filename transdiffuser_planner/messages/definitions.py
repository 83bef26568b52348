"""Message definitions and the factory that makes messages without ROS installed.

The .msg files of this project's interface packages are read from the checkout, from an installation or from a sourced
workspace, so their text exists once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.core.files import read_text

INTERFACE_PACKAGES = (
    "transdiffuser_msgs",
    "carla_msgs",
    "derived_object_msgs",
    "ackermann_msgs",
    "autoware_planning_msgs",
    "autoware_perception_msgs",
    "autoware_vehicle_msgs",
    "autoware_internal_planning_msgs",
)
SOURCES = Path("ros2_ws") / "src"
"""Folder of the interface packages in the checkout, and below share/ of an installation."""

MessageFactory = Callable[..., Any]
"""Called as make("sensor_msgs/msg/Image", header=..., ...); both rosbags' and rclpy's classes fulfill it."""


def definition_files() -> list[Path]:
    """All .msg files of this project's interface packages.

    Raises:
        RecordingError: A package is found neither in the checkout nor in an installation.
    """
    checkout = Path(__file__).resolve().parents[2] / SOURCES
    installed = Path(sys.prefix) / "share"
    shipped = (
        installed / "transdiffuser_planner" / SOURCES
    )  # next to the models, for machines without interface packages
    sourced = [Path(prefix) / "share" for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    files: list[Path] = []
    for package in INTERFACE_PACKAGES:
        roots = (root / package for root in (checkout, installed, shipped, *sourced))
        root = next((root for root in roots if (root / "msg").is_dir()), None)
        if root is None:
            raise RecordingError(
                f"definitions of {package} not found; run 'make build', use a full checkout, or source the workspace it is in"
            )
        files += sorted((root / "msg").glob("*.msg"))
    return files


@lru_cache(maxsize=1)
def typestore() -> Any:
    """ROS 2's standard types and this project's, for reading and writing bags."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for path in definition_files():
        name = f"{path.parent.parent.name}/msg/{path.stem}"
        types |= get_types_from_msg(read_text(path), name)
    store.register({name: definition for name, definition in types.items() if name not in store.types})
    return store


def make_message(type_name: str, **fields: Any) -> Any:
    """A message of rosbags' classes; the MessageFactory for work without ROS."""
    return typestore().types[type_name](**fields)


def fields_of(store: Any, *type_names: str) -> dict[str, Any]:
    """Type -> its fields, for types of a typestore and everything they are made of; unknown types are skipped.

    Constants are excluded: they are neither in the data nor in a type's hash.

    Args:
        store: rosbags' typestore.
        type_names: Types to describe.
    """
    found: dict[str, Any] = {}
    pending = [name for name in type_names if name in store.fielddefs]
    while pending:
        name = pending.pop()
        if name not in found:
            found[name] = store.fielddefs[name][1]
            pending += [part for part in referenced_types(found[name]) if part in store.fielddefs]
    return found


def referenced_types(fields: Iterable[tuple[str, Any]]) -> list[str]:
    """Names of the message types of fields.

    Args:
        fields: Pairs (name, type) as in rosbags' definitions.
    """
    return [name for _, field in fields for name in _named_types(field)]


def _named_types(field: Any) -> Iterator[str]:
    """Yield the message type of a field of rosbags, a pair (kind, type); arrays hold another such pair."""
    inner = field[1]
    if isinstance(inner, str):
        yield inner
    elif isinstance(inner[0], tuple):
        yield from _named_types(inner[0])
