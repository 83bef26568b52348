"""Load test of a planner node: sensors of stated sizes and rates over DDS; are cycles left without inputs or time?"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.fallback_cause import FallbackCause, cause_of, count_causes
from transdiffuser_planner.core.types import FallbackLevel
from transdiffuser_planner.evaluation.benchmarks.cpu_load import cpu_s, resident_mb
from transdiffuser_planner.evaluation.benchmarks.latency_statistics import percentiles
from transdiffuser_planner.evaluation.benchmarks.sensor_load import SensorLoad, rig_text
from transdiffuser_planner.evaluation.over_dds.process_group import ProcessGroup, private_ros_environment
from transdiffuser_planner.messages import decode_outputs
from transdiffuser_planner.params import LARGE_MESSAGES

_FIRST_PLAN_S = 60.0
_SETTLE_S = 3.0
_TRANSPORTS = ("FASTDDS_BUILTIN_TRANSPORTS",)
_STARVED = (FallbackCause.INPUTS, FallbackCause.MODEL, FallbackCause.REQUESTED)


def load_run(model: Path, load: SensorLoad, minutes: float, threads: int) -> dict[str, Any]:
    """Publish the sensors to a node and measure it.

    Args:
        model: Model folder.
        load: Sensors and rates.
        minutes: Duration after its first plan.
        threads: Threads of the model.

    Returns:
        Measured values by name.

    Raises:
        EvaluationError: The node published no plan or ended.
    """
    os.environ.update(_environment())
    from transdiffuser_planner.ros import session

    session.init([])
    import rclpy

    from transdiffuser_planner.ros.testbench.load_listener import LoadListener
    from transdiffuser_planner.ros.testbench.load_publisher import publish_load

    context = multiprocessing.get_context("spawn")
    counts = context.Array("L", len(load.rates_hz), lock=False)
    publisher = context.Process(target=publish_load, args=(load, counts), daemon=True)
    with TemporaryDirectory(prefix="transdiffuser_load_") as folder:
        rig = Path(folder) / "rig.yaml"
        rig.write_text(rig_text(load), encoding="utf-8")
        group = ProcessGroup(dict(os.environ), Path(folder))
        try:
            listener = LoadListener()
            publisher.start()
            words = ["plan", "--model", str(model), "--rig", str(rig)]
            group.start("planner", [*words, "--ros-args", "-p", f"num_threads:={threads}"])
            _until_first_plan(listener, group)
            before, begin_s = list(counts), time.monotonic()
            found = _measured(listener, group, publisher.pid or 0, minutes * 60.0)
            elapsed_s = time.monotonic() - begin_s
            rates = zip(load.rates_hz, before, counts, strict=True)
            published = {name: round((now - then) / elapsed_s, 1) for name, then, now in rates}
            return {**found, "published_hz": published}
        finally:
            if publisher.is_alive():
                publisher.kill()
            group.stop()
            rclpy.try_shutdown()


def _environment() -> dict[str, str]:
    """A private domain, and shared memory for large messages unless the user has configured Fast DDS."""
    own = {name for name in os.environ if name.startswith(("FASTDDS_", "FASTRTPS_"))}
    private = {name: value for name, value in private_ros_environment().items() if name not in _TRANSPORTS}
    return private if own else {**private, "FASTDDS_DEFAULT_PROFILES_FILE": str(LARGE_MESSAGES)}


def _spin(node: Any, seconds: float, group: ProcessGroup) -> None:
    """Listen for a time.

    Raises:
        EvaluationError: The planner ended.
    """
    import rclpy

    end_s = time.monotonic() + seconds
    while (left := end_s - time.monotonic()) > 0.0:
        rclpy.spin_once(node, timeout_sec=min(left, 0.2))
        if group.exit_status("planner") is not None:
            raise EvaluationError(f"the node ended; its last output: {group.last_line('planner')}")


def _until_first_plan(listener: Any, group: ProcessGroup) -> None:
    """Wait for the first plan or fallback, and until start-up is over.

    Raises:
        EvaluationError: There is none in time, or the node ended.
    """
    begin_s = time.monotonic()
    while not listener.statuses:
        _spin(listener, 0.2, group)
        if time.monotonic() - begin_s > _FIRST_PLAN_S:
            raise EvaluationError(f"the node published no plan; its last output: {group.last_line('planner')}")
    _spin(listener, _SETTLE_S, group)


def _measured(listener: Any, group: ProcessGroup, publisher_pid: int, seconds: float) -> dict[str, Any]:
    """Measure cycles, and processor time of node and publisher.

    Raises:
        EvaluationError: The node ended, or published nothing.
    """
    listener.statuses.clear()
    node_pid = group.pid("planner")
    begin_s, begin_cpu_s = time.monotonic(), (cpu_s(node_pid), cpu_s(publisher_pid))
    _spin(listener, seconds, group)
    elapsed_s, end_cpu_s = time.monotonic() - begin_s, (cpu_s(node_pid), cpu_s(publisher_pid))
    shares = [round((end - begin) / elapsed_s, 3) for begin, end in zip(begin_cpu_s, end_cpu_s, strict=True)]
    return {
        "seconds": round(elapsed_s, 1),
        "cores": len(os.sched_getaffinity(0)),
        **summary(listener.statuses),
        "input_hz": listener.facts.get("input_hz", ""),
        "refused": {name: count for name, count in listener.facts.items() if name.startswith("refused: ")},
        "node_share_of_one_core": shares[0],
        "publisher_share_of_one_core": shares[1],
        "resident_mb": round(resident_mb(node_pid), 1),
    }


def summary(statuses: Sequence[decode_outputs.RecordedStatus]) -> dict[str, Any]:
    """Summarize the cycles of a load test.

    Args:
        statuses: Of all cycles.

    Returns:
        Cycles, and those without inputs ("starved"), without time, with rejected candidates; latency from the middleware's
        receipt of the frame's last message to publishing.

    Raises:
        EvaluationError: There are none.
    """
    if not statuses:
        raise EvaluationError("the node published no plan during the measurement")
    fallbacks = [status for status in statuses if status.fallback_level != FallbackLevel.NONE]
    causes = count_causes(status.fallback_reason for status in fallbacks)
    planned = [
        status.latency_ms
        for status in statuses
        if status.fallback_level == FallbackLevel.NONE or cause_of(status.fallback_reason) not in _STARVED
    ]
    return {
        "cycles": len(statuses),
        "starved": sum(causes[cause] for cause in _STARVED),
        "out_of_time": causes[FallbackCause.TIME],
        "rejected": causes[FallbackCause.REJECTED],
        "later_than_the_deadline": sum(status.latency_ms > status.deadline_ms for status in statuses),
        "latency_ms": percentiles(planned or [0.0]),
        "candidates_x_steps": dict(
            Counter(f"{s.num_candidates} x {s.num_denoise_steps}" for s in statuses).most_common(6)
        ),
        "reasons": dict(Counter(status.fallback_reason for status in fallbacks).most_common(5)),
    }
