"""Builder of the GlobalRoute from streets: choose lanes with the fewest changes, chain their center lines, blend, resample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.geometry import arc_length, resample_polyline, wrap_angle
from transdiffuser_planner.core.smoothing import gaussian_smoothed
from transdiffuser_planner.planning.observation.route_rules import RouteTurn, turn_command
from transdiffuser_planner.simulation.map.route import (
    SPACING_M,
    GlobalRoute,
    LaneStretch,
    RouteSignal,
)

FloatArray = NDArray[np.float64]

FINE_M = 0.5
BLEND_M = 30.0
SMOOTHING_M = 1.5
# A lane change costs 1 on streets of at least this length, and more on shorter ones.
SHORT_STREET_M = 60.0


@dataclass(slots=True)
class _Piece:
    """Segment of the center line with constant properties.

    Attributes:
        xy_N2: Map frame, at about FINE_M spacing.
        speed_mps: Legal limit.
        width_m: Of the lane.
        edge_id: SUMO's id of the street.
        internal: Whether the segment is inside a junction.
        lane_at_N: Lane index at each point.
        ring: Whether the segment is part of a roundabout.
    """

    xy_N2: FloatArray
    speed_mps: float
    width_m: float
    edge_id: str
    internal: bool
    lane_at_N: NDArray[np.int64]
    ring: bool = False


def build_route(network: Any, edge_ids: Sequence[str], start_lane: int | None = None) -> GlobalRoute:
    """Build the route along streets.

    Args:
        network: As ``sumo_networks.read_network`` returns it.
        edge_ids: Streets in driving order.
        start_lane: Index of the lane on the first street; None for the best one.

    Raises:
        SimulationError: Two consecutive streets are not connected for cars.
    """
    edges = [network.getEdge(name) for name in edge_ids]
    rings = {name for roundabout in network.getRoundabouts() for name in roundabout.getEdges()}
    plan = _choose_lanes(edges, start_lane)
    pieces: list[_Piece] = []
    stop_lines: list[tuple[int, Any]] = []
    for index, edge in enumerate(edges):
        entry, leave = plan[index]
        pieces.append(_street_piece(edge, entry, leave, edge.getID() in rings))
        if index + 1 < len(edges):
            connection = _connection(edge, leave, edges[index + 1], plan[index + 1][0])
            stop_lines.append((len(pieces), connection))
            pieces += _junction_pieces(network, connection, edge)
    return _assemble(pieces, stop_lines)


def _choose_lanes(edges: Sequence[Any], start_lane: int | None) -> list[tuple[int, int]]:
    """Choose entry and exit lane per street with the fewest lane changes, by dynamic programming from the end.

    Raises:
        SimulationError: Two consecutive streets are not connected for cars.
    """
    cost_after: dict[int, float] = {ln.getIndex(): 0.0 for ln in edges[-1].getLanes() if ln.allows("passenger")}
    exits: list[dict[int, tuple[int, int]]] = []
    for edge, following in zip(reversed(edges[:-1]), reversed(edges[1:]), strict=True):
        price = 1.0 + max(0.0, SHORT_STREET_M / max(edge.getLength(), 1.0) - 1.0)
        links = [
            (c.getFromLane().getIndex(), c.getToLane().getIndex())
            for c in edge.getOutgoing().get(following, [])
            if c.getFromLane().allows("passenger") and c.getToLane().getIndex() in cost_after
        ]
        if not links:
            raise SimulationError(f"route: street {edge.getID()} has no lane for cars to {following.getID()}")
        cost_here, exit_here = {}, {}
        for lane in (ln.getIndex() for ln in edge.getLanes() if ln.allows("passenger")):
            best = min(links, key=lambda link: (price * abs(link[0] - lane) + cost_after[link[1]], link))
            cost_here[lane] = price * abs(best[0] - lane) + cost_after[best[1]]
            exit_here[lane] = best
        exits.append(exit_here)
        cost_after = cost_here
    lane = start_lane if start_lane in cost_after else min(cost_after, key=lambda k: (cost_after[k], k))
    plan = []
    for exit_here in reversed(exits):
        leave, entry_next = exit_here[lane]
        plan.append((lane, leave))
        lane = entry_next
    return [*plan, (lane, lane)]


def _connection(edge: Any, leave: int, following: Any, entry: int) -> Any:
    for connection in edge.getOutgoing()[following]:
        if connection.getFromLane().getIndex() == leave and connection.getToLane().getIndex() == entry:
            return connection
    raise SimulationError(f"route: no link from lane {leave} of {edge.getID()} to lane {entry} of {following.getID()}")


def _street_piece(edge: Any, entry: int, leave: int, ring: bool) -> _Piece:
    """Return the street's center line, with lane changes from lane entry to lane leave over about 30 m each."""
    lane = edge.getLane(entry)
    count = max(2, int(np.ceil(lane.getLength() / FINE_M)) + 1)
    xy = _by_fraction(lane.getShape(), count)
    lane_at = np.full(count, entry)
    step = 1 if leave > entry else -1
    changes = list(range(entry, leave, step))
    for number, current in enumerate(changes):
        weight, start = _blend_weight(count, number, len(changes))
        xy = xy + weight[:, None] * (
            _by_fraction(edge.getLane(current + step).getShape(), count)
            - _by_fraction(edge.getLane(current).getShape(), count)
        )
        lane_at[start:] = current + step
    return _Piece(xy, lane.getSpeed(), lane.getWidth(), edge.getID(), False, lane_at, ring)


