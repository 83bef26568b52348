"""Routes and center lines agree with Lanelet2's own, on a hand-made map and on those of an autoware_core checkout.

Needs the wheel `lanelet2`; the upstream maps are looked for in the folder AUTOWARE_CORE.
"""

import os
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

lanelet2 = pytest.importorskip("lanelet2", reason="pip install lanelet2")

from lanelet_maps import GOAL, LEFT_1, NORTH, START, write_map  # noqa: E402

from transdiffuser_planner.core.geometry import arc_length, project_onto_polyline, resample_polyline  # noqa: E402
from transdiffuser_planner.integrations.autoware.lanelets.lanelet_map import MapError  # noqa: E402
from transdiffuser_planner.integrations.autoware.lanelets.osm_reader import read_osm  # noqa: E402
from transdiffuser_planner.integrations.autoware.lanelets.route_line import center_of, route_line  # noqa: E402

CHECKOUT = os.environ.get("AUTOWARE_CORE", "")
MAPS = sorted(Path(CHECKOUT).rglob("*.osm")) if CHECKOUT else []
WITHIN_M = 0.1
ROAD = ("road", "highway", "play_street")
ROUTES_PER_MAP = 12


def lanelet2_map(path: Path, tmp_path: Path):
    """Lanelet2's map at the local coordinates, as Autoware's loader makes it.

    Latitudes and longitudes are replaced by ones that resemble the local coordinates: some maps have none, and Lanelet2 brings
    boundaries into driving order by them.
    """
    tree = ElementTree.parse(path)
    tags = {node: {tag.get("k"): tag.get("v") for tag in node.iter("tag")} for node in tree.iter("node")}
    local = {node: (float(tag["local_x"]), float(tag["local_y"])) for node, tag in tags.items() if tag.get("local_x")}
    first_x, first_y = next(iter(local.values()))
    for node, (x, y) in local.items():
        node.set("lat", f"{35.0 + 9e-6 * (y - first_y):.9f}")
        node.set("lon", f"{139.0 + 11e-6 * (x - first_x):.9f}")
    copy = tmp_path / "copy.osm"
    tree.write(copy)
    projector = lanelet2.projection.UtmProjector(lanelet2.io.Origin(35.0, 139.0))
    loaded, _ = lanelet2.io.loadRobust(str(copy), projector)
    places = {int(node.get("id")): place for node, place in local.items()}
    for point in loaded.pointLayer:
        point.x, point.y = places.get(point.id, (point.x, point.y))
    return loaded


def line(lanelet) -> np.ndarray:
    return np.asarray([[point.x, point.y] for point in lanelet.centerline])


def deviation(one_N2: np.ndarray, other_N2: np.ndarray) -> float:
    """Largest distance of a polyline, sampled every half meter, from another one."""
    points = resample_polyline(one_N2, np.arange(0.0, arc_length(one_N2)[-1], 0.5))
    nearest = resample_polyline(other_N2, project_onto_polyline(other_N2, points)[0])
    return float(np.hypot(*(points - nearest).T).max(initial=0.0))


def farthest(one_N2: np.ndarray, other_N2: np.ndarray) -> float:
    """Largest distance of two polylines from one another."""
    return max(deviation(one_N2, other_N2), deviation(other_N2, one_N2))


def compare_center_lines(own, theirs) -> int:
    """Compare every road lanelet; returns their number."""
    count = 0
    for lanelet in theirs.laneletLayer:
        subtype = dict(lanelet.attributes).get("subtype", "")
        if subtype not in ROAD or lanelet.id not in own.lanelets or len(line(lanelet)) < 2:
            continue
        assert farthest(center_of(own.lanelets[lanelet.id])[:, :2], line(lanelet)) < WITHIN_M, lanelet.id
        count += 1
    return count


def compare_routes(own, theirs) -> int:
    """Compare routes without lane change from several lanelets on; returns their number."""
    rules = lanelet2.traffic_rules.create(
        lanelet2.traffic_rules.Locations.Germany, lanelet2.traffic_rules.Participants.Vehicle
    )
    graph = lanelet2.routing.RoutingGraph(theirs, rules)
    roads = [item for item in theirs.laneletLayer if rules.canPass(item) and item.id in own.lanelets]
    count = 0
    for begin in roads[:: max(1, len(roads) // ROUTES_PER_MAP)]:
        chain = [begin]
        while len(chain) < 8 and (after := graph.following(chain[-1], False)) and after[0] not in chain:
            chain.append(after[0])
        path = graph.shortestPath(begin, chain[-1], 0, False)  # 0: the first cost module; no lane changes
        if path is None or len(path) < 2 or any(item.id not in own.lanelets for item in path):
            continue
        joined = np.concatenate([line(item) for item in path])
        joined = joined[np.concatenate([[True], np.hypot(*np.diff(joined, axis=0).T) > 1e-6])]
        found = route_line(own, [(item.id, [item.id]) for item in path], joined[0], joined[-1])
        assert farthest(found.xyz_N3[:, :2], joined) < WITHIN_M, [item.id for item in path]
        count += 1
    return count


def test_the_hand_made_map_is_read_as_by_lanelet2(tmp_path):
    path = write_map(tmp_path / "map.osm")
    own, theirs = read_osm(path), lanelet2_map(path, tmp_path)
    assert compare_center_lines(own, theirs) == len(own.lanelets) == 6
    assert compare_routes(own, theirs) >= 2
    rules = lanelet2.traffic_rules.create(
        lanelet2.traffic_rules.Locations.Germany, lanelet2.traffic_rules.Participants.Vehicle
    )
    graph = lanelet2.routing.RoutingGraph(theirs, rules)
    path_of = graph.shortestPath(theirs.laneletLayer[LEFT_1], theirs.laneletLayer[NORTH])
    found = route_line(own, [(item.id, [item.id]) for item in path_of], START, GOAL)
    whole = np.concatenate([line(item) for item in path_of])
    assert (
        deviation(found.xyz_N3[:, :2], whole[np.concatenate([[True], np.hypot(*np.diff(whole, axis=0).T) > 0.0])])
        < WITHIN_M
    )


@pytest.mark.skipif(not MAPS, reason="AUTOWARE_CORE is no checkout of autowarefoundation/autoware_core")
@pytest.mark.parametrize("path", MAPS, ids=lambda path: "/".join(path.parts[-3:-1]) + "/" + path.stem)
def test_upstream_maps_are_read_as_by_lanelet2(path, tmp_path):
    try:
        own = read_osm(path)
    except MapError as error:
        pytest.skip(str(error))
    theirs = lanelet2_map(path, tmp_path)
    assert compare_center_lines(own, theirs) > 0
    compare_routes(own, theirs)
