"""Plane geometry: transforms invert, projections are signed, overlaps are exact on cases worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transdiffuser_planner.core.geometry import (
    box_corners,
    boxes_overlap,
    global_from_local,
    local_from_global,
    project_onto_polyline,
    thinned_polyline,
    wrap_angle,
)

NUMBER = st.floats(-100.0, 100.0)
ANGLE = st.floats(-3.0, 3.0)


@given(st.tuples(NUMBER, NUMBER, ANGLE), st.tuples(NUMBER, NUMBER, ANGLE))
def test_global_from_local_inverts_local_from_global(origin: tuple[float, ...], pose: tuple[float, ...]) -> None:
    back = global_from_local(np.asarray(origin), local_from_global(np.asarray(origin), np.asarray(pose)))
    assert back[:2] == pytest.approx(pose[:2], abs=1e-9)
    assert abs(float(wrap_angle(back[2] - pose[2]))) < 1e-9


def test_a_pose_ahead_of_the_origin_has_positive_x_and_one_to_the_left_positive_y() -> None:
    origin = np.asarray([1.0, 2.0, np.pi / 2.0])
    assert local_from_global(origin, [1.0, 5.0, np.pi / 2.0]) == pytest.approx([3.0, 0.0, 0.0])
    assert local_from_global(origin, [-1.0, 2.0, np.pi]) == pytest.approx([0.0, 2.0, np.pi / 2.0])


def test_projection_gives_arc_length_and_signed_side() -> None:
    s, lateral = project_onto_polyline([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]], [[5.0, 1.0], [11.0, 5.0]])
    assert s == pytest.approx([5.0, 15.0])
    assert lateral == pytest.approx([1.0, -1.0])


def test_projection_onto_a_line_that_comes_by_twice_stays_before_a_given_length() -> None:
    lap = [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0], [0.0, 0.0], [10.0, 0.0]]
    s, lateral = project_onto_polyline(lap, [[5.0, -1.0], [5.0, -1.0], [-0.5, 0.2]], [8.0, 41.0, 3.0])
    assert s == pytest.approx([5.0, 5.0, 0.0]) and lateral[:2] == pytest.approx([-1.0, -1.0])


@pytest.mark.parametrize(
    ("x", "heading", "overlaps"),
    [
        (3.9, 0.0, True),
        (4.1, 0.0, False),
        (3.1, np.pi / 2.0, False),
        (2.9, np.pi / 2.0, True),
        (3.3, np.pi / 4.0, True),
    ],
)
def test_boxes_overlap_exactly_when_they_share_area(x: float, heading: float, overlaps: bool) -> None:
    ego = box_corners(0.0, 0.0, 0.0, 4.0, 2.0)
    other = box_corners(x, 0.0, heading, 4.0, 2.0)
    assert bool(boxes_overlap(ego, other)) is overlaps
    assert bool(boxes_overlap(other, ego)) is overlaps


def test_a_polyline_of_few_points_is_not_thinned():
    line = np.stack([np.arange(100.0), np.zeros(100)], axis=-1)
    np.testing.assert_array_equal(thinned_polyline(line, 100), line)


def test_a_long_polyline_keeps_its_shape_and_ends_when_it_is_thinned():
    s = np.arange(0.0, 2000.0, 0.1)
    curved = np.stack([s, 30.0 * np.sin(s / 40.0)], axis=-1)
    thin = thinned_polyline(curved, 5000)
    assert len(thin) <= 5000
    np.testing.assert_array_equal(thin[[0, -1]], curved[[0, -1]])
    assert np.hypot(*np.diff(thin, axis=0).T).max() <= 10.0
    _, offset = project_onto_polyline(thin, curved[::7])
    assert np.abs(offset).max() < 0.05


def test_corners_and_turning_points_are_never_left_out():
    there, back = np.arange(0.0, 300.0, 0.1), np.arange(300.0, 0.0, -0.1)
    line = np.concatenate([np.stack([there, 0.0 * there], axis=-1), np.stack([back, 0.0 * back], axis=-1)])
    thin = thinned_polyline(line, 10)
    assert thin[:, 0].max() == line[:, 0].max() and len(thin) < 200
