"""The part of a Lanelet2 map that the planner uses: lanelets with their boundaries, and traffic lights with stop lines.

Coordinates are meters in the frame ``map``; N points, columns x, y, z.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import PlannerError

FloatArray = NDArray[np.float64]


class MapError(PlannerError):
    """A vector map, or a route on it, that cannot be used."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Bound:
    """One boundary of a lanelet, in driving order.

    Attributes:
        way_id: The way in the map, which neighbors share.
        node_ids: Its nodes, which followers share.
        xyz_N3: Positions.
    """

    way_id: int
    node_ids: tuple[int, ...]
    xyz_N3: FloatArray

    def reversed(self) -> Bound:
        """Return the boundary in the opposite order."""
        return Bound(way_id=self.way_id, node_ids=self.node_ids[::-1], xyz_N3=self.xyz_N3[::-1])


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lanelet:
    """A piece of a lane.

    Attributes:
        lanelet_id: Of the map.
        left, right: Its boundaries.
        centerline_N3: The explicit center line, or None to derive it from the boundaries.
        speed_limit_mps: Tag ``speed_limit``; None without one.
        turn_direction: "left", "right", "straight" or "".
        rule_ids: Its regulatory elements.
    """

    lanelet_id: int
    left: Bound
    right: Bound
    centerline_N3: FloatArray | None = None
    speed_limit_mps: float | None = None
    turn_direction: str = ""
    rule_ids: tuple[int, ...] = ()

    def is_followed_by(self, other: Lanelet) -> bool:
        """Whether another lanelet begins where this one ends: with the same two nodes."""
        return (self.left.node_ids[-1], self.right.node_ids[-1]) == (other.left.node_ids[0], other.right.node_ids[0])

    def is_adjacent_to(self, other: Lanelet) -> bool:
        """Whether another lanelet shares a boundary with this one, in the same direction."""
        return self.left.way_id == other.right.way_id or self.right.way_id == other.left.way_id


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrafficLightRule:
    """A regulatory element of subtype traffic_light; Autoware calls its number the traffic light group.

    Attributes:
        rule_id: Of the map.
        stop_line_N3: Points of its stop line, or None without one.
    """

    rule_id: int
    stop_line_N3: FloatArray | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LaneletMap:
    """A vector map.

    Attributes:
        source: The file, for messages.
        lanelets: Number -> lanelet.
        traffic_lights: Number -> regulatory element.
        skipped: Number of lanelets without two usable boundaries.
    """

    source: str
    lanelets: dict[int, Lanelet]
    traffic_lights: dict[int, TrafficLightRule] = field(default_factory=dict)
    skipped: int = 0

    def lanelet(self, lanelet_id: int) -> Lanelet:
        """Return a lanelet.

        Args:
            lanelet_id: Of the map.

        Raises:
            MapError: The map has none of this number.
        """
        found = self.lanelets.get(lanelet_id)
        if found is None:
            raise MapError(
                f"lanelet {lanelet_id} is not in the map {self.source}; give the map that the route was made on"
            )
        return found
