"""Counts the plans that sensors of given latencies, rates, phases, jitters and clocks lead to. No model is run.

A vehicle drives a straight line for some seconds; the messages of its sensors arrive when they would, and every cycle that
the scheduler of node and replay decides is counted.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import CameraMount, LidarMount, Rig
from transdiffuser_planner.core.types import LIDAR, CameraImage, EgoState, PointCloud
from transdiffuser_planner.runtime.supervision.cycle_scheduler import CycleScheduler

BEGIN_NS = 1_700_000_000 * 10**9
WARM_UP_S = 2.0
"""Time in which the scheduler learns latencies and clocks; its cycles are not counted."""
_POLL_S = 0.02
_SPEED_MPS = 8.0
_CAMERA = CameraMount(name="front", width=8, height=6, fx=6.0, fy=6.0, cx=4.0, cy=3.0, x_m=1.9, z_m=1.6)
_RIG = Rig(cameras=(replace(_CAMERA, name="left", yaw_rad=0.9), _CAMERA), lidar=LidarMount(x_m=1.2, z_m=1.9))
_CIRCLE = np.stack(
    [10.0 * np.cos(np.linspace(-np.pi, np.pi, 144)), 10.0 * np.sin(np.linspace(-np.pi, np.pi, 144))], axis=-1
)


@dataclass(frozen=True, kw_only=True, slots=True)
class SensorTiming:
    """When one sensor measures, stamps and delivers.

    Attributes:
        rate_hz: Messages per second.
        phase_s: Time of its first measurement.
        latency_s: From measurement to arrival.
        jitter_s: Largest deviation of measurements and arrivals from their schedule, uniform.
        clock_s: Stamp minus time of measurement: offset of its clock, negative for the start of a sweep.
        is_half: Every message covers one half of the circle, the next one the other half.
        loss: Share of messages that are lost.
    """

    rate_hz: float = 10.0
    phase_s: float = 0.0
    latency_s: float = 0.005
    jitter_s: float = 0.0
    clock_s: float = 0.0
    is_half: bool = False
    loss: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TimingCase:
    """One vehicle.

    Attributes:
        name: What is special about it.
        sensors: Input -> its timing; those of ``left``, ``front``, ``lidar`` and ``odometry`` that are absent here are usual.
    """

    name: str
    sensors: dict[str, SensorTiming] = field(default_factory=dict)


def _cases() -> Iterator[TimingCase]:
    yield TimingCase(name="all at 10 Hz, 5 ms late")
    for late_ms in (50, 110, 200):
        yield TimingCase(name=f"lidar {late_ms} ms late", sensors={LIDAR: SensorTiming(latency_s=late_ms * 1e-3)})
    for late_ms in (50, 100, 200):
        late = SensorTiming(latency_s=late_ms * 1e-3)
        yield TimingCase(name=f"cameras {late_ms} ms late", sensors={"left": late, "front": late})
    for late_ms in (50, 100, 200):
        late = SensorTiming(rate_hz=50.0, latency_s=late_ms * 1e-3)
        yield TimingCase(name=f"odometry {late_ms} ms late", sensors={"odometry": late})
    for place, clock_s in (("start", -0.1), ("middle", -0.05), ("end", 0.0)):
        sweep = SensorTiming(clock_s=clock_s, latency_s=0.01)
        yield TimingCase(name=f"sweep of 100 ms stamped at its {place}", sensors={LIDAR: sweep})
    for rate_hz in (2.0, 5.0, 7.0, 20.0, 30.0):
        yield TimingCase(name=f"lidar at {rate_hz:g} Hz", sensors={LIDAR: SensorTiming(rate_hz=rate_hz, phase_s=0.013)})
    for rate_hz in (2.0, 5.0, 15.0, 30.0):
        camera = SensorTiming(rate_hz=rate_hz, phase_s=0.013)
        yield TimingCase(name=f"cameras at {rate_hz:g} Hz", sensors={"left": camera, "front": camera})
    yield TimingCase(name="lidar between the cameras' images", sensors={LIDAR: SensorTiming(phase_s=0.05)})
    for jitter_ms in (10, 20, 40):
        jitter = SensorTiming(jitter_s=jitter_ms * 1e-3, latency_s=0.05)
        names = ("left", "front", LIDAR)
        yield TimingCase(name=f"sensors with {jitter_ms} ms jitter", sensors=dict.fromkeys(names, jitter))
    half = SensorTiming(rate_hz=20.0, is_half=True)
    yield TimingCase(name="half sweeps in turn at 20 Hz", sensors={LIDAR: half})
    yield TimingCase(name="lidar loses one in five", sensors={LIDAR: SensorTiming(loss=0.2)})
    for clock_s, name in ((0.3, "0.3 s ahead"), (37.0, "in TAI"), (-0.3, "0.3 s behind"), (-37.0, "37 s behind")):
        yield TimingCase(name=f"one camera's clock {name}", sensors={"left": SensorTiming(clock_s=clock_s)})
    for clock_s, name in ((0.3, "0.3 s ahead"), (37.0, "in TAI"), (-0.3, "0.3 s behind")):
        yield TimingCase(name=f"lidar's clock {name}", sensors={LIDAR: SensorTiming(clock_s=clock_s)})
    yield TimingCase(name="odometry's clock in TAI", sensors={"odometry": SensorTiming(rate_hz=50.0, clock_s=37.0)})
    mixed = {
        LIDAR: SensorTiming(latency_s=0.11, clock_s=-0.05),
        "left": SensorTiming(rate_hz=30.0, latency_s=0.1, phase_s=0.021, jitter_s=0.005),
        "front": SensorTiming(rate_hz=30.0, latency_s=0.09, phase_s=0.007, jitter_s=0.005),
        "odometry": SensorTiming(rate_hz=100.0, latency_s=0.02),
    }
    yield TimingCase(name="30 Hz cameras 100 ms late, lidar 160 ms, odometry 20 ms", sensors=mixed)


CASES = tuple(_cases())
_USUAL = {
    "left": SensorTiming(),
    "front": SensorTiming(),
    LIDAR: SensorTiming(),
    "odometry": SensorTiming(rate_hz=50.0),
}


def count_plans(case: TimingCase, seconds: float = 10.0) -> dict[str, Any]:
    """Count the cycles of one vehicle at 10 Hz.

    Args:
        case: The vehicle.
        seconds: Counted time.

    Returns:
        One row: case, plans, of them with all sensors, cycles without a plan, median age of the frames in ms, and the
        scheduler's notices and reasons.
    """
    scheduler = CycleScheduler(_RIG, PlannerConfig())
    plans = whole = without = 0
    ages_ms: list[float] = []
    remarks: dict[str, None] = {}
    arrivals = heapq.merge(*_streams(case, WARM_UP_S + seconds), _polls(WARM_UP_S + seconds), key=lambda row: row[0])
    for now_ns, name, stamp_ns, half in arrivals:
        scheduler.assembler.now_ns = now_ns
        if name:
            _add(scheduler, name, stamp_ns, half)
        remarks |= dict.fromkeys(scheduler.assembler.pop_warnings())
        decision = scheduler.poll(now_ns)
        if decision is None or now_ns - BEGIN_NS < WARM_UP_S * 1e9:
            continue
        if decision.request is None:
            without += 1
            remarks[decision.reason] = None
            continue
        plans += 1
        snapshot = decision.request.snapshot
        whole += len(snapshot.images) == len(_RIG.cameras) and snapshot.cloud is not None
        ages_ms.append((now_ns - snapshot.stamp_ns) * 1e-6)
    return {
        "case": case.name,
        "plans": plans,
        "whole": whole,
        "without": without,
        "age_ms": round(float(np.median(ages_ms))) if ages_ms else None,
        "remarks": list(remarks)[:3],
    }


def _streams(case: TimingCase, seconds: float) -> Iterator[Iterator[tuple[int, str, int, int]]]:
    """Yield each sensor's messages as (arrival, input, stamp, half of the circle), in order of arrival."""
    for place, (name, timing) in enumerate({**_USUAL, **case.sensors}.items()):
        yield iter(_stream(name, timing, seconds, np.random.default_rng(place)))


