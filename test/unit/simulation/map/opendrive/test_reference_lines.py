"""Reference lines of OpenDRIVE follow the formulas of the standard."""

import numpy as np
import pytest
from opendrive_network_check import line_distance
from scipy.special import fresnel

from transdiffuser_planner.simulation.map.opendrive.lane_lines import simplified
from transdiffuser_planner.simulation.map.opendrive.reference_line import Geometry, polynomial, sample_line


def _one(kind: str, length: float, values: tuple[float, ...] = (), heading: float = 0.0) -> Geometry:
    return Geometry(s_m=0.0, x_m=1.0, y_m=2.0, heading_rad=heading, length_m=length, kind=kind, values=values)


def test_a_line_goes_straight_along_its_heading() -> None:
    xy, heading = sample_line([_one("line", 10.0, heading=np.pi / 2)], np.asarray([0.0, 10.0]))
    assert xy == pytest.approx(np.asarray([[1.0, 2.0], [1.0, 12.0]])) and heading == pytest.approx([np.pi / 2] * 2)


def test_a_quarter_of_a_circle_ends_beside_and_ahead() -> None:
    xy, heading = sample_line([_one("arc", 50.0, (-0.1,))], np.asarray([5.0 * np.pi]))
    assert xy[0] == pytest.approx([11.0, -8.0]) and heading[0] == pytest.approx(-np.pi / 2)


def test_a_spiral_is_a_clothoid() -> None:
    length, curvature = 60.0, 0.04
    scale = np.sqrt(np.pi * length / curvature)
    sine, cosine = fresnel(length / scale)
    xy, heading = sample_line([_one("spiral", length, (0.0, curvature))], np.asarray([length]))
    assert xy[0] == pytest.approx([1.0 + scale * cosine, 2.0 + scale * sine], abs=1e-6)
    assert heading[0] == pytest.approx(length * curvature / 2.0)


def test_cubic_curves_pass_their_points() -> None:
    length = float(np.hypot(*np.diff(np.stack([u := np.linspace(0, 20, 4001), 0.01 * u**2]), axis=1)).sum())
    cubic, _ = sample_line([_one("poly3", length, (0.0, 0.0, 0.01, 0.0))], np.asarray([length]))
    assert cubic[0] == pytest.approx([21.0, 6.0], abs=0.01)
    values = (0.0, 20.0, 0.0, 0.0, 0.0, 0.0, 4.0, 0.0, 1.0)
    parametric, _ = sample_line([_one("paramPoly3", length, values)], np.asarray([length]))
    assert parametric[0] == pytest.approx([21.0, 6.0], abs=0.01)


def test_a_road_continues_in_its_next_geometry() -> None:
    second = Geometry(s_m=10.0, x_m=11.0, y_m=2.0, heading_rad=0.0, length_m=5.0, kind="arc", values=(0.1,))
    xy, _ = sample_line([_one("line", 10.0), second], np.asarray([9.999, 10.001]))
    assert np.hypot(*(xy[1] - xy[0])) == pytest.approx(0.002, abs=1e-6)


def test_pieces_of_a_width_begin_at_their_own_starts() -> None:
    rows = np.asarray([[0.0, 3.0, 0.0, 0.0, 0.0], [10.0, 3.0, 0.1, 0.0, 0.0]])
    assert polynomial(rows, np.asarray([5.0, 10.0, 15.0])) == pytest.approx([3.0, 3.0, 3.5])


def test_a_simplified_line_stays_within_its_tolerance() -> None:
    angle = np.linspace(0.0, np.pi / 2, 200)
    arc = 10.0 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    short = simplified(arc, 0.01)
    assert len(short) < 40 and line_distance(arc, short) < 0.011
