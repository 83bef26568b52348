"""Scene with all plan-independent values precomputed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.geometry.boxes import Boxes, ego_boxes, gap_m, make_boxes, settle
from transdiffuser_planner.metrics.pdm.geometry.polygons import PolygonSet, pack_polygons
from transdiffuser_planner.metrics.pdm.scene import DRIVABLE_KINDS, LANE_KINDS, Agents, AreaKind, RedLight, Scene

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedAgents:
    """Boxes of N agents over S steps.

    Attributes:
        token_N: Names.
        moves_N: True for road users, false for objects.
        speed_N: Speed at an agent's first valid step, m/s; the devkit uses it at all times.
        boxes: Boxes (N, S).
        radius_N: Half diagonals, meters.
        valid_NS: Steps at which an agent is present.
    """

    token_N: tuple[str, ...]
    moves_N: BoolArray
    speed_N: FloatArray
    boxes: Boxes
    radius_N: FloatArray
    valid_NS: BoolArray

    @property
    def num_steps(self) -> int:
        """Number of steps of 0.1 s with known boxes."""
        return int(self.valid_NS.shape[1])

    def __len__(self) -> int:
        return len(self.token_N)


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedScene:
    """Input of the scorer.

    Attributes:
        scene: The original scene.
        agents: Boxes of all agents.
        areas: All polygons of the map, P.
        lane_P: Lanes and lane connectors.
        route_P: Lanes and lane connectors of the route.
        drivable_P: Drivable areas.
        intersection_P: Intersections.
        center_line_K2: Points of the route's center line.
        lights: The red lights.
        light_areas: Their polygons.
    """

    scene: Scene
    agents: PreparedAgents
    areas: PolygonSet
    lane_P: BoolArray
    route_P: BoolArray
    drivable_P: BoolArray
    intersection_P: BoolArray
    center_line_K2: FloatArray
    lights: tuple[RedLight, ...]
    light_areas: PolygonSet


def prepare_agents(agents: Agents) -> PreparedAgents:
    """Precompute boxes and speeds of agents."""
    half_N2 = agents.size_N2 / 2.0
    first_N = agents.valid_NS.argmax(axis=1)
    velocity_N2 = agents.velocity_NS2[np.arange(len(agents.token_N)), first_N]
    pose_NS3 = np.where(agents.valid_NS[..., None], agents.pose_NS3, 0.0)
    return PreparedAgents(
        token_N=agents.token_N,
        moves_N=np.asarray([kind.moves for kind in agents.kind_N], dtype=bool),
        speed_N=np.hypot(velocity_N2[:, 0], velocity_N2[:, 1]),
        boxes=make_boxes(pose_NS3[..., :2], pose_NS3[..., 2], half_N2[:, None]),
        radius_N=np.hypot(half_N2[:, 0], half_N2[:, 1]),
        valid_NS=agents.valid_NS & agents.valid_NS.any(axis=1, keepdims=True),
    )


def without(agents: PreparedAgents, drop_N: BoolArray) -> PreparedAgents:
    """Remove agents."""
    if not drop_N.any():
        return agents
    keep_N = ~drop_N
    return PreparedAgents(
        token_N=tuple(token for token, keep in zip(agents.token_N, keep_N, strict=True) if keep),
        moves_N=agents.moves_N[keep_N],
        speed_N=agents.speed_N[keep_N],
        boxes=agents.boxes.at(keep_N),
        radius_N=agents.radius_N[keep_N],
        valid_NS=agents.valid_NS[keep_N],
    )


def touching_at_start(prepared: PreparedScene) -> BoolArray:
    """Agents (N,) whose boxes touch the ego's box at time 0."""
    agents, ego = prepared.agents, ego_boxes(prepared.scene.ego.pose_3[None])
    boxes = agents.boxes
    between_N2 = boxes.center_X2[:, 0] - ego.center_X2
    gap_N = gap_m(between_N2, ego.axis_X2, ego.half_X2, boxes.axis_X2[:, 0], boxes.half_X2[:, 0])
    gap_N = np.where(agents.valid_NS[:, 0], gap_N, np.inf)
    return settle(gap_N, lambda n: (ego.at(0).corners(), boxes.at(n, 0).corners()))


def prepare(scene: Scene) -> PreparedScene:
    """Precompute all plan-independent values."""
    agents = prepare_agents(scene.agents)
    kinds = [area.kind for area in scene.areas]
    lane_P = np.asarray([kind in LANE_KINDS for kind in kinds])
    return PreparedScene(
        scene=scene,
        agents=agents,
        areas=pack_polygons([area.ring_C2 for area in scene.areas]),
        lane_P=lane_P,
        route_P=lane_P & np.asarray([area.token in scene.route for area in scene.areas]),
        drivable_P=np.asarray([kind in DRIVABLE_KINDS for kind in kinds]),
        intersection_P=np.asarray([kind is AreaKind.INTERSECTION for kind in kinds]),
        center_line_K2=scene.center_line_K3[:, :2],
        lights=scene.red_lights,
        light_areas=pack_polygons([light.ring_C2 for light in scene.red_lights]),
    )


def prepared(scene: Scene | PreparedScene) -> PreparedScene:
    """Prepare the scene unless it already is prepared."""
    return scene if isinstance(scene, PreparedScene) else prepare(scene)
