"""Points of sweeps by height and distance."""

import numpy as np
import pytest

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.evaluation.real_data.cloud_statistics import cloud_statistics


def test_points_are_counted_by_height_and_cells_by_distance() -> None:
    heights = (-0.5, 0.0, 0.5, 1.5, 3.0)
    points = np.asarray([[10.0, 0.1, z] for z in heights] + [[50.0, 0.0, 0.0]], dtype=np.float32)
    found = cloud_statistics(points, TINY)
    assert found["points_thousands"] == pytest.approx(0.005)
    shares = ("below_-0.2_m", "-0.2_to_0.3_m", "0.3_to_1_m", "1_to_2_m", "above_2_m")
    assert [found[f"{name}_percent"] for name in shares] == pytest.approx([20.0] * 5)
    assert found["obstacle_cells_8_to_16_m_percent"] == found["ground_cells_8_to_16_m_percent"] > 0.0
    assert found["obstacle_cells_0_to_8_m_percent"] == found["ground_cells_24_to_32_m_percent"] == 0.0


def test_a_sweep_without_points_has_no_shares() -> None:
    assert set(cloud_statistics(np.zeros((0, 3), dtype=np.float32), TINY).values()) == {0.0}
