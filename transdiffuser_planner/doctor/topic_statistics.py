"""Statistics of one live topic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from transdiffuser_planner.messages.input_registry import INPUTS

AREA = "live topics"
CLOUDS_KEPT = 8
SENSORS = tuple(spec.name for spec in INPUTS if spec.is_frame)
"""First words of inputs that arrive once per frame."""


@dataclass(kw_only=True, slots=True)
class TopicStatistics:
    """Messages of one topic within a few seconds.

    Attributes:
        name: The planner's input: "camera rgb_left", "camera_info rgb_left", "lidar", "odometry", "route" and so on.
        topic, type_name: Name and type of the topic.
        needed: There is no plan without it.
        arrived_s: Arrival times by a monotonic clock.
        now_ns: Time of the planner's clock at each arrival.
        stamp_ns: Header stamps; empty for types without a header.
        num_bytes: Size of the largest message.
        messages: All messages of odometry, the last ``CLOUDS_KEPT`` of the LiDAR, the last of other inputs.
    """

    name: str
    topic: str
    type_name: str
    needed: bool
    arrived_s: list[float] = field(default_factory=list)
    now_ns: list[int] = field(default_factory=list)
    stamp_ns: list[int] = field(default_factory=list)
    num_bytes: int = 0
    messages: list[Any] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The first word of the name."""
        return self.name.split()[0]

    @property
    def camera(self) -> str:
        """The camera's name in the rig, or the empty string."""
        return self.name.partition(" ")[2]

    @property
    def message(self) -> Any:
        """The last message, or None."""
        return self.messages[-1] if self.messages else None

    @property
    def rate_hz(self) -> float:
        """Messages per second of the planner's time, which may be a simulator's; 0 for fewer than two."""
        if len(self.arrived_s) < 2:
            return 0.0
        span_s = (self.now_ns[-1] - self.now_ns[0]) * 1e-9
        span_s = span_s if span_s > 0.0 else self.arrived_s[-1] - self.arrived_s[0]
        return (len(self.arrived_s) - 1) / span_s if span_s > 0.0 else 0.0

    def age_s(self) -> float | None:
        """Return the median age at arrival by the planner's clock; None without stamps."""
        if not self.stamp_ns:
            return None
        # Integers: a double holds no nanoseconds of this century.
        ages_ns = [now - stamp for now, stamp in zip(self.now_ns, self.stamp_ns, strict=True)]
        return float(np.median(np.asarray(ages_ns, dtype=np.int64))) * 1e-9


def find(topic_statistics: Sequence[TopicStatistics], name: str) -> TopicStatistics | None:
    """Find an input by name.

    Args:
        topic_statistics: Received topics.
        name: Name of the input.

    Returns:
        Its statistics; None when no message arrived.
    """
    return next((item for item in topic_statistics if item.name == name and item.arrived_s), None)
