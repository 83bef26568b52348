"""Collisions of the ego by polygons, with fault, and departures from the road.

SUMO does not report every physical overlap, so boxes are tested here. Fault follows the idea of NAVSIM's no-at-fault
collision metric: the ego is at fault when it hits an agent ahead or a stationary one, and not at fault when hit from behind
or from the side while in its own lane, nor while it is stationary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.geometry import box_corners, boxes_overlap
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.world_state import EgoPose

FloatArray = NDArray[np.float64]

STANDING_MPS = 0.05
ROAD_TOLERANCE_M = 0.1
DRIVING_CLASSES = ("passenger", "bus", "truck", "delivery", "taxi")
SEGMENT_CELL_M = 20.0


class CollisionKind(Enum):
    """Kind of a collision, from the ego's point of view."""

    EGO_STANDING = "ego_standing"
    STOPPED_AGENT = "stopped_agent"
    FRONT = "front"
    REAR = "rear"
    SIDE = "side"


@dataclass(frozen=True, kw_only=True, slots=True)
class Collision:
    """First contact with one agent.

    Attributes:
        stamp_ns: Simulation time.
        agent_id: Of the other agent.
        agent_class: Of the other agent.
        kind: From the ego's point of view.
        at_fault: Whether the ego is at fault.
        relative_speed_mps: Norm of the velocity difference.
    """

    stamp_ns: int
    agent_id: int
    agent_class: AgentClass
    kind: CollisionKind
    at_fault: bool
    relative_speed_mps: float


def ego_corners(ego: EgoPose, vehicle: VehicleModel) -> FloatArray:
    """Return the corners (4, 2) of the ego's box in the map frame, counter-clockwise from front left.

    Args:
        ego: Pose in the map frame.
        vehicle: The ego's dimensions.
    """
    x = ego.x_m + vehicle.center_offset_m * np.cos(ego.heading_rad)
    y = ego.y_m + vehicle.center_offset_m * np.sin(ego.heading_rad)
    return box_corners(x, y, ego.heading_rad, vehicle.length_m, vehicle.width_m)


def overlapping_agents(
    ego: EgoPose, agents: AgentStates, vehicle: VehicleModel, margin_m: float = 0.0
) -> NDArray[np.bool_]:
    """Return the mask (N,) of agents that overlap the ego's box.

    Args:
        ego: In the map frame.
        agents: In the map frame.
        vehicle: The ego's dimensions.
        margin_m: Enlarges the agents' boxes on all sides.
    """
    corners = box_corners(
        agents.x_m_N,
        agents.y_m_N,
        agents.heading_rad_N,
        agents.length_m_N + 2.0 * margin_m,
        agents.width_m_N + 2.0 * margin_m,
    )
    return boxes_overlap(ego_corners(ego, vehicle)[None], corners)


def find_collisions(
    ego: EgoPose,
    agents: AgentStates,
    stamp_ns: int,
    *,
    ego_in_own_lane: bool,
    vehicle: VehicleModel,
    ignore_ids: frozenset[int] = frozenset(),
) -> list[Collision]:
    """Find new contacts at one step.

    Args:
        ego: In the map frame.
        agents: In the map frame.
        stamp_ns: Of both.
        ego_in_own_lane: Whether the whole ego is within one lane; decides the fault of side contacts.
        vehicle: The ego's dimensions.
        ignore_ids: Agents already in contact.
    """
    found = []
    for row in np.flatnonzero(overlapping_agents(ego, agents, vehicle)):
        agent_id = int(agents.id_N[row])
        if agent_id in ignore_ids:
            continue
        kind = _kind(ego, agents, int(row), vehicle)
        side_fault = kind is CollisionKind.SIDE and not ego_in_own_lane
        heading = float(agents.heading_rad_N[row])
        speed = float(agents.speed_mps_N[row])
        gap_x = ego.speed_mps * np.cos(ego.heading_rad) - speed * np.cos(heading)
        gap_y = ego.speed_mps * np.sin(ego.heading_rad) - speed * np.sin(heading)
        found.append(
            Collision(
                stamp_ns=stamp_ns,
                agent_id=agent_id,
                agent_class=AgentClass(int(agents.class_N[row])),
                kind=kind,
                at_fault=kind in (CollisionKind.FRONT, CollisionKind.STOPPED_AGENT) or side_fault,
                relative_speed_mps=float(np.hypot(gap_x, gap_y)),
            )
        )
    return found


def _kind(ego: EgoPose, agents: AgentStates, row: int, vehicle: VehicleModel) -> CollisionKind:
    if ego.speed_mps < STANDING_MPS:
        return CollisionKind.EGO_STANDING
    if agents.speed_mps_N[row] < STANDING_MPS:
        return CollisionKind.STOPPED_AGENT
    dx, dy = agents.x_m_N[row] - ego.x_m, agents.y_m_N[row] - ego.y_m
    along = dx * np.cos(ego.heading_rad) + dy * np.sin(ego.heading_rad)
    # Agent center behind the rear axle and course not across the ego's: the agent hit the ego.
    if along < 0.0 and np.cos(agents.heading_rad_N[row] - ego.heading_rad) > 0.5:
        return CollisionKind.REAR
    agent = box_corners(
        agents.x_m_N[row], agents.y_m_N[row], agents.heading_rad_N[row], agents.length_m_N[row], agents.width_m_N[row]
    )
    touches_front = bool(boxes_overlap(_front_strip(ego_corners(ego, vehicle)), agent))
    return CollisionKind.FRONT if touches_front else CollisionKind.SIDE


