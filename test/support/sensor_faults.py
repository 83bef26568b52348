"""Faults between a sensor and the planner, for one stream of messages.

A fault is called once per tick of the vehicle with the tick's number and a function that makes the stream's message of a
time the given seconds after the tick; it returns the messages to publish instead, as (seconds from now, message).
"""

import random
from collections.abc import Callable
from typing import Any

Make = Callable[[float], Any]
Sent = list[tuple[float, Any]]
Fault = Callable[[int, Make], Sent]

DELAY_S = 0.3
HALF_TICK_S = 0.05


def dropped() -> Fault:
    """No message arrives."""
    return lambda tick, make: []


def delayed() -> Fault:
    """Every message arrives late."""
    return lambda tick, make: [(DELAY_S, make(0.0))]


def frozen() -> Fault:
    """The same message is repeated."""
    kept: list[Any] = []

    def again(tick: int, make: Make) -> Sent:
        if not kept:
            kept.append(make(0.0))
        return [(0.0, kept[0])]

    return again


def reordered() -> Fault:
    """Pairs of messages swap places."""
    held: list[Any] = []

    def swap(tick: int, make: Make) -> Sent:
        if not held:
            held.append(make(0.0))
            return []
        return [(0.0, make(0.0)), (0.0, held.pop())]

    return swap


def duplicated() -> Fault:
    """Every message arrives twice."""

    def twice(tick: int, make: Make) -> Sent:
        message = make(0.0)
        return [(0.0, message), (0.0, message)]

    return twice


def corrupted() -> Fault:
    """Images and point clouds are truncated, positions are NaN."""

    def spoil(tick: int, make: Make) -> Sent:
        message = make(0.0)
        if hasattr(message, "data"):
            message.data = message.data[: len(message.data) // 3]
        else:
            message.pose.pose.position.x = float("nan")
        return [(0.0, message)]

    return spoil


def half_rate() -> Fault:
    """Every other message is dropped."""
    return lambda tick, make: [(0.0, make(0.0))] if tick % 2 else []


def double_rate() -> Fault:
    """One more message between every two."""
    return lambda tick, make: [(0.0, make(0.0)), (HALF_TICK_S, make(HALF_TICK_S))]


def lossy(seed: int, share: float) -> Fault:
    """A share of the messages is lost at random."""
    dice = random.Random(seed)
    return lambda tick, make: [] if dice.random() < share else [(0.0, make(0.0))]


STREAM_FAULTS = {
    fault.__name__: fault
    for fault in (dropped, delayed, frozen, reordered, duplicated, corrupted, half_rate, double_rate)
}
