"""Networks that cannot be used as a map are reported in one line; the map of avenues has room for a hundred."""

from pathlib import Path

import pytest

pytest.importorskip("sumolib")

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.map.sumo_networks import AVENUES, network_file, read_network
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.traffic.demand import SHARES, demand_xml


@pytest.mark.parametrize("reader", [RoadMap.load, read_network])
def test_a_file_that_is_no_network_is_reported_in_one_line(reader, tmp_path: Path) -> None:
    path = tmp_path / "broken.net.xml"
    path.write_text("<net><edge", encoding="utf-8")
    with pytest.raises(SimulationError, match=r"broken\.net\.xml: cannot be read \(") as caught:
        reader(path)
    assert "\n" not in str(caught.value)


def test_a_network_without_lanes_for_cars_is_reported_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "empty.net.xml"
    path.write_text('<net version="1.20"></net>', encoding="utf-8")
    with pytest.raises(SimulationError, match="no lane for cars near the route; give another map"):
        RoadMap.load(path)


def test_avenues_have_room_for_the_vehicles_of_a_hundred_road_users() -> None:
    pytest.importorskip("sumo")
    scenario = Scenario(map_name=AVENUES, seed=8005, num_agents=100)
    demand = demand_xml(read_network(network_file(AVENUES)), scenario, EGO_VEHICLE)
    wanted = (SHARES["vehicle"] + SHARES["bicycle"]) * scenario.num_agents
    assert demand.count('<vehicle id="v') > wanted and demand.count("<person") > SHARES["person"] * scenario.num_agents
