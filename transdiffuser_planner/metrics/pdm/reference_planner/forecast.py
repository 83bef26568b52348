"""PDM-Closed's forecast: road users keep speed and heading, objects are stationary, lights do not change."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.geometry.boxes import Boxes, ego_boxes, make_boxes
from transdiffuser_planner.metrics.pdm.geometry.exact_predicates import convex_cross
from transdiffuser_planner.metrics.pdm.geometry.polygons import pack_polygons, points_inside
from transdiffuser_planner.metrics.pdm.geometry.ring_contact import boxes_touch_ring
from transdiffuser_planner.metrics.pdm.lqr_simulation import wrap_rad
from transdiffuser_planner.metrics.pdm.prepared_scene import PreparedAgents, PreparedScene, touching_at_start
from transdiffuser_planner.metrics.pdm.scene import STEP_S, AgentKind, RedLight

FloatArray = NDArray[np.float64]

NUM_FORECAST_STEPS = 52
UPDATE_STEPS = 2
"""The forecast moves every 0.2 s."""

RADIUS_M = 100.0
NEAREST: Final = {AgentKind.VEHICLE: 50, AgentKind.PEDESTRIAN: 25, AgentKind.BICYCLE: 10}
NEAREST_OBJECTS = 50


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """Forecast with which the reference planner plans and scores.

    Attributes:
        ready: The scene with the lights of time 0 for all times.
        agents: All considered agents except those that touch the ego at time 0.
        heading_N: Their headings.
        lights: Red lights to stop at: all but those whose lane connector contains the whole ego.
        ignored: Boxes of the agents that touch the ego.
        light_bounds_L4: Bounds of all red lights, those not to stop at last.
    """

    ready: PreparedScene
    agents: PreparedAgents
    heading_N: FloatArray
    lights: tuple[RedLight, ...]
    ignored: Boxes
    light_bounds_L4: FloatArray


def _considered(ready: PreparedScene, center_2: FloatArray) -> list[int]:
    """Agents within 100 m: objects first, then road users, of each kind the nearest."""
    agents = ready.scene.agents
    distance_N = np.hypot(*(agents.pose_NS3[:, 0, :2] - center_2).T)
    use_N = agents.valid_NS[:, 0] & (distance_N <= RADIUS_M)
    order = [int(index) for index in np.argsort(distance_N, kind="stable") if use_N[index]]
    chosen = [index for index in order if not agents.kind_N[index].moves][:NEAREST_OBJECTS]
    for kind, limit in NEAREST.items():
        chosen += [index for index in order if agents.kind_N[index] is kind][:limit]
    return chosen


def forecast(ready: PreparedScene) -> Forecast:
    """Forecast a scene from its state at time 0."""
    scene, agents = ready.scene, ready.scene.agents
    ego = ego_boxes(scene.ego.pose_3[None])
    every = np.asarray(_considered(ready, ego.center_X2[0]), dtype=np.int64)
    touching = touching_at_start(ready)[every]
    index = every[~touching]
    half_N2 = agents.size_N2[index] / 2.0
    boxes, ignored = _moving_boxes(ready, index), _moving_boxes(ready, every[touching])
    velocity_N2 = agents.velocity_NS2[index, 0]
    always = np.ones(1, dtype=bool)
    red_P = np.asarray([bool(light.red_S[0]) for light in scene.red_lights], dtype=bool)
    red = tuple(
        RedLight(token=light.token, ring_C2=light.ring_C2, red_S=always)
        for light, is_red in zip(scene.red_lights, red_P, strict=True)
        if is_red
    )
    red_areas = ready.light_areas.of(red_P)
    held_L = np.asarray([_holds(light.ring_C2, ego) for light in red], dtype=bool)
    return Forecast(
        ready=dataclasses.replace(ready, lights=red, light_areas=red_areas),
        agents=PreparedAgents(
            token_N=tuple(agents.token_N[i] for i in index),
            moves_N=ready.agents.moves_N[index],
            speed_N=np.hypot(velocity_N2[:, 0], velocity_N2[:, 1]),
            boxes=boxes,
            radius_N=np.hypot(half_N2[:, 0], half_N2[:, 1]),
            valid_NS=np.ones(boxes.center_X2.shape[:2], dtype=bool),
        ),
        heading_N=agents.pose_NS3[index, 0, 2],
        lights=tuple(light for light, held in zip(red, held_L, strict=True) if not held),
        ignored=ignored,
        light_bounds_L4=np.concatenate([red_areas.bounds_P4[~held_L], red_areas.bounds_P4[held_L]]),
    )


def _moving_boxes(ready: PreparedScene, index: NDArray[np.int64]) -> Boxes:
    """Forecast boxes (N, S) of some agents."""
    agents = ready.scene.agents
    pose_N3, velocity_N2 = agents.pose_NS3[index, 0], agents.velocity_NS2[index, 0]
    half_N2 = agents.size_N2[index] / 2.0
    speed_N = np.where(ready.agents.moves_N[index], np.hypot(velocity_N2[:, 0], velocity_N2[:, 1]), 0.0)
    turn_N = wrap_rad(pose_N3[:, 2] - np.arctan2(velocity_N2[:, 1], velocity_N2[:, 0]))
    forward_N = np.where(np.abs(turn_N) < np.pi / 2.0, pose_N3[:, 2], pose_N3[:, 2] + np.pi)
    moved_N2 = np.stack([np.cos(forward_N), np.sin(forward_N)], axis=-1) * speed_N[:, None]
    times_S = (np.arange(NUM_FORECAST_STEPS) // UPDATE_STEPS) * UPDATE_STEPS * STEP_S
    shift_NS2 = times_S[:, None] * moved_N2[:, None]
    heading_NS = np.broadcast_to(pose_N3[:, None, 2], shift_NS2.shape[:2])
    return make_boxes(pose_N3[:, None, :2] + shift_NS2, heading_NS, half_N2[:, None])


def _holds(ring_C2: FloatArray, ego: Boxes) -> bool:
    """Check that no part of the box is outside of the ring; it may touch it from inside."""
    crossing_1 = boxes_touch_ring(ego, ring_C2, meet=convex_cross)
    return not crossing_1[0] and bool(points_inside(pack_polygons([ring_C2]), ego.center_X2)[1].any())
