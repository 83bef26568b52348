"""Plans executed in traffic that reacts to them, and their PDM score there.

The sub-scores are those of NAVSIM's PDMS (docs/scoring.md) with two differences: the plan is executed by the simulated
vehicle and its tracker among traffic that yields, brakes and follows as in a drive, and a red light passed counts like a
collision. Progress is relative to the farthest of the plans without a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.types import Trajectory
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.evaluation.closed_loop.ride_comfort import violated_limits
from transdiffuser_planner.evaluation.closed_loop.time_to_collision import time_to_collision_s
from transdiffuser_planner.evaluation.rounds.failures import SHORT_TTC_S
from transdiffuser_planner.planning.trajectory.pure_pursuit import TrajectoryTracker
from transdiffuser_planner.simulation.ego.kinematic_bicycle import EgoVehicleState, pose_from_state
from transdiffuser_planner.simulation.episode_step import EpisodeStep, drive_step
from transdiffuser_planner.simulation.message_stream import ego_state
from transdiffuser_planner.simulation.rewound_episode import RewoundEpisode
from transdiffuser_planner.simulation.rollout.rollout_events import RedLightWatch

FloatArray = NDArray[np.float64]

NUM_STEPS = 41
"""Of 0.1 s: the plan's 4 s, and one that labels need beyond their end."""
STEP_NS = 100_000_000
LEAST_PROGRESS_M = 2.0
"""Where no plan gets farther, progress counts as complete."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """A plan executed among reactive traffic.

    Attributes:
        steps: Steps of the world after the present one.
        is_safe: No collision at fault, never off the road, no red light passed, still on the route.
        ttc: 1 without a time to collision of at most 0.95 s, else 0.
        comfort: 1 within all of nuPlan's limits, else 0.
        progress_m: Along the route.
    """

    steps: list[EpisodeStep]
    is_safe: bool
    ttc: float
    comfort: float
    progress_m: float


def followed(
    trajectory: Trajectory, state: EgoVehicleState, stamp_ns: int, vehicle: VehicleModel, num_steps: int = NUM_STEPS
) -> list[EgoVehicleState]:
    """Return the vehicle's states while it tracks one plan to its end.

    Args:
        trajectory: In the map frame.
        state: At stamp_ns.
        stamp_ns: Present time.
        vehicle: Dimensions and limits.
        num_steps: Steps of 0.1 s.
    """
    tracker = TrajectoryTracker(vehicle=vehicle, max_trajectory_age_s=np.inf)
    states = []
    for step in range(num_steps):
        now_ns = stamp_ns + step * STEP_NS
        command = tracker.command(trajectory, ego_state(pose_from_state(state, vehicle), now_ns), now_ns)
        state = drive_step(state, command.acceleration_mps2, command.steering_rad, vehicle)
        states.append(state)
    return states


def execute(episode: RewoundEpisode, trajectory: Trajectory) -> Execution:
    """Execute a plan from the present step of a rewound drive on.

    Args:
        episode: Advanced to the plan's start.
        trajectory: In the map frame.

    Raises:
        SimulationError: SUMO failed.
    """
    now, vehicle = episode.step, episode.vehicle
    steps = episode.branch(followed(trajectory, now.vehicle, now.world.stamp_ns, vehicle))
    lights = RedLightWatch()
    lights.passed(now)
    passed_red = any(lights.passed(step) for step in steps)
    hit = any(contact.at_fault for step in steps for contact in step.new_collisions)
    off_road = any(not step.on_road for step in steps) and now.on_road
    left = any(step.end_reason == "left_route" for step in steps)
    ttc_s = [time_to_collision_s(step.world, vehicle) for step in steps]
    poses = [step.world.ego for step in (now, *steps)]
    return Execution(
        steps=steps,
        is_safe=not (passed_red or hit or off_road or left),
        ttc=float(all(value is None or value > SHORT_TTC_S for value in ttc_s)),
        comfort=float(not any(violated.any() for violated in violated_limits(poses).values())),
        progress_m=max(steps[-1].route_s_m - now.route_s_m, 0.0),
    )


def reactive_scores(executions: Sequence[Execution]) -> FloatArray:
    """Return the score (M,) of plans executed from one time, 0 to 1: faults * (5 EP + 5 TTC + 2 C) / 12.

    Args:
        executions: Of M plans.
    """
    safe = np.asarray([run.is_safe for run in executions], dtype=np.float64)
    progress = np.asarray([run.progress_m for run in executions])
    farthest = float((progress * safe).max(initial=0.0))
    share = np.ones(len(progress)) if farthest < LEAST_PROGRESS_M else np.minimum(progress / farthest, 1.0)
    ttc, comfort = (np.asarray([getattr(run, name) for run in executions]) for name in ("ttc", "comfort"))
    return np.asarray(safe * (5.0 * share + 5.0 * ttc + 2.0 * comfort) / 12.0)
