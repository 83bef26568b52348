"""Generator of small, dense towns by number: nodes and curved streets as SUMO's plain XML.

A town is a jittered grid or a spider web of streets, 400 to 700 m across. Streets are curved (sine-squared arcs and
S-curves), a few are main roads with two lanes per direction, some junctions are roundabouts built from one-way ring
edges, some have signals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

FAST_MPS = 50.0 / 3.6
SLOW_MPS = 30.0 / 3.6
SHAPE_STEP_M = 4.0


@dataclass(slots=True)
class _Street:
    """Street between two nodes in both directions, with its center line from first to second node."""

    first: int
    second: int
    main: bool
    speed_mps: float
    center_N2: FloatArray


@dataclass(slots=True)
class _Ring:
    """Roundabout in place of a node; ``angle_by_street`` maps the index of a street to its angle on the ring."""

    node: int
    radius_m: float
    angle_by_street: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Town:
    xy_N2: FloatArray
    streets: list[_Street] = field(default_factory=list)
    rings: dict[int, _Ring] = field(default_factory=dict)
    signal_nodes: set[int] = field(default_factory=set)
    cycle_lanes: bool = False

    def arms(self, node: int) -> list[int]:
        """Return the indices of streets at a node."""
        return [i for i, s in enumerate(self.streets) if node in (s.first, s.second)]


def town_xml(number: int) -> tuple[str, str]:
    """Generate the plain XML of a town.

    Args:
        number: Of the town; equal numbers give equal towns.

    Returns:
        Text of the .nod.xml and of the .edg.xml file.
    """
    random = np.random.default_rng([number, 2_509_315])
    pairs, town = _spider(random) if number % 4 == 2 else _grid(random)
    town.cycle_lanes = number % 2 == 1
    for first, second, main in pairs:
        town.streets.append(_street(random, town.xy_N2, first, second, main))
    _place_roundabouts(random, town)
    _place_signals(random, town)
    return _nodes_xml(town), _edges_xml(town)


def _grid(random: np.random.Generator) -> tuple[list[tuple[int, int, bool]], _Town]:
    """Lay out a jittered grid with some streets missing; one row and one column are main roads."""
    columns, rows = int(random.integers(4, 6)), int(random.integers(4, 6))
    spacing_x, spacing_y = random.uniform(115.0, 155.0, 2)
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2).astype(np.float64)
    xy = grid * [spacing_x, spacing_y] + random.uniform(-18.0, 18.0, grid.shape)
    # A slow bend of the whole town, so that rows and columns are not parallel.
    phase = random.uniform(0.0, 2.0 * np.pi, 2)
    bend = random.uniform(10.0, 35.0, 2)
    size = grid.max(axis=0) * [spacing_x, spacing_y]
    xy = xy + np.stack(
        [
            bend[0] * np.sin(2.0 * np.pi * xy[:, 1] / size[1] + phase[0]),
            bend[1] * np.sin(2.0 * np.pi * xy[:, 0] / size[0] + phase[1]),
        ],
        axis=-1,
    )
    main_row, main_column = int(random.integers(1, rows - 1)), int(random.integers(1, columns - 1))
    pairs = []
    for row in range(rows):
        for column in range(columns):
            node = row * columns + column
            if column + 1 < columns:
                pairs.append((node, node + 1, row == main_row))
            if row + 1 < rows:
                pairs.append((node, node + columns, column == main_column))
    return _without_some(random, pairs, len(xy)), _Town(xy_N2=xy)


def _spider(random: np.random.Generator) -> tuple[list[tuple[int, int, bool]], _Town]:
    """Lay out rings and radial streets around a center; one ring is a main road."""
    arms, circles = int(random.integers(5, 8)), int(random.integers(2, 4))
    radii = np.cumsum(random.uniform(85.0, 110.0, circles)) + random.uniform(10.0, 30.0)
    turn = random.uniform(0.0, 2.0 * np.pi)
    xy = [[0.0, 0.0]]
    for radius in radii:
        for arm in range(arms):
            angle = turn + 2.0 * np.pi * arm / arms + random.uniform(-0.1, 0.1)
            xy.append([radius * np.cos(angle), radius * np.sin(angle)])
    pairs = []
    main_circle = int(random.integers(0, circles))
    center_arms = set(random.choice(arms, size=4, replace=False).tolist())
    for circle in range(circles):
        for arm in range(arms):
            node = 1 + circle * arms + arm
            pairs.append((node, 1 + circle * arms + (arm + 1) % arms, circle == main_circle))
            inner = 0 if circle == 0 else node - arms
            if circle > 0 or arm in center_arms:
                pairs.append((inner, node, False))
    jitter = random.uniform(-12.0, 12.0, (len(xy), 2))
    return _without_some(random, pairs, len(xy)), _Town(xy_N2=np.asarray(xy) + jitter)


def _without_some(
    random: np.random.Generator, pairs: list[tuple[int, int, bool]], num_nodes: int
) -> list[tuple[int, int, bool]]:
    """Drop about one side street in eight; a node keeps at least three arms unless it had two."""
    degree = np.zeros(num_nodes, dtype=int)
    for first, second, _ in pairs:
        degree[[first, second]] += 1
    kept = []
    for first, second, main in pairs:
        if not main and degree[first] > 3 and degree[second] > 2 and random.random() < 0.25:
            degree[[first, second]] -= 1
        else:
            kept.append((first, second, main))
    return kept


def _street(random: np.random.Generator, xy_N2: FloatArray, first: int, second: int, main: bool) -> _Street:
    start, end = xy_N2[first], xy_N2[second]
    kind = random.choice(["straight", "arc", "s_curve"], p=[0.15, 0.55, 0.30])
    # An arc of amplitude 0.1 on 120 m bends with a radius of 60 m; an S-curve bends twice as hard.
    limit = 0.08 if main else 0.11
    amplitude = random.uniform(0.03, limit) * random.choice([-1.0, 1.0]) * (0.5 if kind == "s_curve" else 1.0)
    speed = FAST_MPS if main or random.random() < 0.6 else SLOW_MPS
    return _Street(first, second, main, speed, _bent_line(start, end, str(kind), float(amplitude)))


def _bent_line(start: FloatArray, end: FloatArray, kind: str, amplitude: float) -> FloatArray:
    """Return a line from start to end; amplitude is the lateral offset as a fraction of the length, positive left.

    The offset sin^2(pi t), or sin(2 pi t) sin^2(pi t) for S-curves, has zero slope at both ends, so that streets meet
    at the angle of their chords.
    """
    length = float(np.hypot(*(end - start)))
    t = np.linspace(0.0, 1.0, max(2, int(length / SHAPE_STEP_M)))
    offset = {
        "straight": 0.0 * t,
        "arc": np.sin(np.pi * t) ** 2,
        "s_curve": np.sin(2 * np.pi * t) * np.sin(np.pi * t) ** 2,
    }
    normal = np.asarray([start[1] - end[1], end[0] - start[0]])
    return np.asarray(start + t[:, None] * (end - start) + (amplitude * offset[kind])[:, None] * normal)


def _place_roundabouts(random: np.random.Generator, town: _Town) -> None:
    """Replace up to three distant nodes with three or four arms by roundabouts."""
    num_rings = int(random.integers(1, 4))
    for node in random.permutation(len(town.xy_N2)):
        arms = town.arms(int(node))
        if len(town.rings) == num_rings:
            return
        if len(arms) not in (3, 4) or sum(town.streets[a].main for a in arms) > 2:
            continue
        center = town.xy_N2[node]
        if any(np.hypot(*(town.xy_N2[other] - center)) < 150.0 for other in town.rings):
            continue
        radius = float(random.uniform(15.0, 20.0))
        ring = _Ring(int(node), radius)
        for arm in arms:
            ring.angle_by_street[arm] = _angle_of_arm(town.streets[arm], int(node), center, radius)
        angles = np.sort(list(ring.angle_by_street.values()))
        if np.diff(np.append(angles, angles[0] + 2.0 * np.pi)).min() < 0.95:
            continue
        town.rings[int(node)] = ring
    # Streets are cut at the rings only when all rings are known.


def _angle_of_arm(street: _Street, node: int, center: FloatArray, radius_m: float) -> float:
    line = street.center_N2 if street.first == node else street.center_N2[::-1]
    outside = line[np.hypot(*(line - center).T) > radius_m + 4.0][0]
    return float(np.arctan2(*(outside - center)[::-1]))


def _place_signals(random: np.random.Generator, town: _Town) -> None:
    """Place signals where main roads cross, and at some other junctions with at least three arms."""
    for node in range(len(town.xy_N2)):
        arms = town.arms(node)
        mains = sum(town.streets[a].main for a in arms)
        chance = 0.0 if len(arms) < 3 or node in town.rings else 0.95 if mains > 2 else 0.45 if mains else 0.18
        if random.random() < chance:
            town.signal_nodes.add(node)


def _nodes_xml(town: _Town) -> str:
    lines = ["<nodes>"]
    for node, (x, y) in enumerate(town.xy_N2):
        ring = town.rings.get(node)
        if ring is None:
            kind = "traffic_light" if node in town.signal_nodes else "priority"
            lines.append(f'  <node id="n{node}" x="{x:.2f}" y="{y:.2f}" type="{kind}"/>')
            continue
        for street, angle in ring.angle_by_street.items():
            px, py = x + ring.radius_m * np.cos(angle), y + ring.radius_m * np.sin(angle)
            lines.append(f'  <node id="r{node}_{street}" x="{px:.2f}" y="{py:.2f}" type="priority" radius="7"/>')
    return "\n".join([*lines, "</nodes>\n"])


def _edges_xml(town: _Town) -> str:
    lines = ["<edges>"]
    for index, street in enumerate(town.streets):
        ends = [_port(town, node, index) for node in (street.first, street.second)]
        line = _trimmed(town, street, ends)
        lanes = 2 if street.main else 1
        cycle = ' bikeLaneWidth="1.6"' if town.cycle_lanes and (street.main or street.speed_mps > 10.0) else ""
        common = (
            f'numLanes="{lanes}" speed="{street.speed_mps:.2f}" priority="{3 if street.main else 1}" width="3.3" '
            f'sidewalkWidth="2.2"{cycle} spreadType="right"'
        )
        lines.append(_edge_xml(f"s{index}", ends[0][0], ends[1][0], line, common))
        lines.append(_edge_xml(f"-s{index}", ends[1][0], ends[0][0], line[::-1], common))
    for ring in town.rings.values():
        lines += _ring_xml(ring, town.xy_N2[ring.node])
    return "\n".join([*lines, "</edges>\n"])


def _port(town: _Town, node: int, street: int) -> tuple[str, FloatArray]:
    """Return node id and position of a street's end: the node itself, or its port on the ring."""
    ring = town.rings.get(node)
    if ring is None:
        return f"n{node}", town.xy_N2[node]
    angle = ring.angle_by_street[street]
    return f"r{node}_{street}", town.xy_N2[node] + ring.radius_m * np.asarray([np.cos(angle), np.sin(angle)])


