"""Time to collision of one frame with constant velocity of the ego and all agents. N agents, A times ahead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import box_corners, boxes_overlap
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.world_state import WorldState

FloatArray = NDArray[np.float64]

HORIZON_S = 3.0
AHEAD_S_A: FloatArray = np.linspace(0.0, HORIZON_S, 31)
MOVING_MPS = 0.1


def time_to_collision_s(world: WorldState, vehicle: VehicleModel) -> float | None:
    """Return the time until the ego collides with an agent ahead; None: none within 3 s, or the ego is stationary.

    Args:
        world: State of ego and agents in the map frame.
        vehicle: Vehicle with the ego's footprint.
    """
    ego, agents = world.ego, world.agents
    if ego.speed_mps < MOVING_MPS or not len(agents):
        return None
    dx, dy = agents.x_m_N - ego.x_m, agents.y_m_N - ego.y_m
    reach_N = HORIZON_S * (ego.speed_mps + agents.speed_mps_N) + vehicle.length_m + agents.length_m_N
    is_ahead_N = dx * np.cos(ego.heading_rad) + dy * np.sin(ego.heading_rad) > 0.0
    agents = agents.select(is_ahead_N & (np.hypot(dx, dy) < reach_N))
    if not len(agents):
        return None
    along_A = vehicle.center_offset_m + ego.speed_mps * AHEAD_S_A
    ego_A42 = box_corners(
        ego.x_m + along_A * np.cos(ego.heading_rad),
        ego.y_m + along_A * np.sin(ego.heading_rad),
        np.full_like(along_A, ego.heading_rad),
        vehicle.length_m,
        vehicle.width_m,
    )
    moved_NA = agents.speed_mps_N[:, None] * AHEAD_S_A
    heading_N1 = agents.heading_rad_N[:, None]
    agent_NA42 = box_corners(
        agents.x_m_N[:, None] + moved_NA * np.cos(heading_N1),
        agents.y_m_N[:, None] + moved_NA * np.sin(heading_N1),
        np.broadcast_to(heading_N1, moved_NA.shape),
        agents.length_m_N[:, None],
        agents.width_m_N[:, None],
    )
    touch_A = boxes_overlap(ego_A42[None], agent_NA42).any(axis=0)
    return float(AHEAD_S_A[touch_A.argmax()]) if touch_A.any() else None
