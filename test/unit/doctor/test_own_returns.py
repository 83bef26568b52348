"""Returns of the vehicle itself are distinguished from walls along the road and from what it passes."""

import numpy as np
import pytest

from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.doctor.own_returns import own_margin_m

SIDE = EGO_VEHICLE.width_m / 2.0
RNG = np.random.default_rng(0)


def sweeps(*own: tuple[float, float], wall_beyond_m: float | None = None) -> list[np.ndarray]:
    """Eight sweeps of a street with posts 0.5 m next to the vehicle's path, 0.8 m farther each time."""
    out = []
    for number in range(8):
        posts = [(x - 0.8 * number, SIDE + 0.5, 1.0) for x in np.arange(-5.0, 20.0, 1.9)]
        points = [*posts, *((x, np.sign(y) * (SIDE + abs(y)), 1.2) for x, y in own)]
        if wall_beyond_m is not None:
            points += [(x, -SIDE - wall_beyond_m, 1.0) for x in np.arange(-4.0, 6.0, 0.05)]
        ground = np.column_stack([RNG.uniform(-9.0, 9.0, (500, 2)), np.zeros(500)])
        out.append(np.concatenate([np.asarray(points), ground]).astype(np.float32))
    return out


def test_what_the_vehicle_passes_and_a_wall_along_the_road_are_not_its_own() -> None:
    assert own_margin_m(sweeps(), EGO_VEHICLE, 0.0) is None
    assert own_margin_m(sweeps(wall_beyond_m=0.6), EGO_VEHICLE, 0.0) is None


def test_mirrors_and_racks_give_the_margin_that_takes_them_out() -> None:
    found = own_margin_m(sweeps((1.2, -0.22), (0.0, 0.31)), EGO_VEHICLE, 0.0)
    assert found is not None and 0.31 <= found <= 0.46
    assert own_margin_m(sweeps((1.2, -0.22), (0.0, 0.31)), EGO_VEHICLE, found) is None
    behind = own_margin_m(
        [np.asarray([[-EGO_VEHICLE.rear_overhang_m - 0.42, 0.2, 0.8]], np.float32)] * 8, EGO_VEHICLE, 0.1
    )
    assert behind == pytest.approx(0.5, abs=0.06)


def test_few_sweeps_say_nothing() -> None:
    assert own_margin_m(sweeps((1.2, -0.22))[:4], EGO_VEHICLE, 0.0) is None
