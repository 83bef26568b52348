"""The shipped model under guidance to start, to stop and onto the route: plans follow, and the safety checks stay."""

from dataclasses import replace

import numpy as np
import pytest
from straight_drive import RIG, snapshot

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import FallbackLevel, Route
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.planner import Planner

CONFIG = PlannerConfig(num_threads=1)


def plans(
    planner: Planner, config: PlannerConfig, speed_mps: float, route_y_m: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the candidates (M, 2) and of the published plan, from the vehicle's pose on."""
    seen = snapshot(20, speed_mps=speed_mps)
    if route_y_m is not None:
        line = np.stack([np.linspace(-20.0, 200.0, 50), np.full(50, route_y_m)], axis=-1)
        seen = replace(seen, route=Route(stamp_ns=seen.stamp_ns, frame_id="map", xy_N2=line))
    planner.reset()
    planner.config = config
    result = planner.plan(seen)
    assert result.fallback_level is FallbackLevel.NONE, result.reason
    here = np.asarray([seen.ego.x_m, seen.ego.y_m])
    end = np.asarray([result.trajectory.x_m_T[-1], result.trajectory.y_m_T[-1]])
    return result.candidates.pose_MT3[:, -1, :2] - here, end - here


@pytest.fixture(scope="module")
def planner() -> Planner:
    """One planner for all tests; its configuration is replaced between cycles, as services do."""
    return Planner.load(model_folder("tiny"), RIG, CONFIG)


def test_stop_guidance_stops(planner: Planner) -> None:
    stopping = replace(CONFIG, stop_guidance=True, stop_guidance_decel_mps2=2.0)
    free_M2, free_2 = plans(planner, CONFIG, 6.0)
    stopped_M2, stopped_2 = plans(planner, stopping, 6.0)
    assert np.median(free_M2[:, 0]) > 15.0 and np.median(stopped_M2[:, 0]) < 11.0
    assert stopped_2[0] < 0.7 * free_2[0]


def test_start_guidance_moves_a_standing_vehicle_off(planner: Planner) -> None:
    standing_M2, _ = plans(planner, CONFIG, 0.0)
    started_M2, started_2 = plans(planner, replace(CONFIG, start_guidance=True), 0.0)
    assert np.mean(started_M2[:, 0] > 7.0) > 0.8 > np.mean(standing_M2[:, 0] > 7.0)
    assert started_2[0] > 5.0


def test_center_line_guidance_leads_onto_the_route(planner: Planner) -> None:
    beside_M2, _ = plans(planner, CONFIG, 6.0, route_y_m=1.5)
    onto_M2, _ = plans(planner, replace(CONFIG, centerline_guidance=True), 6.0, route_y_m=1.5)
    assert np.median(np.abs(onto_M2[:, 1] - 1.5)) < 0.3
    assert np.median(np.abs(onto_M2[:, 1] - 1.5)) < np.median(np.abs(beside_M2[:, 1] - 1.5))
