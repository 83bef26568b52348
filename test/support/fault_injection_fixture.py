"""A planner node and a synthetic vehicle in real time, faults between them, and the invariants that hold under every fault."""

import contextlib
import gc
import itertools
import re
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cpu_starvation import CpuStarvation
from dds_listener import PlannerListener, ReceivedMessage, Spinner
from rclpy._rclpy_pybind11 import RCLError
from rclpy.parameter import Parameter
from synthetic_vehicle import SyntheticVehicle, true_ego

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import EgoState, Trajectory
from transdiffuser_planner.messages import decode_outputs
from transdiffuser_planner.replay.checks.trajectory_checks import START_TOLERANCE_M, trajectory_violations
from transdiffuser_planner.ros.planner_node.node import PlannerNode, start

# As on a vehicle, but for the deadline: a test machine is shared.
PARAMETERS: dict[str, Any] = {
    "num_threads": 1,
    "deadline_ms": 250.0,
    "fallback_margin_ms": 80.0,
    "max_sensor_age_s": 0.5,
    "max_optional_age_s": 0.3,
}
RECOVERY_S = 1.0
_ESCAPED = re.compile(r"\b[A-Z]\w+(Error|Exception): |fallback failed|publishing candidates")
_REPORT_S = 20.0
_EFFECT_S = 60.0
_CONNECT_S = 90.0
_MAX_DENIED_S = 120.0
_KNOWN_EGO_S = 4.0


