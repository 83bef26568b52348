"""Accounts for messages that a bag counts and that could not be read, and for parts of its files that are damaged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

MAX_LINES = 8
"""Further damage of one bag is summed up in one line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Damage:
    """A part of a bag that cannot be read.

    Attributes:
        file: Name of the storage file.
        reason: Place and cause.
        counts: Topic -> number of messages in it, as far as the file counts them.
        may_hold_more: It may hold messages that nothing counts.
        is_end: It is the end of the file, as after a power cut: whether messages are lost with it is not known.
    """

    file: str
    reason: str
    counts: Mapping[str, int] = field(default_factory=dict)
    may_hold_more: bool = False
    is_end: bool = False

    def line(self) -> str:
        """One line."""
        parts = ", ".join(f"{number} of {topic}" for topic, number in sorted(self.counts.items()) if number)
        held = f"; it held {parts}" if parts else "; its messages are counted nowhere" if self.may_hold_more else ""
        return f"{self.file} {self.reason}{held}".strip()


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """Messages of one topic that are missing.

    Attributes:
        topic: Name; "" for messages of unknown topics, which nothing counts.
        expected: Number of messages that the bag counts; for unknown topics the least possible number.
        read: Number of messages that were read.
        reason: Known causes, or which part of the bag counts more.
    """

    topic: str
    expected: int
    read: int
    reason: str

    @property
    def num_lost(self) -> int:
        """Number of missing messages."""
        return self.expected - self.read

    def line(self) -> str:
        """One line."""
        if not self.topic:
            return f"lost an unknown number of messages of unknown topics ({self.reason})"
        return f"lost {self.num_lost} of {self.expected} messages of {self.topic} ({self.reason})"


@dataclass(frozen=True, kw_only=True, slots=True)
class FileAccount:
    """What became of one storage file.

    Attributes:
        counts: Topic -> number of messages as the file counts them.
        read: Topic -> number of messages that were read.
        damages: Its damage.
    """

    counts: Mapping[str, int]
    read: Mapping[str, int]
    damages: Iterable[Damage]


def find_losses(
    files: list[FileAccount], claims: Mapping[str, int], topics: Set[str] | None, claimed_by: str
) -> list[Loss]:
    """Compare the messages that were read with those that a bag counts.

    Args:
        files: Its storage files after reading.
        claims: Topic -> number of messages of the whole bag, by its metadata.
        topics: Topics that were read; None for all.
        claimed_by: Name of the metadata, for the reason.

    Returns:
        One loss per incomplete topic; the last may be of unknown topics.
    """
    expected: Counter[str] = Counter()
    read: Counter[str] = Counter()
    reasons: dict[str, list[str]] = {}
    unknown: list[str] = []
    for file in files:
        known: Counter[str] = Counter()
        for damage in file.damages:
            known.update(damage.counts)
            for topic in damage.counts:
                reasons.setdefault(topic, []).append(f"{damage.file} {damage.reason}")
            if damage.may_hold_more and not damage.is_end:
                unknown.append(f"{damage.file} {damage.reason}")
        read.update(file.read)
        for topic in {*file.counts, *file.read, *known}:
            expected[topic] += max(file.counts.get(topic, 0), file.read.get(topic, 0) + known[topic])
    found = []
    for topic in sorted({*expected, *claims}):
        total = max(expected[topic], claims.get(topic, 0))
        if total > read[topic] and (topics is None or _may_be_of(topic, topics)):
            why = (
                reasons.get(topic)
                or unknown
                or [f"{claimed_by if claims.get(topic, 0) == total else 'the file'} counts more"]
            )
            found.append(Loss(topic=topic, expected=total, read=read[topic], reason=_short(why)))
    if unknown and not any(claims.values()):
        found.append(Loss(topic="", expected=len(unknown), read=0, reason=_short(unknown)))
    return found


def num_lost_of(losses: Iterable[Loss], topics: Set[str]) -> int:
    """Count the lost messages of some topics; messages of unknown topics may be theirs, and count.

    Args:
        losses: All losses.
        topics: Names of the topics.
    """
    return sum(loss.num_lost for loss in losses if _may_be_of(loss.topic, topics))


def _may_be_of(topic: str, topics: Set[str]) -> bool:
    """Whether a topic is one of those, or unknown: "", or the number of a channel that is not described."""
    return topic in topics or not topic.startswith("/")


def _short(reasons: list[str]) -> str:
    distinct = list(dict.fromkeys(reasons))
    return distinct[0] if len(distinct) == 1 else f"{distinct[0]}, and {len(distinct) - 1} more"


def damage_lines(damages: Iterable[Damage], losses: Iterable[Loss]) -> list[str]:
    """Format damage and losses, a limited number of lines.

    Args:
        damages: Damage of all files of a bag.
        losses: Incomplete topics.
    """
    lines = [damage.line() for damage in damages]
    if len(lines) > MAX_LINES:
        lines = [*lines[:MAX_LINES], f"{len(lines) - MAX_LINES} more damaged parts"]
    return [*lines, *(loss.line() for loss in losses)]