def _blend_weight(count: int, number: int, num_changes: int) -> tuple[FloatArray, int]:
    """Return the weight 0 to 1 along a street for one of several lane changes, and the sample of its start.

    The changes are in the street's first two thirds, which leaves space to queue in the right lane.
    """
    length = (count - 1) * FINE_M
    room = length * 0.7 / num_changes
    blend = min(BLEND_M, room)
    start = length * 0.05 + number * room + 0.5 * (room - blend)
    t = np.clip((np.arange(count) * FINE_M - start) / max(blend, FINE_M), 0.0, 1.0)
    return np.asarray(t**3 * (10.0 - 15.0 * t + 6.0 * t**2)), int(start / FINE_M)


def _by_fraction(shape: Any, count: int) -> FloatArray:
    """Sample a polyline at equal fractions of its length."""
    xy = np.asarray(shape, dtype=np.float64)[:, :2]
    return resample_polyline(xy, np.linspace(0.0, arc_length(xy)[-1], count))


def _junction_pieces(network: Any, connection: Any, edge: Any) -> list[_Piece]:
    """Return the lanes inside the junction, in order; none where streets connect directly.

    Raises:
        SimulationError: The lanes inside the junction form a cycle.
    """
    pieces: list[_Piece] = []
    via = connection.getViaLaneID()
    while via:
        lane = network.getLane(via)
        count = max(2, int(np.ceil(lane.getLength() / FINE_M)) + 1)
        lane_at = np.full(count, connection.getToLane().getIndex())
        speed = connection.getFromLane().getSpeed()
        pieces.append(_Piece(_by_fraction(lane.getShape(), count), speed, lane.getWidth(), edge.getID(), True, lane_at))
        following = [c for c in lane.getOutgoing() if c.getViaLaneID()]
        via = following[0].getViaLaneID() if following else ""
        if len(pieces) > 20:
            raise SimulationError(f"route: junction lanes after {edge.getID()} do not end")
    return pieces


