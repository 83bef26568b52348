"""Alternative maneuvers in a frame, and the follow rate of plans."""

import numpy as np
import pytest

from transdiffuser_planner.core.contract import TINY, BevClass
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.data.counterfactuals.maneuvers import alternative_maneuvers, stays_on_road
from transdiffuser_planner.evaluation.open_loop.instruction_following import following_table
from transdiffuser_planner.evaluation.open_loop.instruction_plot import plot_instructed

ROAD = np.full((TINY.bev_cells, TINY.bev_cells), int(BevClass.ROAD), dtype=np.uint8)
TIMES = TINY.plan_times_s


def _straight(speed_mps: float) -> np.ndarray:
    return np.stack([speed_mps * TIMES, np.zeros(8), np.zeros(8)], axis=-1)


def _others(speed_mps: float, bev: np.ndarray = ROAD, route: np.ndarray | None = None) -> dict[str, np.ndarray]:
    no_route = np.zeros((0, 2)) if route is None else route
    return alternative_maneuvers(_straight(speed_mps), no_route, speed_mps, bev, contract=TINY, vehicle=EGO_VEHICLE)


def test_stop_and_turns_are_other_things_than_going_straight_on() -> None:
    found = _others(5.0)
    assert set(found) == {"stop", "turn left", "turn right"}
    stop = found["stop"]
    np.testing.assert_allclose(stop[-1], [5.0**2 / 5.0, 0.0, 0.0], atol=0.05)  # v^2 / 2a
    assert np.abs(np.diff(stop[4:, 0])).max() < 1e-6
    assert found["turn left"][-1, 1] > 3.0 and found["turn right"][-1, 1] < -3.0
    np.testing.assert_allclose(found["turn left"] * [1, -1, -1], found["turn right"], atol=1e-9)


def test_a_standing_vehicle_may_drive_on_along_its_route() -> None:
    route = np.stack([np.arange(0.0, 40.0, 3.0), np.zeros(14)], axis=-1)
    found = _others(0.0, route=route)
    np.testing.assert_allclose(found["drive on"][:, 0], 0.75 * TIMES**2, atol=0.05)


def test_what_is_no_road_or_taken_is_not_possible() -> None:
    lane = np.full_like(ROAD, int(BevClass.BACKGROUND))
    lane[:, 30:34] = int(BevClass.ROAD)  # 4 m wide, straight ahead
    assert set(_others(5.0, lane)) == {"stop"}
    assert stays_on_road(_straight(5.0), lane, TINY, EGO_VEHICLE)
    lane[10:14, 30:34] = int(BevClass.VEHICLE)
    assert not stays_on_road(_straight(5.0), lane, TINY, EGO_VEHICLE)
    assert not stays_on_road(_straight(9.0), ROAD, TINY, EGO_VEHICLE)  # leaves the grid


def _instructed(name: str, end_m: float, ends_m: list[float]) -> dict[str, object]:
    """Asked for a way straight on so long; candidates that go so far."""
    plans = np.stack([_straight(end / TIMES[-1]) for end in ends_m])
    asked, farther = _straight(end_m / TIMES[-1]), plans + np.asarray([5.0, 0.0, 0.0])
    return {"maneuver": name, "logged": name == "driven", "instructed": asked, "with": plans, "without": farther}


def test_a_plan_follows_when_it_ends_within_two_meters() -> None:
    instructed = [
        _instructed("stop", 10.0, [10.5, 10.0, 9.0]),
        _instructed("stop", 10.0, [13.0, 13.5, 11.0]),
        _instructed("driven", 4.0, [4.0]),
    ]
    rows = {row["maneuver"]: row for row in following_table(instructed)}
    stop = rows["stop"]
    assert rows["all other maneuvers"]["samples"] == stop["samples"] == 2 and rows["driven"]["followed_with"] == 1.0
    assert stop["followed_with"] == 0.5 and stop["followed_without"] == 0.0
    assert stop["candidates_with"] == pytest.approx(4 / 6, abs=1e-3)


def test_moments_with_most_maneuvers_are_drawn(tmp_path) -> None:
    pytest.importorskip("matplotlib")
    instructed = []
    for sample, names in enumerate((["stop"], ["stop", "turn left", "turn right"])):
        instructed += [
            {**_instructed(name, 10.0, [10.0, 9.0]), "logged": False, "sample": sample, "bev": ROAD} for name in names
        ]
    path = tmp_path / "plots" / "instructed.png"
    assert plot_instructed(instructed, TINY.range_m, path) and path.read_bytes().startswith(b"\x89PNG")
    assert not plot_instructed([{**instructed[0], "logged": True}], TINY.range_m, tmp_path / "none.png")
