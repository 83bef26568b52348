"""OpenDRIVE that programs of CARLA plan routes on."""

from xml.etree import ElementTree

from opendrive_maps import LANE_M, both_sides, geometry, lane, road, three_arms

from transdiffuser_planner.simulation.map.opendrive_export import without_mixed_links


def connections(text):
    """(connecting road, links of lanes) of each connection."""
    return [
        (item.get("connectingRoad"), [(link.get("from"), link.get("to")) for link in item.iter("laneLink")])
        for item in ElementTree.fromstring(text).iter("connection")
    ]


def test_ways_of_cars_onto_bicycle_lanes_are_left_out_and_those_of_bicycles_stay():
    street = both_sides({}).replace(lane(-2, "shoulder", 0.5), lane(-2, "biking", 1.5))
    kinds = {101: (lane(-1, "driving", LANE_M),), 102: (lane(-1, "biking", LANE_M), lane(-2, "biking", 1.5))}
    parts = [road(1, line=geometry(0, -50, 0, 0, 40), length=40, lanes=street)]
    parts += [
        road(
            number,
            line=geometry(0, -10, 0, 0, 20),
            length=20,
            lanes=f'<center><lane id="0" type="none"/></center><right>{"".join(made)}</right>',
            junction=7,
        )
        for number, made in kinds.items()
    ]
    parts.append(road(103, line=geometry(0, -10, 0, 0, 20), length=20, lanes=f"<right>{kinds[102][0]}</right>"))
    links = {101: ((-1, -1),), 102: ((-1, -1), (-2, -2)), 103: ((-1, -1),)}
    rows = "".join(
        f'<connection id="{number}" incomingRoad="1" connectingRoad="{number}" contactPoint="start">'
        + "".join(f'<laneLink from="{a}" to="{b}"/>' for a, b in pairs)
        + "</connection>"
        for number, pairs in links.items()
    )
    text = f'<OpenDRIVE>{"".join(parts)}<junction id="7">{rows}</junction></OpenDRIVE>'
    assert connections(without_mixed_links(text)) == [("101", [("-1", "-1")]), ("102", [("-2", "-2")])]
    assert connections(without_mixed_links(three_arms())) == connections(three_arms())