def _assemble(pieces: list[_Piece], stop_lines: list[tuple[int, Any]]) -> GlobalRoute:
    """Join the pieces, smooth the joints, resample at 2 m and convert properties to arc length."""
    xy = np.concatenate([p.xy_N2 for p in pieces])
    piece_of = np.concatenate([np.full(len(p.xy_N2), i) for i, p in enumerate(pieces)])
    lane_at = np.concatenate([p.lane_at_N for p in pieces])
    keep = np.append(True, np.hypot(*np.diff(xy, axis=0).T) > 1e-3)
    xy, piece_of, lane_at = xy[keep], piece_of[keep], lane_at[keep]
    s = arc_length(xy)
    fine = np.arange(0.0, s[-1], FINE_M)
    smooth = _smooth(resample_polyline(xy, fine))
    s_fine = arc_length(smooth)
    s = np.interp(s, fine, s_fine)
    begins = [float(s[np.argmax(piece_of >= i)]) for i in range(len(pieces))]
    s_route = np.arange(0.0, s_fine[-1], SPACING_M)
    route_xy = resample_polyline(smooth, s_route)
    owner = piece_of[np.clip(np.searchsorted(s, s_route, side="right") - 1, 0, len(s) - 1)]
    return GlobalRoute(
        xy_N2=route_xy,
        s_N=arc_length(route_xy),
        speed_limit_mps_N=np.asarray([pieces[i].speed_mps for i in owner]),
        lane_width_m_N=np.asarray([pieces[i].width_m for i in owner]),
        signals=tuple(
            RouteSignal(s_m=begins[i], tls_id=c.getTLSID(), link_index=int(c.getTLLinkIndex()))
            for i, c in stop_lines
            if c.getTLSID()
        ),
        turns=_turns(pieces, [*begins, float(s_fine[-1])], smooth, s_fine),
        lanes=_lane_stretches(pieces, piece_of, lane_at, s),
    )


def _smooth(xy_N2: FloatArray) -> FloatArray:
    """Smooth by a Gaussian over space; both ends are continued straight, so that they stay in place."""
    pad = int(4.0 * SMOOTHING_M / FINE_M)
    ramp = np.arange(1, pad + 1)[:, None]
    before = xy_N2[0] - ramp[::-1] * (xy_N2[1] - xy_N2[0])
    after = xy_N2[-1] + ramp * (xy_N2[-1] - xy_N2[-2])
    padded = np.concatenate([before, xy_N2, after])
    return gaussian_smoothed(padded, SMOOTHING_M / FINE_M)[pad:-pad]


def _turns(pieces: list[_Piece], begins: list[float], xy_N2: FloatArray, s_N: FloatArray) -> tuple[RouteTurn, ...]:
    """Return junctions (a roundabout is one) with the command that their change of heading implies."""
    turns = []
    index = 0
    while index < len(pieces):
        last = index
        while last < len(pieces) and (pieces[last].internal or pieces[last].ring):
            last += 1
        if last == index:
            index += 1
            continue
        start, end = begins[index], begins[last]
        change = float(wrap_angle(_heading_at(xy_N2, s_N, end + 2.0) - _heading_at(xy_N2, s_N, start - 2.0)))
        turns.append(RouteTurn(start_m=start, end_m=end, command=turn_command(change)))
        index = last
    return tuple(turns)


def _heading_at(xy_N2: FloatArray, s_N: FloatArray, s_m: float) -> float:
    ahead, behind = (np.asarray([np.interp(s_m + d, s_N, xy_N2[:, k]) for k in (0, 1)]) for d in (1.0, -1.0))
    return float(np.arctan2(*(ahead - behind)[::-1]))


def _lane_stretches(
    pieces: list[_Piece], piece_of: NDArray[np.int64], lane_at: NDArray[np.int64], s: FloatArray
) -> tuple[LaneStretch, ...]:
    """Return the stretches that start where the route enters a street or changes lanes."""
    stretches: list[LaneStretch] = []
    for i, lane, s_m in zip(piece_of, lane_at, s, strict=True):
        piece = pieces[i]
        known = stretches[-1] if stretches else None
        if not piece.internal and (known is None or (known.edge_id, known.lane_index) != (piece.edge_id, int(lane))):
            stretches.append(LaneStretch(start_m=float(s_m), edge_id=piece.edge_id, lane_index=int(lane)))
    return tuple(stretches)
