"""State of the simulated world at one step, shared by traffic, sensors and recorder."""

from __future__ import annotations

from dataclasses import dataclass, field

from transdiffuser_planner.core.agents import AgentStates


@dataclass(frozen=True, kw_only=True, slots=True)
class EgoPose:
    """The ego vehicle in the map frame at base_link (rear axle center on the ground).

    Attributes:
        x_m: Position in the map frame.
        y_m: Position in the map frame.
        heading_rad: Counter-clockwise from +x.
        speed_mps: Along the heading, never negative.
        acceleration_mps2: Along the heading.
        curvature_per_m: Of the path, positive to the left; yaw rate = speed x curvature.
        braking: Whether the brake lights are on.
    """

    x_m: float
    y_m: float
    heading_rad: float
    speed_mps: float
    acceleration_mps2: float = 0.0
    curvature_per_m: float = 0.0
    braking: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldState:
    """Dynamic state of the world at one simulation step.

    Attributes:
        stamp_ns: Simulation time since the episode's start.
        ego: The ego vehicle.
        agents: All other traffic participants, in the map frame (ego excluded).
        signals: SUMO's state string per traffic light id, one character per link ('r', 'y', 'g', 'G', ...).
    """

    stamp_ns: int
    ego: EgoPose
    agents: AgentStates
    signals: dict[str, str] = field(default_factory=dict)
