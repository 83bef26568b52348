"""One number for a drive, as CARLA's leaderboard has it: how far it got, times a factor for each thing that went wrong."""

from __future__ import annotations

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.simulation.collisions import Collision

WITH_PERSON, WITH_VEHICLE, RED_LIGHT = 0.50, 0.60, 0.70
"""Factors of CARLA's leaderboard; contacts count where they are the ego's fault."""
LEFT_ROUTE = 0.70
"""Ours: the drive ends there, and within a fixed time that alone would cost a fast driver nothing."""
UNPROTECTED = (AgentClass.PEDESTRIAN, AgentClass.BICYCLE)
LEAST_PROGRESS_M = 5.0
"""Where the expert gets no farther than this, progress says nothing."""


def progress_share(progress_m: float, expert_m: float, *, at_route_end: bool) -> float:
    """Progress relative to the expert's in the same time, 0 to 1."""
    if at_route_end or expert_m < LEAST_PROGRESS_M:
        return 1.0
    return min(max(progress_m / expert_m, 0.0), 1.0)


def driving_score(
    share: float, contacts: list[Collision], num_red_lights: int, off_road_share: float, *, left_route: bool
) -> float:
    """0 to 100.

    Args:
        share: ``progress_share``.
        contacts: First touches; those that are others' fault do not count.
        num_red_lights: Stop lines passed while red.
        off_road_share: Share of the time with a corner beyond the road's edge.
        left_route: Whether the drive ended because the route was left.
    """
    factor = RED_LIGHT**num_red_lights * (1.0 - off_road_share) * (LEFT_ROUTE if left_route else 1.0)
    for contact in contacts:
        if contact.at_fault:
            factor *= WITH_PERSON if contact.agent_class in UNPROTECTED else WITH_VEHICLE
    return 100.0 * share * factor
