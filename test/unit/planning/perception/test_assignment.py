"""Pairing of tracks with detections, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import maximum_filter
from scipy.optimize import linear_sum_assignment

from transdiffuser_planner.planning.perception.assignment import assign, nearest_pairs
from transdiffuser_planner.planning.perception.detection_decoder import _largest_around

GATE_M = 3.0


@pytest.mark.parametrize("rows", [1, 2, 5, 17])
@pytest.mark.parametrize("more", [0, 1, 9])
def test_assignment_is_that_of_scipy(rows: int, more: int) -> None:
    rng = np.random.default_rng(10 * rows + more)
    for _ in range(20):
        cost = rng.random((rows, rows + more))
        np.testing.assert_array_equal(assign(cost), linear_sum_assignment(cost)[1])


@pytest.mark.parametrize("side_m", [4.0, 15.0, 60.0])
def test_pairs_are_those_of_the_whole_matrix(side_m: float) -> None:
    rng = np.random.default_rng(round(side_m))
    for tracks, detections in [(1, 1), (6, 6), (12, 5), (5, 12), (30, 33)]:
        there, here = rng.random((tracks, 1, 2)) * side_m, rng.random((1, detections, 2)) * side_m
        distance = np.hypot(*(there - here).transpose(2, 0, 1))
        pairs = zip(*linear_sum_assignment(np.minimum(distance, 2.0 * GATE_M)), strict=True)
        expected = {int(t): int(d) for t, d in pairs if distance[t, d] <= GATE_M}
        assert nearest_pairs(distance, GATE_M) == expected


def test_two_tracks_share_two_detections_although_one_is_nearest_to_both() -> None:
    distance = np.asarray([[1.0, 2.9], [0.2, 2.0]])
    assert nearest_pairs(distance, GATE_M) == {0: 0, 1: 1}


def test_peaks_are_those_of_a_maximum_filter() -> None:
    for shape in [(1, 1), (2, 7), (64, 64)]:
        value = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        np.testing.assert_array_equal(_largest_around(value), maximum_filter(value, size=3))
