"""Scenes for the scorer's tests: a straight road whose metrics can be computed by hand.

The ego's lane runs along +x with borders at y = -1.75 and 1.75, the oncoming lane lies left of it up to y = 5.25. The ego's
rear axle starts at the origin; its front bumper is 4.049 m, its rear bumper 1.127 m away, its sides 1.1485 m.
"""

import dataclasses
from typing import Any

import numpy as np

from transdiffuser_planner.metrics.pdm.scene import AgentKind, Agents, Area, AreaKind, EgoState, Scene, no_agents

NUM_AGENT_STEPS = 51
FRONT_M, REAR_M, SIDE_M = 4.049, 1.127, 1.1485


def rectangle(x_low: float, x_high: float, y_low: float, y_high: float) -> np.ndarray:
    return np.asarray([[x_low, y_low], [x_high, y_low], [x_high, y_high], [x_low, y_high]])


def area(token: str, kind: AreaKind, *bounds: float) -> Area:
    return Area(token=token, kind=kind, ring_C2=rectangle(*bounds))


ROAD = (
    area("own", AreaKind.LANE, -50.0, 150.0, -1.75, 1.75),
    area("oncoming", AreaKind.LANE, -50.0, 150.0, 1.75, 5.25),
    area("own block", AreaKind.ROADBLOCK, -50.0, 150.0, -1.75, 1.75),
    area("oncoming block", AreaKind.ROADBLOCK, -50.0, 150.0, 1.75, 5.25),
)


def center_line() -> np.ndarray:
    x = np.arange(-50.0, 151.0, 2.0)
    return np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=-1)


def straight_plan(speed_mps: float, y_m: float = 0.0, num_steps: int = 8, interval_s: float = 0.5) -> np.ndarray:
    """One plan (1, T, 3) straight on, shifted to y within its first second."""
    times = np.arange(1, num_steps + 1) * interval_s
    return np.stack([speed_mps * times, y_m * np.minimum(times, 1.0), np.zeros(num_steps)], axis=-1)[None]


def ego(speed_mps: float = 10.0, y_m: float = 0.0, heading_rad: float = 0.0) -> EgoState:
    return EgoState(pose_3=np.asarray([0.0, y_m, heading_rad]), velocity_2=np.asarray([speed_mps, 0.0]))


def reference(speed_mps: float = 10.0) -> np.ndarray:
    x = speed_mps * 0.1 * np.arange(NUM_AGENT_STEPS)
    return np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=-1)


def agent(
    x_m: float,
    y_m: float = 0.0,
    *,
    velocity: tuple[float, float] = (0.0, 0.0),
    heading_rad: float = 0.0,
    kind: AgentKind = AgentKind.VEHICLE,
    size: tuple[float, float] = (4.0, 2.0),
    token: str = "other",
) -> Agents:
    times = np.arange(NUM_AGENT_STEPS) * 0.1
    heading = np.full(NUM_AGENT_STEPS, heading_rad)
    pose = np.stack([x_m + velocity[0] * times, y_m + velocity[1] * times, heading], axis=-1)
    return Agents(
        token_N=(token,),
        kind_N=(kind,),
        size_N2=np.asarray([size]),
        pose_NS3=pose[None],
        velocity_NS2=np.broadcast_to(np.asarray(velocity), (1, NUM_AGENT_STEPS, 2)),
        valid_NS=np.ones((1, NUM_AGENT_STEPS), dtype=bool),
    )


def together(*agents: Agents) -> Agents:
    return Agents(
        token_N=tuple(token for one in agents for token in one.token_N),
        kind_N=tuple(kind for one in agents for kind in one.kind_N),
        size_N2=np.concatenate([one.size_N2 for one in agents]),
        pose_NS3=np.concatenate([one.pose_NS3 for one in agents]),
        velocity_NS2=np.concatenate([one.velocity_NS2 for one in agents]),
        valid_NS=np.concatenate([one.valid_NS for one in agents]),
    )


def scene(**changes: Any) -> Scene:
    """The straight, empty road at 10 m/s with the given fields replaced."""
    values: dict[str, Any] = {
        "name": "straight",
        "ego": ego(),
        "agents": no_agents(),
        "areas": ROAD,
        "route": frozenset({"own"}),
        "center_line_K3": center_line(),
        "reference_S3": reference(),
    }
    return Scene(**(values | changes))


def moved(original: Scene, x_m: float, y_m: float, angle_rad: float) -> Scene:
    """The same scene rotated about the origin, then translated."""
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    turn = np.asarray([[cos, sin], [-sin, cos]])

    def points(values: np.ndarray) -> np.ndarray:
        return values @ turn + np.asarray([x_m, y_m])

    def poses(values: np.ndarray) -> np.ndarray:
        return np.concatenate([points(values[..., :2]), values[..., 2:] + angle_rad], axis=-1)

    agents = dataclasses.replace(
        original.agents, pose_NS3=poses(original.agents.pose_NS3), velocity_NS2=original.agents.velocity_NS2 @ turn
    )
    past = original.past and dataclasses.replace(original.past, heading_H=original.past.heading_H + angle_rad)
    return dataclasses.replace(
        original,
        ego=dataclasses.replace(original.ego, pose_3=poses(original.ego.pose_3)),
        agents=agents,
        areas=tuple(dataclasses.replace(one, ring_C2=points(one.ring_C2)) for one in original.areas),
        red_lights=tuple(dataclasses.replace(one, ring_C2=points(one.ring_C2)) for one in original.red_lights),
        center_line_K3=poses(original.center_line_K3),
        reference_S3=None if original.reference_S3 is None else poses(original.reference_S3),
        past=past,
    )
