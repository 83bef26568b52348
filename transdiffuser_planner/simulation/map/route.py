"""The ego's route as geometry: center line, speed limits, next signals and turns.

Built once per episode from the list of streets; all queries of planners are then lookups by arc length. Frame: map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.types import DrivingCommand, SignalState, TrafficSignal
from transdiffuser_planner.planning.observation.route_rules import RouteTurn, command_at, is_next_signal

FloatArray = NDArray[np.float64]

SPACING_M = 2.0
SIGNAL_STATES = {
    "r": SignalState.RED, "u": SignalState.RED, "s": SignalState.RED,
    "y": SignalState.AMBER, "Y": SignalState.AMBER,
    "g": SignalState.GREEN, "G": SignalState.GREEN,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteSignal:
    """Traffic signal on the route.

    Attributes:
        s_m: Arc length of its stop line.
        tls_id: SUMO's id of the traffic light.
        link_index: Index into its state string.
    """

    s_m: float
    tls_id: str
    link_index: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneStretch:
    """Stretch of the route in one lane.

    Attributes:
        start_m: Arc length of its start.
        edge_id: SUMO's id of the street.
        lane_index: SUMO's index of the lane.
    """

    start_m: float
    edge_id: str
    lane_index: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GlobalRoute:
    """Route of the ego in the map frame.

    Attributes:
        xy_N2: Lane center line, 2 m spacing, blended through lane changes.
        s_N: Arc length along xy_N2.
        speed_limit_mps_N: Legal limit at each point; inside a junction the limit of the previous street.
        lane_width_m_N: Width of the lane at each point.
        signals: In driving order.
        turns: In driving order.
        lanes: In driving order.
    """

    xy_N2: FloatArray
    s_N: FloatArray
    speed_limit_mps_N: FloatArray
    lane_width_m_N: FloatArray
    signals: tuple[RouteSignal, ...]
    turns: tuple[RouteTurn, ...]
    lanes: tuple[LaneStretch, ...]

    @property
    def length_m(self) -> float:
        """Length of the whole route."""
        return float(self.s_N[-1])

    def project(self, x_m: float, y_m: float, heading_rad: float, near_s_m: float | None = None) -> tuple[float, float]:
        """Return arc length and signed lateral offset (positive left) of a point.

        Args:
            x_m: Map frame.
            y_m: Map frame.
            heading_rad: Map frame; segments of the route against the heading are penalized.
            near_s_m: Restricts the search to 40 m around this arc length.
        """
        start, edge = self.xy_N2[:-1], np.diff(self.xy_N2, axis=0)
        length = np.maximum(np.hypot(edge[:, 0], edge[:, 1]), 1e-9)
        relative = np.asarray([x_m, y_m]) - start
        fraction = np.clip((relative * edge).sum(axis=1) / length**2, 0.0, 1.0)
        gap = relative - fraction[:, None] * edge
        along = (edge[:, 0] * np.cos(heading_rad) + edge[:, 1] * np.sin(heading_rad)) / length
        cost = (gap**2).sum(axis=1) + 50.0 * (1.0 - along)
        if near_s_m is not None:
            cost = cost + np.where(np.abs(self.s_N[:-1] - near_s_m) > 40.0, 1e6, 0.0)
        best = int(np.argmin(cost))
        side = np.sign(edge[best, 0] * gap[best, 1] - edge[best, 1] * gap[best, 0])
        return float(self.s_N[best] + fraction[best] * length[best]), float(side * np.hypot(*gap[best]))

    def speed_limit(self, s_m: float) -> float:
        """Return the legal limit in m/s at an arc length.

        Args:
            s_m: Arc length, m.
        """
        return float(self.speed_limit_mps_N[self._index(s_m)])

    def lane_width(self, s_m: float) -> float:
        """Return the width in m of the lane at an arc length.

        Args:
            s_m: Arc length, m.
        """
        return float(self.lane_width_m_N[self._index(s_m)])

    def command(self, s_m: float) -> DrivingCommand:
        """Return the command of the junction that the ego is in or reaches within 30 m of route.

        Args:
            s_m: Arc length, m.
        """
        return command_at(self.turns, s_m)

    def next_signal(self, front_s_m: float, states: dict[str, str], stamp_ns: int) -> TrafficSignal | None:
        """Return state and distance of the next signal within 100 m, or None.

        Args:
            front_s_m: Arc length of the front bumper.
            states: SUMO's state string per signal id, as in WorldState.signals.
            stamp_ns: Of the states.
        """
        for signal in self.signals:
            distance = signal.s_m - front_s_m
            if is_next_signal(distance):
                letters = states.get(signal.tls_id, "")
                letter = letters[signal.link_index] if signal.link_index < len(letters) else "o"
                state = SIGNAL_STATES.get(letter, SignalState.UNKNOWN)
                return TrafficSignal(stamp_ns=stamp_ns, state=state, distance_m=max(0.0, distance))
        return None

    def lane_at(self, s_m: float) -> LaneStretch | None:
        """Return the lane of the route at an arc length, or None before the first.

        Args:
            s_m: Arc length, m.
        """
        found = None
        for stretch in self.lanes:
            if stretch.start_m <= s_m:
                found = stretch
        return found

    def speed_cap_mps_N(self, lateral_mps2: float, yaw_rate_radps: float, decel_mps2: float) -> FloatArray:
        """Compute the speed that curvature permits at each point, including braking before curves.

        Args:
            lateral_mps2: Largest lateral acceleration.
            yaw_rate_radps: Largest yaw rate.
            decel_mps2: Deceleration before curves.
        """
        heading = np.unwrap(np.arctan2(*np.gradient(self.xy_N2, axis=0).T[::-1]))
        kappa = np.maximum(np.abs(np.gradient(heading, self.s_N)), 1e-4)
        cap = np.minimum(np.sqrt(lateral_mps2 / kappa), yaw_rate_radps / kappa)
        for i in range(len(cap) - 2, -1, -1):
            step = self.s_N[i + 1] - self.s_N[i]
            cap[i] = min(cap[i], np.sqrt(cap[i + 1] ** 2 + 2.0 * decel_mps2 * step))
        return np.asarray(cap)

    def _index(self, s_m: float) -> int:
        return int(np.clip(np.searchsorted(self.s_N, s_m, side="right") - 1, 0, len(self.s_N) - 1))