def _front_strip(corners_42: FloatArray) -> FloatArray:
    """The front edge as a box 2 cm deep, so that the overlap test has an area."""
    back = (corners_42[1] - corners_42[0]) / np.hypot(*(corners_42[1] - corners_42[0])) * 0.02
    return np.stack([corners_42[0], corners_42[0] + back, corners_42[3] + back, corners_42[3]])


class RoadArea:
    """Union of bands around lines and of polygons, for point tests.

    Args:
        start_K2: Starts of the lines' edges, map frame, m.
        end_K2: Their ends.
        half_m_K: Half widths of the bands; 0 for the outlines of polygons, so that the tolerance holds there too.
        outlines: Polygons (N, 2) in the map frame.
    """

    def __init__(
        self, start_K2: FloatArray, end_K2: FloatArray, half_m_K: FloatArray, outlines: Sequence[FloatArray]
    ) -> None:
        self._start_K2, self._end_K2, self._half_K = start_K2, end_K2, half_m_K
        self._outlines = [((*shape.min(axis=0).tolist(), *shape.max(axis=0).tolist()), shape) for shape in outlines]

    def contains(self, point_X2: ArrayLike) -> NDArray[np.bool_]:
        """Return whether each point (X, 2) of the map frame is on the road, with a tolerance of 0.1 m.

        Args:
            point_X2: Map frame, m.
        """
        points = np.atleast_2d(np.asarray(point_X2, dtype=np.float64))
        low, high = points.min(axis=0) - SEGMENT_CELL_M, points.max(axis=0) + SEGMENT_CELL_M
        (west, south), (east, north) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        inside = np.zeros(len(points), dtype=np.bool_)
        low_K2, high_K2 = np.minimum(self._start_K2, self._end_K2), np.maximum(self._start_K2, self._end_K2)
        near = ((low_K2 < high) & (high_K2 > low)).all(axis=1)
        if near.any():
            start, edge = self._start_K2[near], (self._end_K2 - self._start_K2)[near]
            relative = points[:, None] - start[None]
            length2 = np.maximum((edge**2).sum(axis=1), 1e-12)
            t = np.clip((relative * edge).sum(axis=-1) / length2, 0.0, 1.0)
            gap = np.hypot(*(relative - t[..., None] * edge).transpose(2, 0, 1))
            inside |= (gap <= self._half_K[near] + ROAD_TOLERANCE_M).any(axis=1)
        for bounds_4, shape in self._outlines:
            if inside.all():
                break
            if bounds_4[0] <= east and bounds_4[1] <= north and bounds_4[2] >= west and bounds_4[3] >= south:
                inside |= _in_polygon(points, shape)
        return inside

    def ego_on_road(self, ego: EgoPose, vehicle: VehicleModel) -> bool:
        """Return whether all four corners of the ego are on the road.

        Args:
            ego: Pose in the map frame.
            vehicle: The ego's dimensions.
        """
        return bool(self.contains(ego_corners(ego, vehicle)).all())


class DrivableArea(RoadArea):
    """Union of lanes for cars and of junctions of a SUMO network.

    Args:
        network: As ``sumo_networks.read_network`` returns it.
    """

    def __init__(self, network: Any) -> None:
        starts, ends, half = [], [], []
        for edge in network.getEdges(withInternal=True):
            for lane in edge.getLanes():
                if any(lane.allows(name) for name in DRIVING_CLASSES):
                    shape = np.asarray(lane.getShape(), dtype=np.float64)[:, :2]
                    starts.append(shape[:-1])
                    ends.append(shape[1:])
                    half.append(np.full(len(shape) - 1, lane.getWidth() / 2.0))
        shapes = [
            np.asarray(node.getShape(), dtype=np.float64)[:, :2]
            for node in network.getNodes()
            if len(node.getShape()) > 2
        ]
        super().__init__(np.concatenate(starts), np.concatenate(ends), np.concatenate(half), shapes)


def _in_polygon(point_X2: FloatArray, shape_N2: FloatArray) -> NDArray[np.bool_]:
    """Test points by the even-odd rule: a ray to +x crosses the outline an odd number of times."""
    x, y = point_X2[:, 0, None], point_X2[:, 1, None]
    x0, y0 = shape_N2[:, 0], shape_N2[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    spans = (y0 > y) != (y1 > y)
    height = np.where(y1 == y0, 1.0, y1 - y0)
    crossing = x0 + (y - y0) / height * (x1 - x0)
    return np.asarray((spans & (x < crossing)).sum(axis=1) % 2 == 1)
