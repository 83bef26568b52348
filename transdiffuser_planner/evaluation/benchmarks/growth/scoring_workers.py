"""Throughput of scoring against workers: processes of this machine, or of a local Ray."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from numpy.typing import NDArray

from transdiffuser_planner.evaluation.benchmarks.scoring_throughput import bend_scene, candidate_plans
from transdiffuser_planner.metrics.pdm.epdms import score_epdms
from transdiffuser_planner.metrics.pdm.scene import Scene
from transdiffuser_planner.parallel import LOCAL_RAY, fan_out

BATCH: Final = 20
"""Scenes of one job."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredBatch:
    """A job done: its process and its time on the clock that all processes share."""

    process: int
    begin_s: float
    end_s: float


def scoring_rate(
    workers: int, scenes: int, *, with_ray: bool = False, advance: Callable[[int], Any] = lambda count: None
) -> float:
    """Return scenes per second: EPDMS of 30 candidates in bends as those of ``benchmark scoring``.

    Args:
        workers: Number of processes.
        scenes: Number of scenes, rounded up to whole batches, at least three per worker.
        with_ray: Whether a local Ray runs the processes.
        advance: Called with the number of scenes scored since the last call.

    Raises:
        ConfigError: Ray is not installed.
        PlannerError: A worker was killed.
    """
    jobs = list(range(max(-(-scenes // BATCH), 3 * workers)))
    done: list[ScoredBatch] = []
    ray_address = LOCAL_RAY if with_ray else None
    for batch in fan_out(score_batch, jobs, workers=workers, ray_address=ray_address, ray_cores=workers):
        done.append(batch)
        advance(BATCH)
    return rate_of(done)


def score_batch(job: int) -> ScoredBatch:
    """Score one batch.

    Args:
        job: Its number, which does not matter.
    """
    scenes = _scenes()
    begin_s = time.monotonic()
    for index in range(BATCH):
        score_epdms(*scenes[index % len(scenes)])
    return ScoredBatch(process=os.getpid(), begin_s=begin_s, end_s=time.monotonic())


def rate_of(done: Sequence[ScoredBatch]) -> float:
    """Return scenes per second while all processes worked, so without the start of the first and the rest of the last.

    Args:
        done: All batches.
    """
    by_process: dict[int, list[ScoredBatch]] = {}
    for batch in done:
        by_process.setdefault(batch.process, []).append(batch)
    begin_s = max(min(batch.begin_s for batch in batches) for batches in by_process.values())
    end_s = min(max(batch.end_s for batch in batches) for batches in by_process.values())
    if end_s <= begin_s:  # one was done before another had begun
        begin_s, end_s = min(batch.begin_s for batch in done), max(batch.end_s for batch in done)
    shares = [
        max(min(batch.end_s, end_s) - max(batch.begin_s, begin_s), 0.0) / (batch.end_s - batch.begin_s)
        for batch in done
    ]
    return BATCH * sum(shares) / (end_s - begin_s)


@functools.cache
def _scenes() -> tuple[tuple[Scene, NDArray[Any]], ...]:
    scenes = [bend_scene(seed) for seed in range(5)]
    return tuple((scene, candidate_plans(scene)) for scene in scenes)
