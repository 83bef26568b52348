"""Routes on lanes of CARLA's own map reader, and limits of its file."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from opendrive_maps import LANE_M, straight_road, three_arms, with_center_lanes

from transdiffuser_planner.core.errors import InputError, SimulationError
from transdiffuser_planner.core.types import DrivingCommand, EgoState, SignalState
from transdiffuser_planner.integrations.carla.agent.agent_route import reference_of
from transdiffuser_planner.integrations.carla.geodesy import LocalMap
from transdiffuser_planner.integrations.carla.route.road_limits import CAP_MPS, RoadLimits
from transdiffuser_planner.integrations.carla.route.route_guide import RouteGuide, letter_of


def place(road_id: int, lane_id: int = -1, s: float = 1.0) -> SimpleNamespace:
    return SimpleNamespace(road_id=road_id, lane_id=lane_id, s=s)


def test_limits_are_those_of_the_file_in_any_unit_and_capped() -> None:
    limits = RoadLimits(three_arms())
    assert limits.limit_of(place(1)) == pytest.approx(30 * 0.44704)
    assert limits.limit_of(place(2)) == pytest.approx(40 / 3.6)
    assert limits.limit_of(place(3)) == CAP_MPS and limits.limit_of(place(77)) == CAP_MPS
    with pytest.raises(SimulationError, match="not valid XML"):
        RoadLimits("no map")


def test_a_limit_of_a_lane_begins_where_the_file_says() -> None:
    lane = '<lane id="-1" type="driving"><speed sOffset="0" max="10"/><speed sOffset="20" max="no limit"/>'
    lane += '<speed sOffset="30" max="5" unit="m/s"/></lane>'
    text = f'<OpenDRIVE><road id="4"><lanes><laneSection s="10">{lane}</laneSection></lanes></road></OpenDRIVE>'
    limits = RoadLimits(text)
    assert [limits.limit_of(place(4, s=s)) for s in (5.0, 10.0, 39.0, 41.0)] == [CAP_MPS, 10.0, 10.0, 5.0]


def test_positions_near_neither_reference_are_refused() -> None:
    equator = LocalMap(latitude_deg=0.0, longitude_deg=0.0)
    assert reference_of(0.01, 0.0, equator) is equator
    assert reference_of(42.001, 2.0, equator).latitude_deg == 42.0
    with pytest.raises(InputError, match="do not belong together"):
        reference_of(20.0, 20.0, equator)


@pytest.mark.parametrize(
    ("state", "letter"), [("Red", "r"), ("Yellow", "y"), ("Green", "g"), ("Off", "o"), ("x.Red", "r")]
)
def test_states_of_lights_have_sumos_letters(state: str, letter: str) -> None:
    assert letter_of(state) == letter


CONNECTIONS = (  # incoming road, connecting road, where they touch, lanes of both
    (1, 101, "start", -1, -1),
    (2, 101, "end", 1, 1),
    (1, 102, "start", -1, -1),
    (3, 102, "end", 1, 1),
    (2, 103, "start", 1, -1),
    (3, 103, "end", 1, 1),
)


def connected() -> str:
    """The map with the connections of its junction and center lanes, which CARLA's reader needs."""
    rows = "".join(
        f'<connection id="{index}" incomingRoad="{incoming}" connectingRoad="{way}" contactPoint="{at}">'
        f'<laneLink from="{lane}" to="{way_lane}"/></connection>'
        for index, (incoming, way, at, lane, way_lane) in enumerate(CONNECTIONS)
    )
    return with_center_lanes(three_arms()).replace('<junction id="10">', f'<junction id="10">{rows}')


@pytest.fixture(scope="module")
def town():
    carla = pytest.importorskip("carla")
    return carla.Map("three_arms", connected())


def test_a_map_that_carlas_package_cannot_read_is_one_clear_error() -> None:
    carla = pytest.importorskip("carla")
    from transdiffuser_planner.integrations.carla.route.lane_graph import LaneGraph

    with pytest.raises(SimulationError, match="every road needs its lane 0"):
        LaneGraph(carla.Map("three_arms", three_arms()))


def _waypoint(town, x_m: float, y_m: float):
    import carla

    return town.get_waypoint(carla.Location(x=x_m, y=-y_m))


