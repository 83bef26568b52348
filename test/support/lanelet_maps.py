"""Hand-made Lanelet2 maps: two lanes of two pieces each to the east, then a left turn with a traffic light, then north."""

from __future__ import annotations

from pathlib import Path

import numpy as np

LANE_M = 3.5
LEFT_1, LEFT_2, RIGHT_1, RIGHT_2, TURN, NORTH = 101, 102, 201, 202, 103, 104
LIGHT = 900
CORNER_M = 120.0


class MapText:
    """Text of an .osm file; nodes at the same place are one node."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[float, float], int] = {}
        self.ways: dict[int, list[int]] = {}
        self.relations: list[str] = []

    def node(self, x: float, y: float) -> int:
        return self.nodes.setdefault((round(x, 3), round(y, 3)), 1000 + len(self.nodes))

    def way(self, points: np.ndarray) -> int:
        nodes = [self.node(x, y) for x, y in points.tolist()]
        same = next((number for number, other in self.ways.items() if other in (nodes, nodes[::-1])), None)
        number = 5000 + len(self.ways) if same is None else same
        self.ways.setdefault(number, nodes)
        return number

    def lanelet(
        self, number: int, left: np.ndarray, right: np.ndarray, rules: tuple[int, ...] = (), **tags: str
    ) -> None:
        members = [("left", "way", self.way(left)), ("right", "way", self.way(right))]
        members += [("regulatory_element", "relation", rule) for rule in rules]
        self.relation(number, members, {"type": "lanelet", "subtype": "road", **tags})

    def relation(self, number: int, members: list[tuple[str, str, int]], tags: dict[str, str]) -> None:
        lines = [f'<member type="{kind}" ref="{ref}" role="{role}"/>' for role, kind, ref in members]
        lines += [f'<tag k="{key}" v="{value}"/>' for key, value in tags.items()]
        self.relations.append(f'<relation id="{number}">{"".join(lines)}</relation>')

    def text(self) -> str:
        nodes = [
            f'<node id="{number}" lat="{35.0 + y * 1e-6:.9f}" lon="{139.0 + x * 1e-6:.9f}"><tag k="local_x" v="{x}"/>'
            f'<tag k="local_y" v="{y}"/><tag k="ele" v="5.5"/></node>'
            for (x, y), number in self.nodes.items()
        ]
        ways = [
            f'<way id="{number}">{"".join(f"<nd ref={chr(34)}{node}{chr(34)}/>" for node in nodes)}</way>'  # codespell:ignore
            for number, nodes in self.ways.items()
        ]
        return f'<?xml version="1.0"?><osm version="0.6">{"".join(nodes + ways + self.relations)}</osm>'


def east(x0: float, x1: float, y: float) -> np.ndarray:
    return np.stack([np.linspace(x0, x1, 7), np.full(7, y)], axis=-1)


def turn_left(radius_m: float) -> np.ndarray:
    """Quarter circle from east to north around (CORNER_M, 2 LANE_M + 10)."""
    angle = np.linspace(-np.pi / 2.0, 0.0, 12)
    return np.stack([CORNER_M + radius_m * np.cos(angle), 2.0 * LANE_M + 10.0 + radius_m * np.sin(angle)], axis=-1)


def write_map(path: Path, *, first_limit: str = "50", light: bool = True) -> Path:
    """Write the map; the left lane leads into the turn."""
    made = MapText()
    for number, right_number, x0, x1 in ((LEFT_1, RIGHT_1, 0.0, 60.0), (LEFT_2, RIGHT_2, 60.0, CORNER_M)):
        middle = east(x0, x1, LANE_M)
        made.lanelet(number, east(x0, x1, 2.0 * LANE_M), middle, speed_limit=first_limit)
        made.lanelet(
            right_number, middle, east(x1, x0, 0.0), speed_limit=first_limit
        )  # one way backwards, as in real maps
    rules = (LIGHT,) if light else ()
    made.lanelet(TURN, turn_left(10.0), turn_left(10.0 + LANE_M), rules, speed_limit="30 km/h", turn_direction="left")
    x0, x1, y0 = CORNER_M + 10.0, CORNER_M + 10.0 + LANE_M, 2.0 * LANE_M + 10.0
    up = np.linspace(y0, y0 + 50.0, 6)
    made.lanelet(NORTH, np.stack([np.full(6, x0), up], -1), np.stack([np.full(6, x1), up], -1), speed_limit="40")
    stop = made.way(np.asarray([[CORNER_M - 2.0, LANE_M], [CORNER_M - 2.0, 2.0 * LANE_M]]))
    made.relation(LIGHT, [("ref_line", "way", stop)], {"type": "regulatory_element", "subtype": "traffic_light"})
    path.write_text(made.text(), encoding="utf-8")
    return path


SEGMENTS = [(LEFT_1, [LEFT_1, RIGHT_1]), (LEFT_2, [LEFT_2, RIGHT_2]), (TURN, [TURN]), (NORTH, [NORTH])]
"""Keeps to the left lane."""
CHANGING = [(RIGHT_1, [LEFT_1, RIGHT_1]), (LEFT_2, [LEFT_2, RIGHT_2]), (TURN, [TURN]), (NORTH, [NORTH])]
"""Begins in the right lane and changes to the left one."""
START, GOAL = np.asarray([5.0, 1.5 * LANE_M]), np.asarray([CORNER_M + 10.0 + LANE_M / 2.0, 2.0 * LANE_M + 40.0])
