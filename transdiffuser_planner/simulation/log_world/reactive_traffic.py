"""Agents of a log of which vehicles yield to an ego that deviates from the human's drive. N agents, K steps, P points.

A vehicle follows its recorded path. As long as the ego is where the human was, it also keeps its recorded times. When
the ego, or a vehicle that has yielded already, is in its way, it follows by the intelligent driver model (Treiber, 2000),
speed v, desired speed v0, gap s to the leader, which is slower by dv:

    dv/dt = a [1 - (v / v0)^4 - (s* / s)^2],   s* = s0 + v T + v dv / (2 sqrt(a b))

It is never ahead of its recorded place at any time, and takes up its recorded times again when it has caught up. Pedestrians,
and vehicles that were parked, are replayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.geometry import arc_length, box_corners, project_onto_polyline
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.collisions import ego_corners
from transdiffuser_planner.simulation.log_world.recorded_world import RecordedAgents
from transdiffuser_planner.simulation.log_world.replayed_traffic import agents_of
from transdiffuser_planner.simulation.world_state import EgoPose

FloatArray = NDArray[np.float64]

STEP_S: Final = 0.1
MAX_ACCELERATION_MPS2: Final = 1.5
COMFORTABLE_BRAKING_MPS2: Final = 2.0
HARDEST_BRAKING_MPS2: Final = 7.0
MIN_GAP_M: Final = 2.0
HEADWAY_S: Final = 1.2
EXPONENT: Final = 4.0
LOOK_AHEAD_M: Final = 60.0
DEVIATION_M: Final = 1.0
"""An ego this near to where the human was has not deviated; recorded vehicles then react to it as they did."""
CORRIDOR_MARGIN_M: Final = 0.2
MOBILE_M: Final = 3.0
"""Vehicles that move less in their recorded life are parked."""
HURRY: Final = 1.15
"""Desired speed of a vehicle that has yielded, relative to its recorded one."""
LEAST_DESIRED_MPS: Final = 3.0
CAUGHT_UP_M: Final = 0.05
VEHICLES: Final = (AgentClass.CAR, AgentClass.TRUCK, AgentClass.MOTORCYCLE, AgentClass.BICYCLE)


@dataclass(slots=True)
class _Follower:
    """A mobile vehicle and where it is along its recorded path.

    Attributes:
        row: Number of the agent.
        steps: At which it is recorded.
        s_P: Arc length at those.
        pose_P3: x, y, heading at those.
        speed_P: Speed at those, along the path.
        s_m: Present arc length.
        speed_mps: Present speed.
        has_yielded: Whether it is behind its recorded place.
    """

    row: int
    steps: NDArray[np.intp]
    s_P: FloatArray
    pose_P3: FloatArray
    speed_P: FloatArray
    s_m: float = 0.0
    speed_mps: float = 0.0
    has_yielded: bool = False

    def state(self) -> FloatArray:
        """Present x, y, heading, speed."""
        pose = [float(np.interp(self.s_m, self.s_P, column)) for column in self.pose_P3.T]
        return np.asarray([*pose, self.speed_mps])

    def recorded(self, step: int) -> tuple[float, float]:
        """Recorded arc length and speed at a step of its life."""
        at = min(max(step - int(self.steps[0]), 0), len(self.steps) - 1)
        return float(self.s_P[at]), float(self.speed_P[at])

    def desired_mps(self) -> float:
        """Speed wished for here: somewhat more than the recorded one, and not zero where it stood."""
        recorded = float(np.interp(self.s_m, self.s_P, self.speed_P))
        return max(HURRY * recorded, LEAST_DESIRED_MPS)


class ReactiveTraffic:
    """Recorded agents of which vehicles yield to the ego.

    Args:
        agents: Of the log.
        first: Step at which the ego begins to drive.
        vehicle: The ego's dimensions.
    """

    def __init__(self, agents: RecordedAgents, first: int, vehicle: VehicleModel) -> None:
        self._agents, self._vehicle, self._step = agents, vehicle, first
        self._followers = {found.row: found for row in range(len(agents.id_N)) if (found := _follower(agents, row))}
        for follower in self._followers.values():
            follower.s_m, follower.speed_mps = follower.recorded(first)

    def at(self, step: int, ego: EgoPose, human: EgoPose) -> AgentStates:
        """Move on to a step, which must be the present one or the next, and return the agents.

        Args:
            step: Number of the step.
            ego: Where the ego is then.
            human: Where the human was then.
        """
        state_N4 = self._states(self._step)
        if step > self._step:
            deviates = float(np.hypot(ego.x_m - human.x_m, ego.y_m - human.y_m)) > DEVIATION_M
            self._move(step, state_N4, ego if deviates else None)
            self._step = step
            state_N4 = self._states(step)
        return agents_of(self._agents, step, state_N4)

    def _states(self, step: int) -> FloatArray:
        """Present states of all agents: recorded ones, but for vehicles that have yielded."""
        state_N4: FloatArray = self._agents.state_NK4[:, step].copy()
        for row, follower in self._followers.items():
            if follower.has_yielded and np.isfinite(state_N4[row]).all():
                state_N4[row] = follower.state()
        return state_N4

    def _move(self, step: int, state_N4: FloatArray, ego: EgoPose | None) -> None:
        size_N3 = self._agents.size_N3
        corner_N42 = box_corners(state_N4[:, 0], state_N4[:, 1], state_N4[:, 2], size_N3[:, 0], size_N3[:, 1])
        yielded = [row for row, follower in self._followers.items() if follower.has_yielded]
        for row, follower in self._followers.items():
            if not follower.steps[0] <= step - 1 < follower.steps[-1]:
                continue
            recorded_m, recorded_mps = follower.recorded(step)
            boxes, speeds, headings = [], [], []
            if ego is not None:
                boxes, speeds, headings = [ego_corners(ego, self._vehicle)], [ego.speed_mps], [ego.heading_rad]
            others = range(len(state_N4)) if follower.has_yielded else yielded
            rows = [n for n in others if n != row and np.isfinite(state_N4[n]).all()]
            boxes += [corner_N42[n] for n in rows]
            speeds += [float(state_N4[n, 3]) for n in rows]
            headings += [float(state_N4[n, 2]) for n in rows]
            change = self._change(
                follower, np.asarray(boxes).reshape(-1, 4, 2), np.asarray(speeds), np.asarray(headings)
            )
            if not follower.has_yielded:
                follower.s_m, follower.speed_mps = follower.recorded(step - 1)
                # What the model would do for a reason that was there in the log, too, is no yielding.
                after_mps = max(follower.speed_mps + change * STEP_S, 0.0)
                if change >= 0.0 or after_mps >= recorded_mps:
                    follower.s_m, follower.speed_mps = recorded_m, recorded_mps
                    continue
                follower.has_yielded = True
            after_mps = max(follower.speed_mps + change * STEP_S, 0.0)
            follower.s_m = min(follower.s_m + 0.5 * (follower.speed_mps + after_mps) * STEP_S, recorded_m)
            follower.speed_mps = after_mps
            if follower.s_m >= recorded_m - CAUGHT_UP_M and after_mps >= recorded_mps:
                follower.s_m, follower.speed_mps, follower.has_yielded = recorded_m, recorded_mps, False

    def _change(self, follower: _Follower, box_B42: FloatArray, speed_B: FloatArray, heading_B: FloatArray) -> float:
        """Acceleration by the model for the most restrictive box in the vehicle's way, m/s2."""
        length_m, width_m, _ = self._agents.size_N3[follower.row]
        ahead = follower.s_P > follower.s_m
        line = np.concatenate([follower.state()[None, :2], follower.pose_P3[ahead, :2]])
        last = follower.pose_P3[-1]
        line = np.concatenate([line, last[None, :2] + LOOK_AHEAD_M * np.asarray([[np.cos(last[2]), np.sin(last[2])]])])
        line = line[np.append(True, np.hypot(*np.diff(line, axis=0).T) > 1e-3)]
        end = int(np.searchsorted(arc_length(line), LOOK_AHEAD_M)) + 1
        line = line[: max(end, 2)]
        gap_B, leader_B = np.zeros(0), np.zeros(0)
        if len(box_B42):
            s_X, offset_X = project_onto_polyline(line, box_B42.reshape(-1, 2))
            s_B4, offset_B4 = s_X.reshape(-1, 4), offset_X.reshape(-1, 4)
            half_m = width_m / 2.0 + CORRIDOR_MARGIN_M
            in_way_B = (offset_B4.min(axis=1) < half_m) & (offset_B4.max(axis=1) > -half_m)
            # Everything behind projects onto the line's begin, the vehicle's own center, and is not in its way.
            in_way_B &= (s_B4.max(axis=1) > length_m / 2.0) & (s_B4.min(axis=1) < arc_length(line)[-1] - 0.1)
            gap_B = s_B4[in_way_B].min(axis=1) - length_m / 2.0
            heading = follower.state()[2]
            leader_B = np.maximum(speed_B[in_way_B] * np.cos(heading_B[in_way_B] - heading), 0.0)
        return follower_acceleration(follower.speed_mps, follower.desired_mps(), gap_B, leader_B)


