"""What a drive of a model leaves behind to return to any of its steps: states, candidates and events."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.types import PlanResult, SignalState
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.evaluation.closed_loop.time_to_collision import time_to_collision_s
from transdiffuser_planner.simulation.ego.kinematic_bicycle import EgoVehicleState
from transdiffuser_planner.simulation.rollout.rollout import RolloutStep
from transdiffuser_planner.simulation.rollout.rollout_events import RedLightWatch

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedCycle:
    """Candidates of one planning cycle.

    Attributes:
        pose_MT3: Poses at the contract's plan times, map frame.
        chosen: Index of the driven candidate; -1: a fallback was driven.
    """

    pose_MT3: NDArray[np.float32]
    chosen: int


@dataclass(kw_only=True, slots=True)
class DriveTrace:
    """Trace of one drive, step by step of 0.1 s.

    Attributes:
        vehicle: That drives.
        states: The ego's state at every step.
        cycles: Step -> candidates of the cycle planned at it.
        at_fault: Steps with a new contact at fault of the ego, and a description of the agent.
        off_road: Whether a corner of the ego is off the road, at every step.
        red_light: Steps at which a red stop line was passed.
        ttc_s: Time to collision at every step; infinite without one.
        held_m: Distance to a stop line that is not green, at every step; infinite without one.
    """

    vehicle: VehicleModel
    states: list[EgoVehicleState] = field(default_factory=list)
    cycles: dict[int, PlannedCycle] = field(default_factory=dict)
    at_fault: list[tuple[int, str]] = field(default_factory=list)
    off_road: list[bool] = field(default_factory=list)
    red_light: list[int] = field(default_factory=list)
    ttc_s: list[float] = field(default_factory=list)
    held_m: list[float] = field(default_factory=list)
    _lights: RedLightWatch = field(default_factory=RedLightWatch)

    def on_step(self, cycle: RolloutStep) -> None:
        """Add one step of the rollout.

        Args:
            cycle: Step of the rollout.
        """
        step, number = cycle.step, len(self.states)
        self.states.append(step.vehicle)
        self.at_fault += [(number, c.agent_class.name.lower()) for c in step.new_collisions if c.at_fault]
        self.off_road.append(not step.on_road)
        if self._lights.passed(step):
            self.red_light.append(number)
        ttc_s = time_to_collision_s(step.world, self.vehicle)
        self.ttc_s.append(np.inf if ttc_s is None else ttc_s)
        signal = step.signal
        is_held = signal is not None and signal.state is not SignalState.GREEN and signal.distance_m >= 0.0
        self.held_m.append(signal.distance_m if is_held and signal is not None else np.inf)
        outcome = cycle.outcome
        if isinstance(outcome, PlanResult) and len(outcome.candidates.pose_MT3):
            pose = outcome.candidates.pose_MT3.astype(np.float32)
            self.cycles[number] = PlannedCycle(pose_MT3=pose, chosen=outcome.chosen)
