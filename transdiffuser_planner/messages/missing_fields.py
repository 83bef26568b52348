"""A bag's own definition of a type may lack a field that is read here: then the message is refused, not the whole bag."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from transdiffuser_planner.core.errors import InputError


@contextmanager
def reject_missing_fields(topic: str) -> Iterator[None]:
    """Around decoding a message of a topic.

    Raises:
        InputError: The message or a part of it has no such field. Other missing attributes are our own bugs and pass.
    """
    try:
        yield
    except AttributeError as error:
        kind = getattr(error.obj, "__msgtype__", "")  # what rosbags' messages are known by; rclpy's are never lacking
        if not kind:
            raise
        raise InputError(f"{topic}: the bag's definition of {kind} has no field '{error.name}'") from None