def _stream(
    name: str, timing: SensorTiming, seconds: float, rng: np.random.Generator
) -> list[tuple[int, str, int, int]]:
    rows: list[tuple[int, str, int, int]] = []
    for index in range(int((seconds - timing.phase_s) * timing.rate_hz) + 1):
        early_s, late_s = rng.uniform(-timing.jitter_s, timing.jitter_s, 2)
        measured_s = timing.phase_s + index / timing.rate_hz + early_s
        stamp_ns = BEGIN_NS + round((measured_s + timing.clock_s) * 1e9)
        arrival_ns = BEGIN_NS + round((measured_s + max(0.0, timing.latency_s + late_s)) * 1e9)
        if rows:
            arrival_ns = max(arrival_ns, rows[-1][0] + 1)
        if rng.random() >= timing.loss:
            rows.append((arrival_ns, name, stamp_ns, index % 2 if timing.is_half else -1))
    return rows


def _polls(seconds: float) -> Iterator[tuple[int, str, int, int]]:
    """Yield the times at which the node looks for overdue messages."""
    for index in range(int(seconds / _POLL_S)):
        yield BEGIN_NS + round(index * _POLL_S * 1e9), "", 0, -1


def _add(scheduler: CycleScheduler, name: str, stamp_ns: int, half: int) -> None:
    assembler = scheduler.assembler
    if name == "odometry":
        x_m = _SPEED_MPS * (stamp_ns - BEGIN_NS) * 1e-9
        assembler.add_odometry(
            EgoState(stamp_ns=stamp_ns, frame_id="map", x_m=x_m, y_m=0.0, heading_rad=0.0, vx_mps=_SPEED_MPS)
        )
    elif name == LIDAR:
        xy = _CIRCLE if half < 0 else _CIRCLE[: len(_CIRCLE) // 2] if half == 0 else _CIRCLE[len(_CIRCLE) // 2 :]
        points = np.concatenate([xy, np.zeros((len(xy), 1))], axis=1).astype(np.float32)
        assembler.add_cloud(PointCloud(stamp_ns=stamp_ns, xyz_N3=points))
    else:
        rgb = np.zeros((_CAMERA.height, _CAMERA.width, 3), dtype=np.uint8)
        assembler.add_image(CameraImage(stamp_ns=stamp_ns, name=name, rgb_HW3=rgb))


def timing_table(seconds: float = 10.0) -> list[dict[str, Any]]:
    """Count the plans of all cases; see ``count_plans``.

    Args:
        seconds: Counted time of each.
    """
    return [count_plans(case, seconds) for case in CASES]
