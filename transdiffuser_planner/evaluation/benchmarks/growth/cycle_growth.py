"""Time and memory of the planning cycle along an axis: sizes interleaved in rounds, memory in a process of its own."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from transdiffuser_planner.core.types import SensorSnapshot
from transdiffuser_planner.evaluation.benchmarks.cpu_load import resident_mb
from transdiffuser_planner.evaluation.benchmarks.growth.axes import GrowthPoint
from transdiffuser_planner.evaluation.benchmarks.placed_agents import PlacedAgents
from transdiffuser_planner.runtime.inference.backend_registry import make_backend
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.runtime.supervision.realtime_settings import apply_realtime_settings

WARM_UP_ROUNDS: Final = 3
STAGES: Final = ("encode", "denoise", "select")
_UPPER_POINTS: Final = 3


def cycle_growth(
    points: Sequence[GrowthPoint],
    inputs: Sequence[list[SensorSnapshot]],
    rounds: int,
    advance: Callable[[], Any] = lambda: None,
) -> dict[str, Any]:
    """Measure the cycle at all points of an axis.

    Args:
        points: The planners, by growing size.
        inputs: Snapshots of consecutive frames for each point, used repeatedly.
        rounds: In every round each point plans once, so that all see the same disturbances; medians are reported.
        advance: Called after every cycle and every measurement of memory: ``work`` times.

    Returns:
        "rows", and "exponents" of cycle and memory, see ``upper_exponent``.
    """
    memory = []
    for point, snapshots in zip(points, inputs, strict=True):
        memory.append(_in_own_process(point, snapshots[:1]))
        advance()
    planners = [load(point) for point in points]
    apply_realtime_settings()
    total_ms: list[list[float]] = [[] for _ in points]
    stages: list[list[dict[str, float]]] = [[] for _ in points]
    for index in range(rounds + WARM_UP_ROUNDS):
        for number, planner in enumerate(planners):
            frame = index % len(inputs[number])
            if frame == 0:
                planner.reset()
            begin = time.perf_counter()
            result = planner.plan(inputs[number][frame])
            spent_ms = (time.perf_counter() - begin) * 1e3
            assert len(result.agents.id_A) == points[number].num_agents
            if index >= WARM_UP_ROUNDS:
                total_ms[number].append(spent_ms)
                stages[number].append(result.provenance.stage_ms)
            advance()
    rows = [
        {
            "size": point.size,
            "cycle_ms": round(float(np.median(total_ms[number])), 2),
            **{f"{name}_ms": round(float(np.median([s[name] for s in stages[number]])), 2) for name in STAGES},
            "memory_mb": round(memory[number]["memory_mb"], 1),
            "load_s": round(memory[number]["load_s"], 2),
        }
        for number, point in enumerate(points)
    ]
    sizes = [row["size"] for row in rows]
    exponents = {name: upper_exponent(sizes, [row[name] for row in rows]) for name in ("cycle_ms", "memory_mb")}
    return {"rows": rows, "exponents": exponents}


def work(num_points: int, rounds: int) -> int:
    """Return how often ``cycle_growth`` calls ``advance``.

    Args:
        num_points: Number of points.
        rounds: As for ``cycle_growth``.
    """
    return num_points * (rounds + WARM_UP_ROUNDS + 1)


def load(point: GrowthPoint) -> Planner:
    """Load the planner of a point.

    Args:
        point: Its size.
    """
    backend = make_backend(load_manifest(point.model), point.config)
    planner = Planner(PlacedAgents(backend, point.num_agents), point.rig, point.config)
    planner.warm_up()
    return planner


def upper_exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the exponent p of the growth ``value ~ size ** p`` over the three largest sizes (least squares of logarithms).

    Linear growth without a constant part has 1, faster growth more.

    Args:
        sizes: Sizes in order; 0 is left out.
        values: Time or memory at each.
    """
    known = [(size, value) for size, value in zip(sizes, values, strict=True) if size > 0][-_UPPER_POINTS:]
    if len(known) < 2:
        return 0.0
    logarithms = np.log(np.asarray(known, dtype=np.float64))
    return round(float(np.polyfit(logarithms[:, 0], logarithms[:, 1], 1)[0]), 2)


def _in_own_process(point: GrowthPoint, snapshots: list[SensorSnapshot]) -> dict[str, float]:
    """Load and plan in a fresh process, whose memory is that planner's alone."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_memory, (point, snapshots))


def _memory(point: GrowthPoint, snapshots: list[SensorSnapshot]) -> dict[str, float]:
    before_mb, begin = resident_mb(), time.perf_counter()
    planner = load(point)
    load_s = time.perf_counter() - begin
    for snapshot in snapshots:
        planner.plan(snapshot)
    return {"memory_mb": resident_mb() - before_mb, "load_s": load_s}