def _trimmed(town: _Town, street: _Street, ends: list[tuple[str, FloatArray]]) -> FloatArray:
    """Return the street's line without the parts inside rings, ending exactly at its ports."""
    line = street.center_N2
    for node in (street.first, street.second):
        if node in town.rings:
            gap = np.hypot(*(line - town.xy_N2[node]).T)
            line = line[gap > town.rings[node].radius_m + 4.0]
    keep = line
    for position in (ends[0][1], ends[1][1]):
        keep = keep[np.hypot(*(keep - position).T) > 1.0]
    return np.concatenate([[ends[0][1]], keep, [ends[1][1]]])


def _ring_xml(ring: _Ring, center: FloatArray) -> list[str]:
    """Return one-way edges counter-clockwise from port to port, and the roundabout's declaration."""
    ports = sorted(ring.angle_by_street.items(), key=lambda item: item[1])
    lines, edges = [], []
    for (street, angle), (next_street, next_angle) in zip(ports, ports[1:] + ports[:1], strict=True):
        sweep = (next_angle - angle) % (2.0 * np.pi)
        angles = angle + np.linspace(0.0, sweep, max(3, int(sweep / 0.15)))
        line = center + ring.radius_m * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        name = f"ring{ring.node}_{street}"
        common = 'numLanes="1" speed="8.33" priority="10" width="4.2" sidewalkWidth="2.2" spreadType="center"'
        lines.append(_edge_xml(name, f"r{ring.node}_{street}", f"r{ring.node}_{next_street}", line, common))
        edges.append(name)
    nodes = " ".join(f"r{ring.node}_{street}" for street, _ in ports)
    lines.append(f'  <roundabout nodes="{nodes}" edges="{" ".join(edges)}"/>')
    return lines


def _edge_xml(name: str, start: str, end: str, line_N2: FloatArray, common: str) -> str:
    shape = " ".join(f"{x:.2f},{y:.2f}" for x, y in line_N2)
    return f'  <edge id={quoteattr(name)} from="{start}" to="{end}" {common} shape="{shape}"/>'
