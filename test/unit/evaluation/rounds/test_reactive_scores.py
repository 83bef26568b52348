"""Scores of plans that were executed in traffic."""

import numpy as np
import pytest

from transdiffuser_planner.core.types import Trajectory
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.evaluation.rounds.resimulation import Execution, followed, reactive_scores
from transdiffuser_planner.simulation.ego.kinematic_bicycle import EgoVehicleState


def run(progress_m: float, *, is_safe: bool = True, ttc: float = 1.0, comfort: float = 1.0) -> Execution:
    return Execution(steps=[], is_safe=is_safe, ttc=ttc, comfort=comfort, progress_m=progress_m)


def test_progress_is_relative_to_the_farthest_plan_without_a_fault() -> None:
    scores = reactive_scores([run(20.0), run(10.0), run(40.0, is_safe=False), run(20.0, ttc=0.0, comfort=0.0)])
    assert scores == pytest.approx([1.0, 9.5 / 12.0, 0.0, 5.0 / 12.0])


def test_where_no_plan_gets_anywhere_progress_counts_as_complete() -> None:
    assert reactive_scores([run(0.0), run(1.0)]) == pytest.approx([1.0, 1.0])


def test_a_plan_is_followed_to_its_end() -> None:
    times = np.linspace(0.0, 4.0, 41)
    plan = Trajectory(
        stamp_ns=0, frame_id="map", time_s_T=times, x_m_T=8.0 * times, y_m_T=np.zeros(41), heading_rad_T=np.zeros(41),
        speed_mps_T=np.full(41, 8.0), accel_mps2_T=np.zeros(41), curvature_per_m_T=np.zeros(41),
    )  # fmt: skip
    state = EgoVehicleState(x_m=0.0, y_m=0.0, heading_rad=0.0, speed_mps=8.0)
    states = followed(plan, state, 0, EGO_VEHICLE)
    assert states[39].x_m == pytest.approx(32.0, abs=0.3) and abs(states[39].y_m) < 1e-6
