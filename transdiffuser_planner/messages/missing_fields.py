"""Rejects messages, not the whole bag, if the bag's definition of a type is missing a field."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from transdiffuser_planner.core.errors import InputError


@contextmanager
def reject_missing_fields(topic: str) -> Iterator[None]:
    """Wrap the decoding of a message of a topic.

    Args:
        topic: Named in the error.

    Yields:
        None.

    Raises:
        InputError: The message or a part of it is missing a field.
        AttributeError: An attribute of another object is missing: a bug of this package.
    """
    try:
        yield
    except AttributeError as error:
        kind = getattr(error.obj, "__msgtype__", "")  # marks rosbags' messages; rclpy's are always complete
        if not kind:
            raise
        raise InputError(f"{topic}: the bag's definition of {kind} has no field '{error.name}'") from None
