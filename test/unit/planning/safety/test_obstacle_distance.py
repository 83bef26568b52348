"""Distance of grid cells to obstacles, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from transdiffuser_planner.planning.safety.obstacle_distance import distance_to_occupied


@pytest.mark.parametrize("share", [0.0002, 0.003, 0.1, 1.0])
@pytest.mark.parametrize("shape", [(184, 112), (7, 90), (1, 5)])
@pytest.mark.parametrize("reach", [1, 9, 48, 100])
def test_distances_are_those_of_scipy_up_to_the_reach(share: float, shape: tuple[int, int], reach: int) -> None:
    occupied = np.random.default_rng(reach).random(shape) < share
    occupied[0, 3] = True
    expected = np.minimum(distance_transform_edt(~occupied), reach)
    np.testing.assert_array_equal(distance_to_occupied(occupied, reach), expected)


def test_without_obstacles_every_cell_is_as_far_as_the_reach() -> None:
    np.testing.assert_array_equal(distance_to_occupied(np.zeros((4, 6), dtype=np.bool_), 9), np.full((4, 6), 9.0))