def follower_acceleration(speed_mps: float, desired_mps: float, gap_m_L: FloatArray, leader_mps_L: FloatArray) -> float:
    """Acceleration of the intelligent driver model for the most restrictive leader, m/s2.

    Args:
        speed_mps: Of the follower.
        desired_mps: On a free road.
        gap_m_L: Bumper to bumper.
        leader_mps_L: Speed of each leader along the follower's path.
    """
    root = 2.0 * np.sqrt(MAX_ACCELERATION_MPS2 * COMFORTABLE_BRAKING_MPS2)
    desired_L = MIN_GAP_M + np.maximum(speed_mps * HEADWAY_S + speed_mps * (speed_mps - leader_mps_L) / root, 0.0)
    nearness = float(((desired_L / np.maximum(gap_m_L, 0.1)) ** 2).max(initial=0.0))
    free = 1.0 - (speed_mps / max(desired_mps, 0.1)) ** EXPONENT
    return float(np.clip(MAX_ACCELERATION_MPS2 * (free - nearness), -HARDEST_BRAKING_MPS2, MAX_ACCELERATION_MPS2))


def _follower(agents: RecordedAgents, row: int) -> _Follower | None:
    """The vehicle of a row; None for pedestrians, parked vehicles and lives with gaps."""
    if AgentClass(int(agents.class_N[row])) not in VEHICLES:
        return None
    steps = np.flatnonzero(np.isfinite(agents.state_NK4[row]).all(axis=1))
    if len(steps) < 2 or steps[-1] - steps[0] + 1 != len(steps):
        return None
    state_P4 = agents.state_NK4[row, steps]
    if np.hypot(*(state_P4[:, :2] - state_P4[0, :2]).T).max() < MOBILE_M:
        return None
    s_P = arc_length(state_P4[:, :2])
    speed_P = np.gradient(s_P, STEP_S)
    # A little growth where it stood, so that every arc length has one place.
    return _Follower(
        row=row, steps=steps, s_P=s_P + 1e-6 * np.arange(len(s_P)), pose_P3=state_P4[:, :3], speed_P=speed_P
    )
