"""Throughput of scoring: scenes per second on one core."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.epdms import score_epdms
from transdiffuser_planner.metrics.pdm.pdms import score_pdms
from transdiffuser_planner.metrics.pdm.prepared_scene import prepare
from transdiffuser_planner.metrics.pdm.reference_planner.pdm_closed import plan_reference, with_reference
from transdiffuser_planner.metrics.pdm.scene import AgentKind, Agents, Area, AreaKind, EgoState, Scene
from transdiffuser_planner.metrics.pdm.scene_serialization import scene_from_mapping, scene_to_mapping

FloatArray = NDArray[np.float64]

NUM_CANDIDATES: Final = 30
NUM_AGENTS, NUM_STEPS = 10, 51
LANE_M, RADIUS_M, SPEED_MPS = 3.5, 150.0, 9.0
WARM_UP = 3


def bend_scene(seed: int = 0) -> Scene:
    """Make a left-hand bend with two lanes each way in four stretches, 48 polygons of 42 corners, ten cars, and a reference."""
    random = np.random.default_rng(seed)
    areas, route = [], []
    for stretch in range(8):
        angle = np.linspace(0.2 * stretch - 0.4, 0.2 * stretch - 0.2, 21)
        for index in range(4):
            ring_C2 = np.concatenate([_on_bend(angle, index - 1.5), _on_bend(angle[::-1], index - 0.5)])
            areas.append(Area(token=f"lane {stretch}.{index}", kind=AreaKind.LANE, ring_C2=ring_C2))
            route += [f"lane {stretch}.{index}"] if index >= 2 else []
        for index in (0, 2):
            ring_C2 = np.concatenate([_on_bend(angle, index - 1.5), _on_bend(angle[::-1], index + 0.5)])
            areas.append(Area(token=f"block {stretch}.{index}", kind=AreaKind.ROADBLOCK, ring_C2=ring_C2))
    line_A = np.linspace(-0.3, 1.1, 200)
    time_S = np.arange(NUM_STEPS) * 0.1
    lane_N, start_N = random.integers(0, 4, NUM_AGENTS), random.uniform(0.08, 0.6, NUM_AGENTS)
    direction_N = np.where(lane_N >= 2, 1.0, -1.0)
    speed_N = random.uniform(0.7, 1.2, NUM_AGENTS) * SPEED_MPS
    angle_NS = start_N[:, None] + (direction_N * speed_N)[:, None] * time_S / RADIUS_M
    heading_NS = angle_NS + np.where(direction_N > 0.0, np.pi / 2.0, -np.pi / 2.0)[:, None]
    direction_NS2 = np.stack([np.cos(heading_NS), np.sin(heading_NS)], axis=-1)
    scene = Scene(
        name=f"bend {seed}",
        ego=EgoState(pose_3=np.asarray([RADIUS_M + LANE_M, 0.0, np.pi / 2.0]), velocity_2=np.asarray([SPEED_MPS, 0.0])),
        agents=Agents(
            token_N=tuple(f"car {n}" for n in range(NUM_AGENTS)),
            kind_N=(AgentKind.VEHICLE,) * NUM_AGENTS,
            size_N2=np.tile([4.5, 1.9], (NUM_AGENTS, 1)),
            pose_NS3=np.concatenate([_on_bend(angle_NS, (lane_N - 1.0)[:, None]), heading_NS[..., None]], axis=-1),
            velocity_NS2=direction_NS2 * speed_N[:, None, None],
            valid_NS=np.ones((NUM_AGENTS, NUM_STEPS), dtype=bool),
        ),
        areas=tuple(areas),
        route=frozenset(route),
        center_line_K3=np.concatenate([_on_bend(line_A, 1.0), line_A[:, None] + np.pi / 2.0], axis=-1),
        speed_limit_mps=13.9,
    )
    return with_reference(scene)


def _on_bend(angle: FloatArray, lanes: float | NDArray[Any]) -> FloatArray:
    """Return points at the given angles, ``lanes`` lanes outside of the road's middle."""
    radius = RADIUS_M + LANE_M * np.asarray(lanes)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def candidate_plans(scene: Scene, count: int = NUM_CANDIDATES, seed: int = 0) -> FloatArray:
    """Make plans (count, 8, 3) at the ego's speed and slower, on arcs to the left and right.

    Args:
        scene: Scene with the ego's speed.
        count: Number of plans.
        seed: Seed of speeds and arcs.
    """
    random = np.random.default_rng(seed)
    speed_M = max(float(scene.ego.velocity_2[0]), 1.0) * random.uniform(0.5, 1.1, count)
    distance_MT = speed_M[:, None] * np.arange(1, 9) * 0.5
    heading_MT = distance_MT * random.uniform(-0.005, 0.012, count)[:, None]
    return np.stack([distance_MT * np.cos(heading_MT / 2), distance_MT * np.sin(heading_MT / 2), heading_MT], axis=-1)


def scoring_speed(scenes: list[Scene], cycles: int) -> dict[str, Any]:
    """Measure milliseconds of CPU time per call, and scenes per second, on one core; each call prepares its scene again.

    Args:
        scenes: Scenes, used in turn.
        cycles: Number of measured calls of each kind; the median is reported.
    """
    plans = {scene.name: candidate_plans(scene) for scene in scenes}
    mappings = {scene.name: scene_to_mapping(scene) for scene in scenes}
    kinds: dict[str, Callable[[Scene], Any]] = {
        "pdms_1": lambda scene: score_pdms(scene, plans[scene.name][:1]),
        "epdms_1": lambda scene: score_epdms(scene, plans[scene.name][:1]),
        f"pdms_{NUM_CANDIDATES}": lambda scene: score_pdms(scene, plans[scene.name]),
        f"epdms_{NUM_CANDIDATES}": lambda scene: score_epdms(scene, plans[scene.name]),
        "prepare": prepare,
        "pdm_closed": plan_reference,
        "read_and_check": lambda scene: scene_from_mapping(mappings[scene.name]),
    }
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        median_ms = {name: _median_ms(scenes, call, cycles) for name, call in kinds.items()}
    finally:
        os.sched_setaffinity(0, cores)
    scored = [name for name in median_ms if "pdms" in name]
    return {
        "scenes": len(scenes),
        "polygons_mean": round(float(np.mean([len(scene.areas) for scene in scenes])), 1),
        "agents_mean": round(float(np.mean([len(scene.agents.token_N) for scene in scenes])), 1),
        "with_reference": sum(scene.reference_S3 is not None for scene in scenes),
        "cycles": cycles,
        **{f"{name}_ms": round(value, 2) for name, value in median_ms.items()},
        **{f"{name}_scenes_per_s": round(1e3 / median_ms[name]) for name in scored},
    }


def _median_ms(scenes: list[Scene], call: Callable[[Scene], Any], cycles: int) -> float:
    spent_ms = []
    for index in range(cycles + WARM_UP):
        scene = scenes[index % len(scenes)]
        start = time.process_time()
        call(scene)
        spent_ms.append((time.process_time() - start) * 1e3)
    return float(np.median(spent_ms[WARM_UP:]))
