"""Scores of a drive: as in CARLA's leaderboard, progress times one factor for each infraction, and as in the AlpaSim challenge."""

from __future__ import annotations

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.simulation.collisions import Collision

WITH_PERSON, WITH_VEHICLE, RED_LIGHT = 0.50, 0.60, 0.70
"""Factors of CARLA's leaderboard; only at-fault collisions count."""
ROUTE_DEVIATION = 0.70
"""Specific to this project: the drive ends there, which within a fixed time would cost a fast planner nothing."""
UNPROTECTED = (AgentClass.PEDESTRIAN, AgentClass.BICYCLE)
LEAST_PROGRESS_M = 5.0
"""Progress is not significant where the expert's is below this."""
SCENE_ROUTE_OFFSET_M, SCENE_PROGRESS = 4.0, 0.8
"""Of the scene score: farthest distance from the route, and share of the expert's progress that is enough."""


def progress_share(progress_m: float, expert_m: float, *, at_route_end: bool) -> float:
    """Return the progress relative to the expert's in the same time, 0 to 1.

    Args:
        progress_m: Distance along the route.
        expert_m: The expert's distance in the same time.
        at_route_end: Whether the drive ended at the end of the route.
    """
    if at_route_end or expert_m < LEAST_PROGRESS_M:
        return 1.0
    return min(max(progress_m / expert_m, 0.0), 1.0)


def driving_score(
    share: float, collisions: list[Collision], num_red_lights: int, off_road_share: float, *, route_deviation: bool
) -> float:
    """Return the driving score, 0 to 100.

    Args:
        share: Progress, as ``progress_share`` returns it.
        collisions: First collision with each agent; those not at fault do not count.
        num_red_lights: Stop lines passed while red.
        off_road_share: Share of the time with a corner beyond the road's edge.
        route_deviation: Whether the drive ended because the ego deviated from the route.
    """
    factor = RED_LIGHT**num_red_lights * (1.0 - off_road_share) * (ROUTE_DEVIATION if route_deviation else 1.0)
    for collision in collisions:
        if collision.at_fault:
            factor *= WITH_PERSON if collision.agent_class in UNPROTECTED else WITH_VEHICLE
    return 100.0 * share * factor


def scene_score(share: float, num_at_fault: int, off_road_s: float, route_offset_m: float) -> float:
    """Return the scene score of the AlpaSim challenge, 0 to 1: waiting and colliding on one scale.

    Args:
        share: Progress, as ``progress_share`` returns it.
        num_at_fault: At-fault collisions.
        off_road_s: Time with a corner beyond the road's edge.
        route_offset_m: Largest distance of base_link from the route.
    """
    if num_at_fault or off_road_s > 0.0 or route_offset_m > SCENE_ROUTE_OFFSET_M:
        return 0.0
    return min(share / SCENE_PROGRESS, 1.0)
