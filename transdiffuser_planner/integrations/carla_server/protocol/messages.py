"""msgpack-rpc as CARLA uses it: requests from untrusted bytes, replies in the forms that its client expects.

A request is ``[0, id, method, [[is_async], argument, ...]]``, a reply ``[1, id, error, result]``. Results are LibCarla's
variants (``LibCarla/source/carla/rpc/Response.h``): ``[[1, value]]`` or ``[[0, [text]]]``, of calls without a value ``[[false]]``
or ``[[true, [text]]]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgpack

from transdiffuser_planner.core.errors import PlannerError

MAX_MESSAGE_BYTES = 64 << 20
MAX_ITEMS = 100_000
MAX_METHOD_CHARS = 100
REQUEST, REPLY = 0, 1


class ProtocolError(PlannerError):
    """Bytes that are no request of a CARLA client."""


class CallError(PlannerError):
    """A call that is refused; the client raises it as RuntimeError with this text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One call.

    Attributes:
        number: Of the client, repeated in the reply.
        method: Name of the call.
        arguments: Without the metadata that CARLA puts first.
    """

    number: int
    method: str
    arguments: list[Any]


class RequestReader:
    """Splits the bytes of one connection into requests; nothing of them is executed and their size is bounded."""

    def __init__(self) -> None:
        self._unpacker = msgpack.Unpacker(
            max_buffer_size=MAX_MESSAGE_BYTES,
            max_array_len=MAX_ITEMS,
            max_map_len=MAX_ITEMS,
            raw=False,
            unicode_errors="surrogateescape",
        )

    def feed(self, data: bytes) -> Iterator[Request]:
        """Yield the requests that are complete.

        Args:
            data: As received.

        Yields:
            In the order of the client.

        Raises:
            ProtocolError: The bytes are no msgpack, too many, or no request.
        """
        try:
            self._unpacker.feed(data)
            for item in self._unpacker:
                yield parse_request(item)
        except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
            raise ProtocolError(f"not msgpack-rpc ({type(error).__name__})") from None


def parse_request(item: Any) -> Request:
    """Check the form of a request.

    Args:
        item: As unpacked.

    Raises:
        ProtocolError: It has another form.
    """
    if not isinstance(item, list) or len(item) != 4 or item[0] != REQUEST:
        raise ProtocolError("expected [0, id, method, arguments]")
    number, method, arguments = item[1:]
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 1 << 32:
        raise ProtocolError("the id of a request is a 32 bit number")
    if not isinstance(method, str) or len(method) > MAX_METHOD_CHARS or not isinstance(arguments, list):
        raise ProtocolError("expected a method's name and a list of arguments")
    has_metadata = bool(arguments) and isinstance(arguments[0], list) and len(arguments[0]) == 1
    is_metadata = has_metadata and isinstance(arguments[0][0], bool)
    return Request(number=number, method=method, arguments=arguments[1:] if is_metadata else arguments)


def reply(number: int, result: Any) -> bytes:
    """Pack a reply.

    Args:
        number: Of the request.
        result: In the form of its call.
    """
    return bytes(msgpack.packb([REPLY, number, None, result], use_bin_type=True, unicode_errors="surrogateescape"))


def unknown_method(number: int, text: str) -> bytes:
    """Pack the reply to a call that no version of CARLA's client has.

    Args:
        number: Of the request.
        text: What is wrong.
    """
    return bytes(msgpack.packb([REPLY, number, text, None], use_bin_type=True, unicode_errors="surrogateescape"))


def value_result(value: Any) -> Any:
    """Return the result of a call with a value.

    Args:
        value: As its type is packed.
    """
    return [[1, value]]


def void_result() -> Any:
    """Return the result of a call without a value."""
    return [[False]]


def error_result(text: str, *, has_value: bool) -> Any:
    """Return the result of a call that failed.

    Args:
        text: For the user of the client.
        has_value: Whether the call has a value when it succeeds.
    """
    return [[0, [text]]] if has_value else [[True, [text]]]