def _route(town, *ends: tuple[float, float]):
    from transdiffuser_planner.integrations.carla.route.lane_graph import LaneGraph
    from transdiffuser_planner.integrations.carla.route.map_route import route_through

    limits = RoadLimits(three_arms())
    return route_through(LaneGraph(town), [_waypoint(town, *end) for end in ends], limits.limit_of)


def test_a_right_turn_follows_the_arc_on_paper(town) -> None:
    # From the west on its right lane into the street to the south: right of a reference arc of radius 10 m about (-10, -10).
    route = _route(town, (-100.0, -LANE_M / 2.0), (-LANE_M / 2.0, -40.0))
    inside = (route.xy_N2[:, 0] > -9.5) & (route.xy_N2[:, 1] > -9.5)
    radii = np.hypot(*(route.xy_N2[inside] - [-10.0, -10.0]).T)
    assert radii == pytest.approx(10.0 - LANE_M / 2.0, abs=0.1)
    (turn,) = route.turns
    assert turn.command is DrivingCommand.RIGHT and turn.start_m == pytest.approx(90.0, abs=2.5)
    assert route.length_m == pytest.approx(90.0 + (10.0 - LANE_M / 2.0) * math.pi / 2.0 + 30.0, abs=4.0)
    assert set(np.round(route.lane_width_m_N, 3)) == {LANE_M}
    assert route.speed_limit(20.0) == pytest.approx(30 * 0.44704)


def test_the_light_of_a_junction_stops_at_its_entry_and_is_followed_by_its_state(town) -> None:
    route = _route(town, (-100.0, -LANE_M / 2.0), (60.0, -LANE_M / 2.0))
    assert [(light.tls_id, light.s_m) for light in route.signals] == [("901", pytest.approx(90.0, abs=2.5))]
    guide = RouteGuide(route, front_offset_m=4.0)
    guide.update(EgoState(stamp_ns=0, frame_id="map", x_m=-40.0, y_m=-1.0, heading_rad=0.0, vx_mps=5.0))
    assert guide.s_m == pytest.approx(60.0, abs=0.5) and guide.lateral_m == pytest.approx(LANE_M / 2.0 - 1.0, abs=0.05)
    signal = guide.signal({"901": "r"}.__getitem__, 5)
    assert signal is not None and signal.state is SignalState.RED
    assert signal.distance_m == pytest.approx(route.signals[0].s_m - guide.s_m - 4.0)
    assert guide.command is DrivingCommand.STRAIGHT


def test_a_point_that_would_need_a_detour_is_left_out(town) -> None:
    # The second point is on the lane of the other direction, from which no way leads on within the map.
    straight = _route(town, (-100.0, -LANE_M / 2.0), (60.0, -LANE_M / 2.0))
    mistaken = _route(town, (-100.0, -LANE_M / 2.0), (-50.0, LANE_M / 2.0), (60.0, -LANE_M / 2.0))
    assert np.array_equal(straight.xy_N2, mistaken.xy_N2)


def test_a_goal_without_a_way_is_one_clear_error(town) -> None:
    with pytest.raises(SimulationError, match="no way leads from lane"):
        _route(town, (60.0, -LANE_M / 2.0), (-100.0, -LANE_M / 2.0))


def test_a_road_that_nothing_leads_to_or_from_is_driven_from_point_to_point() -> None:
    """400 m are whole steps: CARLA's package fails at their end, and ends the process at the begin of such a road."""
    carla = pytest.importorskip("carla")
    from transdiffuser_planner.integrations.carla.route.lane_graph import LaneGraph
    from transdiffuser_planner.integrations.carla.route.map_route import route_through

    town = carla.Map("straight", straight_road(400.0))
    ends = [town.get_waypoint(carla.Location(x=x)) for x in (150.0, 350.0)]
    graph = LaneGraph(town)
    route = route_through(graph, ends, lambda _waypoint: 10.0)
    assert route.length_m == pytest.approx(200.0, abs=4.0)
    assert abs(float(route.xy_N2[0, 0]) - 150.0) < 2.0 and np.ptp(route.xy_N2[:, 1]) < 1e-3
    begin, *_, last = graph.way(*ends)[0].waypoints
    assert begin.s < 2.0 and last.s > 399.0
