"""Scene to score plans in: the ego, the agents over time, the surrounding map, and plans to compare with.

All values are in one planar map frame, meters and radians. Only plans are relative: poses of the rear axle in the frame
of the ego's rear axle at time 0. N agents, S steps of 0.1 s from time 0 on, T plan steps, C corners, K points.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.metrics.pdm.scene_validation import (
    DEPTH_M,
    LARGEST,
    NUM_STEPS,
    STEP_S,
    SceneError,
    check_array,
    check_increasing,
    check_plans,
    check_rings,
    check_shape,
)

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_LATEST_US = 2**60


class AgentKind(Enum):
    """Kind of an agent; only the first three are road users."""

    VEHICLE = "vehicle"
    PEDESTRIAN = "pedestrian"
    BICYCLE = "bicycle"
    TRAFFIC_CONE = "traffic_cone"
    BARRIER = "barrier"
    CONSTRUCTION_SIGN = "czone_sign"
    GENERIC_OBJECT = "generic_object"

    @property
    def moves(self) -> bool:
        """True for road users, false for objects."""
        return self in (AgentKind.VEHICLE, AgentKind.PEDESTRIAN, AgentKind.BICYCLE)


class AreaKind(Enum):
    """Kind of a map polygon."""

    LANE = "lane"
    LANE_CONNECTOR = "lane_connector"
    ROADBLOCK = "roadblock"
    INTERSECTION = "intersection"
    CARPARK = "carpark"
    DRIVABLE_AREA = "drivable_area"


LANE_KINDS = (AreaKind.LANE, AreaKind.LANE_CONNECTOR)
DRIVABLE_KINDS = (AreaKind.ROADBLOCK, AreaKind.INTERSECTION, AreaKind.CARPARK, AreaKind.DRIVABLE_AREA)


@dataclass(frozen=True, kw_only=True, slots=True)
class EgoState:
    """State of the ego; the reference point is the center of its rear axle.

    Attributes:
        pose_3: x, y and heading in the map frame.
        velocity_2: Forward and left, m/s.
        acceleration_2: Forward and left, m/s^2.
        steering_rad: Angle of the front wheels, left positive.
        yaw_rate_radps: Left positive.
        yaw_acceleration_radps2: Left positive.
        stamp_us: Microseconds since any epoch. Relevant only because the devkit truncates times to whole microseconds.
    """

    pose_3: FloatArray
    velocity_2: FloatArray
    acceleration_2: FloatArray = field(default_factory=lambda: np.zeros(2))
    steering_rad: float = 0.0
    yaw_rate_radps: float = 0.0
    yaw_acceleration_radps2: float = 0.0
    stamp_us: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Agents:
    """Boxes of all other road users and objects, over time.

    Attributes:
        token_N: Names.
        kind_N: Kinds.
        size_N2: Length and width, meters.
        pose_NS3: Center and heading of each box every 0.1 s from time 0; 41 steps for EPDMS, 50 or more for PDMS.
        velocity_NS2: Velocity in the map frame, m/s.
        valid_NS: Steps at which an agent is present; all other values are ignored.
    """

    token_N: tuple[str, ...]
    kind_N: tuple[AgentKind, ...]
    size_N2: FloatArray
    pose_NS3: FloatArray
    velocity_NS2: FloatArray
    valid_NS: BoolArray

    @property
    def num_steps(self) -> int:
        """Number of steps of 0.1 s, including time 0."""
        return int(self.pose_NS3.shape[1])


def no_agents(num_steps: int = NUM_STEPS + 11) -> Agents:
    """Agents of an empty road."""
    return Agents(
        token_N=(),
        kind_N=(),
        size_N2=np.zeros((0, 2)),
        pose_NS3=np.zeros((0, num_steps, 3)),
        velocity_NS2=np.zeros((0, num_steps, 2)),
        valid_NS=np.zeros((0, num_steps), dtype=bool),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Area:
    """One polygon of the map.

    Attributes:
        token: Its name.
        kind: Its kind.
        ring_C2: Corners in either orientation; the first is not repeated.
    """

    token: str
    kind: AreaKind
    ring_C2: FloatArray


@dataclass(frozen=True, kw_only=True, slots=True)
class RedLight:
    """The polygon of a lane connector on the route whose light is red.

    Attributes:
        token: Name of the lane connector.
        ring_C2: Its corners.
        red_S: True where it is red, every 0.1 s from time 0; a single value holds for all times.
    """

    token: str
    ring_C2: FloatArray
    red_S: BoolArray


@dataclass(frozen=True, kw_only=True, slots=True)
class PastMotion:
    """Motion of the ego until time 0, at any interval.

    Attributes:
        stamp_us_H: Increasing; the last is time 0.
        heading_H: In the map frame.
        acceleration_H2: Of the rear axle, forward and left, m/s^2.
    """

    stamp_us_H: NDArray[np.int64]
    heading_H: FloatArray
    acceleration_H2: FloatArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """One frame to plan in, with the following seconds. Invalid data is rejected in one line that names the field.

    Attributes:
        name: Appears in messages.
        ego: The ego at time 0.
        agents: All other road users and objects.
        areas: The map within about 100 m.
        route: Tokens of the lanes and lane connectors on the route.
        center_line_K3: The route's center line ahead: x, y, heading.
        red_lights: Red lights on the route.
        reference_S3: Poses of PDM-Closed's plan in the map frame every 0.1 s, including time 0; None scores a plan's
            progress against itself.
        human_plan_T3: Trajectory of the human driver, relative poses every human_interval_s; None if unknown.
        human_interval_s: Time between poses of human_plan_T3.
        past: Past motion for the comfort of the transition from past to plan; None ignores it.
        speed_limit_mps: Of the lane the ego is on; needed by PDM-Closed only, None if unknown.
    """

    name: str
    ego: EgoState
    agents: Agents
    areas: tuple[Area, ...]
    route: frozenset[str]
    center_line_K3: FloatArray
    red_lights: tuple[RedLight, ...] = ()
    reference_S3: FloatArray | None = None
    human_plan_T3: FloatArray | None = None
    human_interval_s: float = 0.5
    past: PastMotion | None = None
    speed_limit_mps: float | None = None

    def __post_init__(self) -> None:
        name = self.name
        check_shape(name, "ego.pose_3", self.ego.pose_3, (3,))
        check_shape(name, "ego.velocity_2", self.ego.velocity_2, (2,))
        check_shape(name, "ego.acceleration_2", self.ego.acceleration_2, (2,))
        for rate in ("steering_rad", "yaw_rate_radps", "yaw_acceleration_radps2"):
            check_array(name, f"ego.{rate}", np.asarray(getattr(self.ego, rate), dtype=np.float64))
        if abs(self.ego.stamp_us) > _LATEST_US:
            raise SceneError(name, "ego.stamp_us", f"microseconds up to {_LATEST_US:g}", f"{self.ego.stamp_us:g}")
        _check_agents(name, self.agents)
        if not self.areas:
            raise SceneError(name, "areas", "at least one polygon", "an empty map")
        rings = [(f"areas[{area.token}].ring_C2", area.ring_C2) for area in self.areas]
        rings += [(f"red_lights[{light.token}].ring_C2", light.ring_C2) for light in self.red_lights]
        check_rings(name, *zip(*rings, strict=True))
        for light in self.red_lights:
            if light.red_S.ndim != 1 or len(light.red_S) not in (1, *range(NUM_STEPS + 1, 10_000)):
                raise SceneError(
                    name, f"red_lights[{light.token}].red_S", "1 or at least 41 values", str(light.red_S.shape)
                )
        if self.center_line_K3.ndim != 2 or self.center_line_K3.shape[-1] != 3 or len(self.center_line_K3) < 2:
            raise SceneError(name, "center_line_K3", "two or more points (K, 3)", str(self.center_line_K3.shape))
        check_array(name, "center_line_K3", self.center_line_K3)
        limit = self.speed_limit_mps
        if limit is not None and not DEPTH_M < limit <= LARGEST:
            raise SceneError(name, "speed_limit_mps", "a speed above 0 or None", str(limit))
        if self.reference_S3 is not None:
            reference = self.reference_S3
            if reference.ndim != 2 or reference.shape[1] != 3 or len(reference) <= NUM_STEPS:
                raise SceneError(name, "reference_S3", "at least 41 poses (S, 3) every 0.1 s", str(reference.shape))
            check_array(name, "reference_S3", reference)
        if self.human_plan_T3 is not None:
            check_plans(name, "human_plan_T3", self.human_plan_T3[None], self.human_interval_s)
        if self.past is not None:
            check_increasing(name, "past.stamp_us_H", self.past.stamp_us_H)
            count = len(self.past.stamp_us_H)
            check_shape(name, "past.heading_H", self.past.heading_H, (count,))
            check_shape(name, "past.acceleration_H2", self.past.acceleration_H2, (count, 2))


def _check_agents(name: str, agents: Agents) -> None:
    count, steps = len(agents.token_N), agents.pose_NS3.shape[1] if agents.pose_NS3.ndim == 3 else 0
    if len(agents.kind_N) != count:
        raise SceneError(name, "agents.kind_N", f"{count} kinds", str(len(agents.kind_N)))
    if len(set(agents.token_N)) != count:
        raise SceneError(name, "agents.token_N", "different names", "the same name twice")
    if steps <= NUM_STEPS:
        raise SceneError(name, "agents.pose_NS3", "41 or more steps (N, S, 3)", str(agents.pose_NS3.shape))
    check_shape(name, "agents.size_N2", agents.size_N2, (count, 2))
    for index in np.flatnonzero(~(agents.size_N2 > DEPTH_M).all(axis=1))[:1]:
        raise SceneError(
            name,
            f"agents[{agents.token_N[index]}].size_N2",
            "length and width above 0",
            str(agents.size_N2[index].tolist()),
        )
    if agents.valid_NS.shape != (count, steps) or agents.valid_NS.dtype != bool:
        raise SceneError(
            name, "agents.valid_NS", f"bool ({count}, {steps})", f"{agents.valid_NS.dtype} {agents.valid_NS.shape}"
        )
    for field_name, values, width in (("pose_NS3", agents.pose_NS3, 3), ("velocity_NS2", agents.velocity_NS2, 2)):
        if values.shape != (count, steps, width):
            raise SceneError(name, f"agents.{field_name}", f"({count}, {steps}, {width})", str(values.shape))
        bad_N = (agents.valid_NS & ~(np.abs(values) <= LARGEST).all(axis=-1)).any(axis=1)
        for index in np.flatnonzero(bad_N)[:1]:
            agent, present = f"agents[{agents.token_N[index]}].{field_name}", values[index][agents.valid_NS[index]]
            if not np.isfinite(present).all():
                raise SceneError(name, agent, "finite values where valid", "NaN or inf")
            check_array(name, agent, present)


__all__ = [
    "DRIVABLE_KINDS",
    "LANE_KINDS",
    "NUM_STEPS",
    "STEP_S",
    "AgentKind",
    "Agents",
    "Area",
    "AreaKind",
    "EgoState",
    "EvaluationError",
    "PastMotion",
    "RedLight",
    "Scene",
    "check_plans",
    "no_agents",
]
