"""Interface of one storage file of a bag: its topics, its messages in order of log time, and its damage."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple, Protocol, TypeVar

from transdiffuser_planner.data.bags.losses import Damage

CDR, ROS1 = "cdr", "ros1"
"""Encodings of messages that can be decoded."""

MAX_TIME_NS = 2**63 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """A topic as a storage file describes it.

    Attributes:
        topic, type_name: Name and message type, such as "nav_msgs/msg/Odometry"; "" where the file names no type.
        encoding: Of the messages: "cdr", "ros1", "json" and others.
        definition_encoding, definition: Format and text of the type's definition; "" where the file has none.
        type_hash: RIHS01 hash of the type, or "".
    """

    topic: str
    type_name: str
    encoding: str = CDR
    definition_encoding: str = ""
    definition: str = ""
    type_hash: str = ""


class StoredMessage(NamedTuple):
    """One message as it was recorded."""

    log_time_ns: int
    channel: Channel
    raw: bytes


class StorageFile(Protocol):
    """One open storage file.

    Attributes:
        name: For messages.
        channels: Descriptions of its topics; a topic may have several.
        start_ns, end_ns: Log times of its first and last message, as it claims.
        counts: Topic -> number of messages as the file itself counts them; without the topics that it does not count.
        damages: Parts that cannot be read; grows while messages are read.
    """

    name: str
    channels: list[Channel]
    start_ns: int
    end_ns: int
    counts: Counter[str]
    damages: list[Damage]

    def messages(self, topics: Set[str] | None) -> Iterator[StoredMessage]:
        """Yield the messages of some or all topics in order of log time; damage is noted and passed over."""

    def close(self) -> None:
        """Release the file."""


class Timed(Protocol):
    """Anything with a log time."""

    @property
    def log_time_ns(self) -> int:
        """Log time."""


Item = TypeVar("Item", bound=Timed)
Source = tuple[int, Callable[[], Iterator[Item]]]
"""Log time of the first message and a function that opens the source."""


def merged(sources: Iterable[Source[Item]]) -> Iterator[Item]:
    """Merge sources in order of log time; a source is opened when its first message is due, and equal times keep its place.

    Args:
        sources: Sources, each in order of log time.

    Yields:
        Messages.
    """
    number = count()
    waiting = [(start_ns, next(number), opener) for start_ns, opener in sources]
    heapq.heapify(waiting)
    running: list[tuple[int, int, Item, Iterator[Item]]] = []
    while waiting or running:
        if waiting and (not running or waiting[0][:2] < running[0][:2]):
            _, place, opener = heapq.heappop(waiting)
            items = opener()
            first = next(items, None)
            if first is not None:
                heapq.heappush(running, (first.log_time_ns, place, first, items))
            continue
        _, place, item, items = running[0]
        yield item
        following = next(items, None)
        if following is None:
            heapq.heappop(running)
        else:
            heapq.heapreplace(running, (following.log_time_ns, place, following, items))
