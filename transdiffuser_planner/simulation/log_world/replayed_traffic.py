"""Agents of a log as they were recorded, step by step. N agents, K steps."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.geometry import box_corners, boxes_overlap
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.collisions import ego_corners
from transdiffuser_planner.simulation.log_world.recorded_world import RecordedAgents
from transdiffuser_planner.simulation.world_state import EgoPose

FloatArray = NDArray[np.float64]

FRAME: Final = "map"


class ReplayedTraffic:
    """Agents where the log has them, whatever the ego does; outside of their recorded life they do not exist.

    Args:
        agents: Of the log.
    """

    def __init__(self, agents: RecordedAgents) -> None:
        self._agents = agents

    def at(self, step: int, ego: EgoPose, human: EgoPose) -> AgentStates:
        """Return the agents at a step.

        Args:
            step: Number of the step.
            ego: Where the ego is then; without effect.
            human: Where the human was then; without effect.
        """
        return agents_of(self._agents, step, self._agents.state_NK4[:, step])


def agents_of(agents: RecordedAgents, step: int, state_N4: FloatArray) -> AgentStates:
    """Return those agents of a step that exist.

    Args:
        agents: Of the log.
        step: Number of the step.
        state_N4: x, y, heading, speed of all of them, NaN for those that do not exist.
    """
    exists = np.flatnonzero(np.isfinite(state_N4).all(axis=1))
    size_N3 = agents.size_N3[exists]
    return AgentStates(
        frame_id=FRAME,
        id_N=agents.id_N[exists],
        class_N=agents.class_N[exists],
        x_m_N=state_N4[exists, 0],
        y_m_N=state_N4[exists, 1],
        heading_rad_N=state_N4[exists, 2],
        speed_mps_N=np.maximum(state_N4[exists, 3], 0.0),
        length_m_N=size_N3[:, 0],
        width_m_N=size_N3[:, 1],
        height_m_N=size_N3[:, 2],
        braking_N=agents.braking_NK[exists, step],
    )


def touching_human(
    agents: RecordedAgents, poses: tuple[EgoPose, ...], first: int, last: int, vehicle: VehicleModel
) -> NDArray[np.bool_]:
    """Return the agents (N,) whose boxes overlap the human's own vehicle: errors of annotation, as nothing was hit.

    Args:
        agents: Of the log.
        poses: The human's drive at all steps.
        first: Step of the window's begin.
        last: Step of its end.
        vehicle: The ego's dimensions.
    """
    found_N = np.zeros(len(agents.id_N), dtype=np.bool_)
    for step in range(first, last + 1):
        exists = np.flatnonzero(np.isfinite(agents.state_NK4[:, step]).all(axis=1))
        x_N, y_N, heading_N, _ = agents.state_NK4[exists, step].T
        corners = box_corners(x_N, y_N, heading_N, agents.size_N3[exists, 0], agents.size_N3[exists, 1])
        found_N[exists] |= boxes_overlap(ego_corners(poses[step], vehicle)[None], corners)
    return found_N
