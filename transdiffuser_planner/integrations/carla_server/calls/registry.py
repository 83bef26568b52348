"""Calls by name: their handlers, the form of their replies, the number of their arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from transdiffuser_planner.integrations.carla_server.live_world import World
from transdiffuser_planner.integrations.carla_server.protocol.messages import (
    CallError,
    value_result,
    void_result,
)


class Form(Enum):
    """Form of a reply."""

    VALUE = "value"
    VOID = "void"
    BARE = "bare"


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call.

    Attributes:
        form: Of its reply.
        handler: Takes the world and the arguments.
        fewest, most: Number of arguments.
    """

    form: Form
    handler: Callable[..., Any]
    fewest: int
    most: int

    def answer(self, name: str, world: World, arguments: list[Any]) -> Any:
        """Return the result of a request in the form of its reply.

        Args:
            name: Of the call.
            world: Of the server.
            arguments: As they came over the network.

        Raises:
            CallError: It is refused.
        """
        if not self.fewest <= len(arguments) <= self.most:
            raise CallError(f"{name}: expected {self.fewest} arguments, got {len(arguments)}")
        value = self.handler(world, *arguments)
        if self.form is Form.BARE:
            return value
        return value_result(value) if self.form is Form.VALUE else void_result()


class Registry:
    """Calls that a module adds by decorating their handlers, which are named like the call."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}

    def value(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """Add a call with a value.

        Args:
            handler: Named like the call.
        """
        return self._add(handler, Form.VALUE)

    def void(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """Add a call without a value.

        Args:
            handler: Named like the call.
        """
        return self._add(handler, Form.VOID)

    def bare(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """Add a call whose reply is no variant.

        Args:
            handler: Named like the call.
        """
        return self._add(handler, Form.BARE)

    def _add(self, handler: Callable[..., Any], form: Form) -> Callable[..., Any]:
        parameters = list(inspect.signature(handler).parameters.values())[1:]
        needed = [item for item in parameters if item.default is inspect.Parameter.empty]
        self.calls[handler.__name__] = Call(form=form, handler=handler, fewest=len(needed), most=len(parameters))
        return handler


def flag(value: Any, what: str) -> bool:
    """Check a truth value that came over the network.

    Args:
        value: As unpacked.
        what: Name in the message.

    Raises:
        CallError: It is none.
    """
    if not isinstance(value, bool):
        raise CallError(f"{what}: expected true or false")
    return value
