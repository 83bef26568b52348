"""What the egodriver service adds to a planning cycle: the same snapshots through gRPC and through the planner alone, in turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import CameraImage, SensorSnapshot
from transdiffuser_planner.evaluation.benchmarks.latency_statistics import percentiles
from transdiffuser_planner.integrations.alpasim.recorded_calls import session_request, step_requests
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
from transdiffuser_planner.messages.image_pixels import EncodedPixels
from transdiffuser_planner.runtime.planner import Planner

_UUID, _WARM = "benchmark", 5


def front_end_latency(
    model: str | Path,
    rig: Rig,
    snapshots: list[SensorSnapshot],
    threads: int,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Measure the planning cycle through the service over the planner alone.

    Args:
        model: Model folder.
        rig: Of the snapshots.
        snapshots: Consecutive ones.
        threads: Of the model.
        progress: Called after each snapshot.

    Returns:
        Percentiles, ms: ``core`` the planner alone, ``front_end`` all calls of a control step as their client sees them,
        ``more`` the difference of the same snapshot, and ``calls`` the median of each kind of call.

    Raises:
        PlannerError: The model cannot be loaded, or gRPC is not installed.
    """
    wire, config = load_wire(), PlannerConfig(num_threads=threads)
    core = Planner.load(model, rig, config)
    served = Planner.load(model, rig, config).backend
    core_ms: list[float] = []
    front_ms: list[float] = []
    by_call: dict[str, list[float]] = {}
    with EgodriverServer(served, ServerSettings(config=config, vehicle=rig.vehicle), "127.0.0.1:0") as server:
        channel = wire.grpc.insecure_channel(server.address, options=CHANNEL_OPTIONS)
        call = _caller(wire, channel)
        call("start_session", session_request(wire, _UUID, rig, 0))
        for number, snapshot in enumerate(snapshots):
            requests = step_requests(wire, _UUID, rig, snapshot, "JPEG")
            with_files = _with_files(snapshot, requests)
            times_ms = [(name, _timed_ms(partial(call, name, request))) for name, request in requests]
            alone_ms = _timed_ms(partial(core.plan, with_files))
            progress()
            if number < _WARM:
                continue
            core_ms.append(alone_ms)
            front_ms.append(sum(ms for _, ms in times_ms))
            for name, ms in times_ms:
                by_call.setdefault(name, []).append(ms)
        channel.close()
    return {
        "cycles": len(core_ms),
        "core": percentiles(core_ms),
        "front_end": percentiles(front_ms),
        "more": percentiles([front - alone for front, alone in zip(front_ms, core_ms, strict=True)]),
        "calls": {name: round(float(np.median(values)), 2) for name, values in by_call.items()},
    }


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


def _with_files(snapshot: SensorSnapshot, requests: list[tuple[str, Any]]) -> SensorSnapshot:
    """The snapshot with the very image files that are sent, so that both unpack the same."""
    images = {}
    for name, request in requests:
        if name == "submit_image_observation":
            sent = request.camera_image
            file = SimpleNamespace(data=sent.image_bytes, format="jpeg")
            pixels = EncodedPixels(file, sent.logical_id)
            images[sent.logical_id] = CameraImage(stamp_ns=snapshot.stamp_ns, name=sent.logical_id, pixels=pixels)
    return replace(snapshot, images=images)


def _timed_ms(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - begin)