class FaultTestbench:
    """A context manager: the vehicle drives inside it; tests observe from their own thread."""

    def __init__(
        self, loader: Any = None, *, has_clock: bool = False, node: dict[str, Any] | None = None, **parameters: Any
    ):
        """Create the nodes; ``node`` goes to rclpy's node, parameters to the planner."""
        self.config = PlannerConfig(**{**PARAMETERS, **{k: v for k, v in parameters.items() if k != "model"}})
        overrides = {**PARAMETERS, **parameters, "use_sim_time": has_clock}
        options = {"parameter_overrides": [Parameter(k, value=v) for k, v in overrides.items()], **(node or {})}
        self.vehicle = SyntheticVehicle(has_clock=has_clock)
        self.planner = PlannerNode(**options) if loader is None else PlannerNode(loader, **options)
        self.listener = PlannerListener()
        self.cpu_starvation = CpuStarvation()
        self._in_threads: list[str] = []
        self._hook, threading.excepthook = threading.excepthook, self._escaped
        self._interval_s = sys.getswitchinterval()
        sys.setswitchinterval(1e-3)  # as in the node's process
        gc.disable()  # garbage collection is rare in the node's process too; this process is large
        self.spinners = [Spinner(self.planner), Spinner(self.listener, self.vehicle)]

    def __enter__(self) -> "FaultTestbench":
        """Configure, activate and drive until plans from all inputs are received."""
        try:
            assert start(self.planner)
            self.vehicle.start()
            self.started_s = time.monotonic()
            self.wait(lambda: self.recovered(time.monotonic() - 0.5), _CONNECT_S, "a first plan of all inputs")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all nodes and threads, the vehicle first."""
        self.vehicle.end()
        for spinner in self.spinners:
            spinner.end()
        with contextlib.suppress(RCLError):  # a test may have shut it down
            self.planner.trigger_shutdown()
        for node in (self.planner, self.listener, self.vehicle):
            node.destroy_node()
        self.cpu_starvation.end()
        threading.excepthook = self._hook
        sys.setswitchinterval(self._interval_s)
        gc.enable()

    def wait(self, condition: Callable[[], Any], timeout_s: float, what: str, since_s: float = 0.0) -> Any:
        """Wait for a condition; fails the test after a timeout that excludes CPU starvation, skips it under too much of it."""
        began, pause = time.monotonic(), threading.Event()
        while not (value := condition()):
            denied_s = self.cpu_starvation.since(began)
            if denied_s > _MAX_DENIED_S:
                pytest.skip(f"not decidable: this process waited {denied_s:.0f} s for a core")
            assert time.monotonic() - began < timeout_s + denied_s, (
                f"not within {timeout_s} s ({denied_s:.2f} s of CPU starvation excluded): {what}; "
                f"reported: {self.listener.reported(since_s)}"
            )
            pause.wait(0.01)
        return value

    def inject(
        self,
        on: Callable[[], Any],
        off: Callable[[], Any],
        causes: tuple[str, ...],
        for_s: float = 1.0,
        until: Callable[[float], Any] | None = None,
    ) -> float:
        """Inject a fault and remove it; checks the invariants, the recovery, and that the causes are reported.

        Args:
            on, off: Switch the fault.
            causes: Texts that must all be reported.
            for_s: How long the fault lasts at least.
            until: Called with the time at which the fault was in place; must hold before the fault is removed.

        Returns:
            When it began, on ``time.monotonic``.
        """
        began = time.monotonic()
        on()
        injected = time.monotonic()
        try:
            threading.Event().wait(for_s)
            if until is not None:
                self.wait(lambda: until(injected), _EFFECT_S, "what should be seen during the fault", began)
        finally:
            off()
        ended = time.monotonic()
        self.wait(lambda: self.recovered(ended), RECOVERY_S, "a plan of all inputs after the fault's end", began)
        for cause in causes:
            self.wait(
                lambda cause=cause: cause in self.listener.reported(began), _REPORT_S, f"'{cause}' is named", began
            )
        self.check(began)
        return began

    def longest_gap_s(self, since_s: float) -> float:
        """The longest time without a trajectory since a time, CPU starvation excluded."""
        times_s = [since_s, *(received.at_s for received in self.listener.trajectories(since_s)), time.monotonic()]
        return max(end - begin - self.cpu_starvation.between(begin, end) for begin, end in itertools.pairwise(times_s))

    def recovered(self, since_s: float) -> list[ReceivedMessage]:
        """Plans of the model from all inputs, of frames after a time."""
        after_ns = self.vehicle.stamp_ns(since_s)
        return [
            received
            for received in self.listener.plans(since_s)
            if received.stamp_ns >= after_ns
            and received.message.fallback_level == received.message.LEVEL_NONE
            and not received.message.missing_inputs
        ]

    def plans_of_frames_after(self, at_s: float) -> list[ReceivedMessage]:
        """Statuses of published trajectories whose frames were stamped after a time, however late they arrived."""
        after_ns = self.vehicle.stamp_ns(at_s)
        return [received for received in self.listener.plans(at_s) if received.stamp_ns >= after_ns]

    def check(self, since_s: float) -> None:
        """Assert the invariants of everything published since a time."""
        assert all(spinner.is_alive and spinner.escaped is None for spinner in self.spinners)
        assert not self._in_threads
        texts = self.listener.reported(since_s)
        assert not _ESCAPED.search(texts), texts
        self._check_statuses(since_s)
        trajectories = self.listener.trajectories(since_s)
        level_by_stamp = {
            received.stamp_ns: received.message.fallback_level for received in self.listener.plans(since_s)
        }
        for received in trajectories:
            if received.stamp_ns in level_by_stamp:  # the last one's status may be on its way
                self._check_trajectory(received, level_by_stamp[received.stamp_ns])
        self._check_order(trajectories)

    def _check_statuses(self, since_s: float) -> None:
        """Assert that statuses were in time and one per trajectory."""
        plans = self.listener.plans(since_s)
        late = [received.message for received in plans if self.is_late(received)]
        assert not late, [
            (f"{m.latency_ms:.0f} ms", m.fallback_level, m.fallback_reason, m.stage_times_ms) for m in late
        ]
        reported = [received.stamp_ns for received in plans]
        planned = [received.stamp_ns for received in self.listener.trajectories(since_s)]
        # At both ends a partner may lie just outside.
        assert set(planned[1:-1]) <= set(reported) and set(reported[1:-1]) <= set(planned), (planned, reported)
        assert len(set(reported)) == len(reported), [stamp for stamp in reported if reported.count(stamp) > 1]

    def is_late(self, received: ReceivedMessage) -> bool:
        """Whether a plan missed its deadline by more than the CPU starvation meanwhile."""
        late_ms = received.message.latency_ms - received.message.deadline_ms
        denied_s = self.cpu_starvation.between(received.at_s - 1e-3 * received.message.latency_ms - 0.1, received.at_s)
        return bool(late_ms > 1e3 * denied_s) if late_ms > 0.0 else False

    def _check_trajectory(self, received: ReceivedMessage, fallback_level: int) -> None:
        trajectory = decode_outputs.trajectory(received.message)
        faults = trajectory_violations(trajectory, true_ego(self.vehicle, received.stamp_ns), self.config)
        if faults and fallback_level:
            faults = self._fallback_violations(trajectory, received.at_s)
        assert not faults, (faults, fallback_level, received.stamp_ns)

    def _fallback_violations(self, trajectory: Trajectory, at_s: float) -> tuple[str, ...]:
        """Violations of a stopping plan: it must start at the present or last known state and never accelerate."""
        found = {
            "accelerates": (np.diff(trajectory.speed_mps_T) > 1e-3).any() or (trajectory.accel_mps2_T > 1e-3).any(),
            "starts elsewhere": not any(_starts_at(trajectory, ego) for ego in self._known_egos(at_s)),
            "does not stop": trajectory.speed_mps_T[-1] > 0.01,
        }
        return tuple(name for name, is_wrong in found.items() if is_wrong)

    def _known_egos(self, at_s: float) -> list[EgoState]:
        first_s = at_s - _KNOWN_EGO_S - self.cpu_starvation.between(at_s - 10.0 * _KNOWN_EGO_S, at_s)
        return [ego for sent_s, ego in self.vehicle.sent_egos if first_s <= sent_s <= at_s]

    def _check_order(self, trajectories: list[ReceivedMessage]) -> None:
        for earlier, later in itertools.pairwise(trajectories):
            jumped = self.vehicle.jumps_back_between(earlier.at_s - 0.3, later.at_s)
            assert later.stamp_ns > earlier.stamp_ns or jumped, "trajectory stamps run backwards"

    def _escaped(self, arguments: Any) -> None:
        self._in_threads.append(f"{arguments.thread}: {arguments.exc_value!r}")


def _starts_at(trajectory: Trajectory, ego: EgoState) -> bool:
    """Whether a trajectory begins at a state, or up to one cycle ahead of it."""
    ahead_m = trajectory.x_m_T[0] - ego.x_m
    return (
        -START_TOLERANCE_M <= ahead_m <= 0.25 * ego.vx_mps + START_TOLERANCE_M
        and abs(trajectory.y_m_T[0] - ego.y_m) <= START_TOLERANCE_M
    )
