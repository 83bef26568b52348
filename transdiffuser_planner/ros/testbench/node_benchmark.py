"""Long benchmark of a planner node in its own process, with inputs over DDS at 10 Hz: start-up, latency, memory, CPU."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.fallback_cause import count_causes
from transdiffuser_planner.core.types import FallbackLevel, SensorSnapshot
from transdiffuser_planner.evaluation.benchmarks.cpu_load import cpu_s, resident_mb
from transdiffuser_planner.evaluation.benchmarks.latency_statistics import percentiles
from transdiffuser_planner.evaluation.over_dds.process_group import ProcessGroup, private_ros_environment

_PERIOD_S = 0.1
_SAMPLE_S = 5.0
_SETTLED_S = 60.0
_FIRST_PLAN_S = 60.0


def node_run(model: Path, inputs: Sequence[SensorSnapshot], minutes: float, threads: int) -> dict[str, Any]:
    """Publish inputs to a node and measure it.

    Args:
        model: Model folder.
        inputs: Frames, sent repeatedly with new stamps.
        minutes: Duration after its first plan.
        threads: Threads of the model.

    Returns:
        Measured values by name.

    Raises:
        EvaluationError: The node published no plan or ended.
    """
    environment = private_ros_environment()
    os.environ.update(environment)
    from transdiffuser_planner.ros import session

    session.init([])
    import rclpy

    from transdiffuser_planner.ros.testbench.frame_source import FrameSource

    with TemporaryDirectory(prefix="transdiffuser_node_") as folder:
        group = ProcessGroup({**os.environ, **environment}, Path(folder))
        try:
            source = FrameSource(inputs)
            begin = time.monotonic()
            group.start("planner", ["plan", "--model", str(model), "--ros-args", "-p", f"num_threads:={threads}"])
            first_plan_s = _until_first_plan(source, group, begin)
            usage = _feed(source, group, minutes)
            return {
                "minutes": minutes,
                "first_plan_s": round(first_plan_s, 2),
                **usage,
                **_status_summary(source.statuses),
            }
        finally:
            group.stop()
            rclpy.try_shutdown()


def _until_first_plan(source: Any, group: ProcessGroup, begin: float) -> float:
    """Publish frames from before the node exists; returns seconds from its start to its first plan.

    Raises:
        EvaluationError: There is no plan in time, or the node ended.
    """
    while not source.statuses:
        _tick(source)
        if group.exit_status("planner") is not None or time.monotonic() - begin > _FIRST_PLAN_S:
            raise EvaluationError(f"the node published no plan; its last output: {group.last_line('planner')}")
    first_s = time.monotonic() - begin
    source.statuses.clear()
    return first_s


def _feed(source: Any, group: ProcessGroup, minutes: float) -> dict[str, Any]:
    """Send frames at 10 Hz; returns memory, its growth and CPU use of the node.

    Raises:
        EvaluationError: The node ended.
    """
    from tqdm import tqdm

    pid = group.pid("planner")
    begin, begin_cpu_s, frames = time.monotonic(), cpu_s(pid), 0
    samples: list[tuple[float, float]] = []
    with tqdm(total=round(minutes * 600), unit="frame", file=sys.stderr, mininterval=1.0) as bar:
        while (elapsed := time.monotonic() - begin) < minutes * 60.0:
            if not samples or elapsed - samples[-1][0] >= _SAMPLE_S:
                samples.append((elapsed, round(resident_mb(pid), 1)))
            _tick(source)
            frames += 1
            bar.update()
            if group.exit_status("planner") is not None:
                raise EvaluationError(f"the node ended; its last output: {group.last_line('planner')}")
    time_s, memory_mb = np.asarray(samples).T
    settled = time_s >= min(_SETTLED_S, 0.5 * time_s[-1])
    slope = np.polyfit(time_s[settled], memory_mb[settled], 1)[0] if settled.sum() > 1 else 0.0
    return {
        "frames": frames,
        "resident_mb": {"first": samples[0][1], "last": samples[-1][1], "max": max(mb for _, mb in samples)},
        "growth_mb_per_hour": round(float(slope) * 3600.0, 2),
        "cpu_share_of_one_core": round((cpu_s(pid) - begin_cpu_s) / (time.monotonic() - begin), 3),
    }


def _tick(source: Any) -> None:
    """Send one frame, then spin until the next is due."""
    import rclpy

    due = time.monotonic() + _PERIOD_S
    source.send()
    while (left := due - time.monotonic()) > 0.0:
        rclpy.spin_once(source, timeout_sec=left)


def _status_summary(statuses: list[Any]) -> dict[str, Any]:
    """Summarize the node's statuses.

    Raises:
        EvaluationError: There are none.
    """
    if not statuses:
        raise EvaluationError("the node published no plan during the measurement")
    causes = count_causes(s.fallback_reason for s in statuses if s.fallback_level != FallbackLevel.NONE)
    return {
        "plans": len(statuses),
        "missed": sum(s.latency_ms > s.deadline_ms for s in statuses),
        "latency_ms": percentiles([s.latency_ms for s in statuses]),
        "fallback_levels": dict(Counter(s.fallback_level.name for s in statuses).most_common()),
        "candidates_x_steps": dict(
            Counter(f"{s.num_candidates} x {s.num_denoise_steps}" for s in statuses).most_common(8)
        ),
        "fallback_causes": {cause.value: count for cause, count in causes.items()},
        "reasons": dict(Counter(s.fallback_reason for s in statuses if s.fallback_reason).most_common(5)),
    }
