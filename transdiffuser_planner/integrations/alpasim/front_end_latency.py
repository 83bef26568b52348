"""What the egodriver service adds to a planning cycle: calls, images, history and answers, over gRPC, next to the planner."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import SensorSnapshot
from transdiffuser_planner.evaluation.benchmarks.latency_statistics import percentiles
from transdiffuser_planner.integrations.alpasim.recorded_calls import session_request, step_requests
from transdiffuser_planner.integrations.alpasim.responses import STAGE_SUFFIX
from transdiffuser_planner.integrations.alpasim.server import EgodriverServer
from transdiffuser_planner.integrations.alpasim.sessions import ServerSettings
from transdiffuser_planner.integrations.alpasim.wire import (
    CHANNEL_OPTIONS,
    CONTRACT_KEY,
    OPTICAL_CONTRACT,
    SERVICE,
    Wire,
    load_wire,
)
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.runtime.supervision.realtime_settings import apply_realtime_settings

_UUID, _WARM = "benchmark", 5


def front_end_latency(
    model: str | Path,
    rig: Rig,
    snapshots: list[SensorSnapshot],
    threads: int,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Measure what the service adds to the planning cycle that it runs.

    Args:
        model: Model folder.
        rig: Of the snapshots.
        snapshots: Consecutive ones.
        threads: Of the model.
        progress: Called after each snapshot.

    Returns:
        Percentiles, ms: ``cycle`` the planner's own time in the service, as its stages state it, ``front_end`` all calls of a
        control step as their client, in the same process, sees them, ``more`` the difference in the same step, and ``calls``
        the median of each kind of call.

    Raises:
        PlannerError: The model cannot be loaded, or gRPC is not installed.
    """
    wire, config = load_wire(), PlannerConfig(num_threads=threads)
    backend = Planner.load(model, rig, config).backend
    cycle_ms: list[float] = []
    front_ms: list[float] = []
    by_call: dict[str, list[float]] = {}
    with EgodriverServer(backend, ServerSettings(config=config, vehicle=rig.vehicle), "127.0.0.1:0") as server:
        apply_realtime_settings()
        channel = wire.grpc.insecure_channel(server.address, options=CHANNEL_OPTIONS)
        call = _caller(wire, channel)
        call("start_session", session_request(wire, _UUID, rig, 0))
        for number, snapshot in enumerate(snapshots):
            times_ms: list[tuple[str, float]] = []
            for name, request in step_requests(wire, _UUID, rig, snapshot, "JPEG"):
                begin = time.perf_counter()
                answer = call(name, request)
                times_ms.append((name, 1e3 * (time.perf_counter() - begin)))
            progress()
            if number < _WARM:
                continue
            cycle_ms.append(_cycle_ms(wire, answer))
            front_ms.append(sum(ms for _, ms in times_ms))
            for name, ms in times_ms:
                by_call.setdefault(name, []).append(ms)
        channel.close()
    return {
        "cycles": len(cycle_ms),
        "cycle": percentiles(cycle_ms),
        "front_end": percentiles(front_ms),
        "more": percentiles([front - own for front, own in zip(front_ms, cycle_ms, strict=True)]),
        "calls": {name: round(float(np.median(values)), 2) for name, values in by_call.items()},
    }


def _cycle_ms(wire: Wire, answer: bytes) -> float:
    """The planner's time of a drive call: the sum of its stages."""
    payload = wire.messages.DriveResponse.FromString(answer).debug_info.unstructured_debug_info
    scalars = wire.messages.CarlaDriveDebugInfo.FromString(payload).scalars
    return sum(float(value) for name, value in scalars.items() if name.endswith(STAGE_SUFFIX))


def _caller(wire: Wire, channel: Any) -> Callable[[str, Any], bytes]:
    """Function that makes a call by name."""
    stubs = {
        name: channel.unary_unary(f"/{SERVICE}/{name}", request_serializer=lambda message: message.SerializeToString())
        for name in wire.requests
    }
    metadata = ((CONTRACT_KEY, str(OPTICAL_CONTRACT)),)

    def call(name: str, request: Any) -> bytes:
        return bytes(stubs[name](request, timeout=60.0, metadata=metadata))

    return call
