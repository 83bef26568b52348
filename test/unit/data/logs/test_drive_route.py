"""Route and map of a recorded drive: continued along lanes, the same on both sides of the road, areas that are road."""

import re
from pathlib import Path

import numpy as np
import pytest

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.contract import CONTRACTS, BevClass
from transdiffuser_planner.core.types import DrivingCommand, EgoState
from transdiffuser_planner.data.logs.drive_inputs import derive_inputs
from transdiffuser_planner.data.logs.drive_log import DriveLog
from transdiffuser_planner.data.logs.drive_route import route_of
from transdiffuser_planner.data.logs.map_elements import LaneUse, MapLane, PieceKind
from transdiffuser_planner.data.logs.tracks import EgoTrack
from transdiffuser_planner.data.samples.bev_labels import BevPainter
from transdiffuser_planner.data.scenes.scene_map import make_map
from transdiffuser_planner.metrics.pdm.scene import AreaKind


def lane(number: int, points: list[tuple[float, float]], **more: object) -> MapLane:
    values = {"use": LaneUse.CARS, "center_K2": np.asarray(points, dtype=np.float64)} | more
    return MapLane(number=number, **values)


def drive(y_m: float, until_m: float = 20.0) -> list[EgoState]:
    return [
        EgoState(stamp_ns=10**9 + i * 10**8, frame_id="map", x_m=0.5 * i, y_m=y_m, heading_rad=0.0, vx_mps=5.0)
        for i in range(int(until_m / 0.5) + 1)
    ]


FORK = [
    lane(1, [(-10, 0), (30, 0)], successors=(2, 3)),
    lane(2, [(30, 0), (40, 3), (45, 12), (45, 80)], is_in_junction=True),
    lane(3, [(30, 0), (60, 0.5), (300, 0.5)], is_in_junction=True),
]


def test_at_a_fork_the_route_goes_straight_on_and_ends_150_m_ahead() -> None:
    route = route_of(drive(0.0), FORK).xy_N2
    np.testing.assert_allclose(route[-1], [170.0, 0.5], atol=1.1)
    assert np.hypot(*np.diff(route, axis=0).T).max() < 1.5


def test_the_driven_offset_from_the_center_line_vanishes_within_20_m() -> None:
    route = route_of(drive(0.8), FORK[:1] + FORK[2:]).xy_N2
    y_at = dict(zip(np.round(route[:, 0]).astype(int).tolist(), route[:, 1].tolist(), strict=True))
    assert y_at[10] == pytest.approx(0.8) and y_at[45] == pytest.approx(0.25, abs=0.05)
    assert 0.3 < y_at[30] < 0.7


def test_a_lane_of_the_other_direction_and_one_for_bicycles_are_not_followed() -> None:
    others = [lane(1, [(200, 0), (-10, 0)]), lane(2, [(-10, 0), (200, 0)], use=LaneUse.BICYCLES)]
    route = route_of(drive(0.0), others)
    assert route.is_straight_beyond and not route.lanes
    np.testing.assert_allclose(route.xy_N2[-1], [80.0, 0.0], atol=1e-9)


def test_a_vehicle_that_stands_has_a_route_too() -> None:
    standing = [EgoState(stamp_ns=10**9 + i, frame_id="map", x_m=0, y_m=0, heading_rad=0, vx_mps=0) for i in (0, 1)]
    assert len(route_of(standing, FORK).xy_N2) > 100


@pytest.mark.parametrize(("side", "command"), [(1.0, DrivingCommand.LEFT), (-1.0, DrivingCommand.RIGHT)])
def test_turns_mirrored_at_the_road_are_commands_to_the_other_side(side: float, command: DrivingCommand) -> None:
    path = [(0.0, 0.0), (40.0, 0.0), (48.0, 3.0 * side), (52.0, 12.0 * side), (52.0, 60.0 * side)]
    lanes = [
        lane(1, path[:2], successors=(2,)),
        lane(2, path[1:4], is_in_junction=True, successors=(3,)),
        lane(3, path[3:]),
    ]
    log = derive_inputs(DriveLog(path=Path("hand"), ego=EgoTrack(drive(0.0, 30.0)), lanes=lanes))
    commands = dict(log.commands)
    assert commands[10**9] is DrivingCommand.STRAIGHT  # 40 m before the turn
    assert log.commands[-1][1] is command  # 10 m before it


def test_drivable_areas_are_road_in_labels_and_scores() -> None:
    ring = np.asarray([[-5.0, 5.0], [15.0, 5.0], [15.0, 9.0], [-5.0, 9.0]])
    road = np.asarray([[-20.0, -2.0], [60.0, -2.0], [60.0, 2.0], [-20.0, 2.0]])
    pieces = [(int(PieceKind.DRIVABLE_AREA), ring), (int(PieceKind.DRIVING_LANE), road)]
    contract = CONTRACTS["tiny"]
    label = BevPainter(pieces, contract).paint(drive(0.0)[0], AgentStates.empty("map"))
    row, column = ((contract.range_m - np.asarray([5.0, 7.0])) / contract.bev_cell_m).astype(int)
    assert label[row, column] == BevClass.ROAD
    areas = make_map(pieces, np.asarray([[-20.0, 0.0], [60.0, 0.0]])).areas
    assert any(area.kind is AreaKind.DRIVABLE_AREA and len(area.ring_C2) == 4 for area in areas)


def test_kinds_of_pieces_are_the_constants_of_the_message() -> None:
    text = (Path(__file__).parents[4] / "ros2_ws/src/transdiffuser_msgs/msg/MapPolygon.msg").read_text(encoding="utf-8")
    constants = {name: int(value) for name, value in re.findall(r"uint8 ([A-Z_]+)=(\d+)", text)}
    assert constants == {kind.name: int(kind) for kind in PieceKind}
