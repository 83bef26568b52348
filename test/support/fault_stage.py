"""A planner node, a vehicle in real time, and what must hold whatever goes wrong between them."""

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
from live_vehicle import LiveVehicle, true_ego
from planner_ears import Heard, PlannerEars, Spinner
from rclpy._rclpy_pybind11 import RCLError
from rclpy.parameter import Parameter
from starvation import Starvation

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.types import EgoState, Trajectory
from transdiffuser_planner.recording import decode_plan
from transdiffuser_planner.replay.checks import START_TOLERANCE_M, trajectory_faults
from transdiffuser_planner.ros.planner_node import PlannerNode, start

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
_UNTIL_SAID_S = 2.5
_UNTIL_SEEN_S = 4.0
_CONNECT_S = 20.0
_MOST_DENIED_S = 10.0


class FaultStage:
    """A context: drives while inside it; tests look on from their own thread."""

    def __init__(self, loader: Any = None, *, has_clock: bool = False, node: dict[str, Any] | None = None, **parameters: Any):
        """Make the nodes; ``node`` goes to rclpy's node, parameters to the planner."""
        self.config = PlannerConfig(**{**PARAMETERS, **{k: v for k, v in parameters.items() if k != "model"}})
        overrides = {**PARAMETERS, **parameters, "use_sim_time": has_clock}
        options = {"parameter_overrides": [Parameter(k, value=v) for k, v in overrides.items()], **(node or {})}
        self.vehicle = LiveVehicle(has_clock=has_clock)
        self.planner = PlannerNode(**options) if loader is None else PlannerNode(loader, **options)
        self.ears = PlannerEars()
        self.starvation = Starvation()
        self._in_threads: list[str] = []
        self._hook, threading.excepthook = threading.excepthook, self._escaped
        self._interval_s = sys.getswitchinterval()
        sys.setswitchinterval(1e-3)  # as the node's process does
        gc.disable()  # nor is that one searched for garbage; this process is large
        self.spinners = [Spinner(self.planner), Spinner(self.ears, self.vehicle)]

    def __enter__(self) -> "FaultStage":
        """Configure, activate, drive until plans of all inputs come."""
        try:
            assert start(self.planner)
            self.vehicle.start()
            self.wait(lambda: self.recovered(time.monotonic() - 0.5), _CONNECT_S, "a first plan of all inputs")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything, the vehicle first."""
        self.vehicle.end()
        for spinner in self.spinners:
            spinner.end()
        with contextlib.suppress(RCLError):  # a test may have shut it down
            self.planner.trigger_shutdown()
        for node in (self.planner, self.ears, self.vehicle):
            node.destroy_node()
        self.starvation.end()
        threading.excepthook = self._hook
        sys.setswitchinterval(self._interval_s)
        gc.enable()

    def wait(self, condition: Callable[[], Any], timeout_s: float, what: str, since_s: float = 0.0) -> Any:
        """Until something holds; fails the test when it does not in time, without the time that cores were denied."""
        began, pause = time.monotonic(), threading.Event()
        while not (value := condition()):
            denied_s = min(self.starvation.since(began), _MOST_DENIED_S)
            assert time.monotonic() - began < timeout_s + denied_s, (
                f"not within {timeout_s} s (cores were denied for {denied_s:.2f} s): {what}; said: {self.ears.said(since_s)}"
            )
            pause.wait(0.01)
        return value

    def endure(
        self,
        on: Callable[[], Any],
        off: Callable[[], Any],
        causes: tuple[str, ...],
        for_s: float = 1.0,
        until: Callable[[float], Any] | None = None,
    ) -> float:
        """Switch a fault on and off again; then everything must have held, be well again, and the causes be named.

        Args:
            on, off: Switch the fault.
            causes: Phrases of which each must be said.
            for_s: How long the fault lasts at least.
            until: Called with the fault's begin; must come to hold before the fault ends.

        Returns:
            When it began, on ``time.monotonic``.
        """
        began = time.monotonic()
        on()
        try:
            threading.Event().wait(for_s)
            if until is not None:
                self.wait(lambda: until(began), _UNTIL_SEEN_S, "what should be seen during the fault", began)
        finally:
            off()
        ended = time.monotonic()
        self.wait(lambda: self.recovered(ended), RECOVERY_S, "a plan of all inputs after the fault's end", began)
        for cause in causes:
            self.wait(lambda cause=cause: cause in self.ears.said(began), _UNTIL_SAID_S, f"'{cause}' is named", began)
        self.check(began)
        return began

    def longest_silence_s(self, since_s: float) -> float:
        """The longest time without a trajectory from a moment until now, without the time that cores were denied."""
        moments = [since_s, *(heard.at_s for heard in self.ears.trajectories(since_s)), time.monotonic()]
        return max(end - begin - self.starvation.between(begin, end) for begin, end in itertools.pairwise(moments))

    def recovered(self, since_s: float) -> list[Heard]:
        """Plans of the model from all inputs, of frames after a moment."""
        after_ns = self.vehicle.stamp_ns(since_s)
        return [
            heard
            for heard in self.ears.plans(since_s)
            if heard.stamp_ns >= after_ns
            and heard.message.fallback_rung == heard.message.RUNG_NONE
            and not heard.message.missing_inputs
        ]

    def check(self, since_s: float) -> None:
        """What must hold whatever happened since a moment."""
        assert all(spinner.is_alive and spinner.escaped is None for spinner in self.spinners)
        assert not self._in_threads
        said = self.ears.said(since_s)
        assert not _ESCAPED.search(said), said
        self._check_statuses(since_s)
        trajectories = self.ears.trajectories(since_s)
        rung_by_stamp = {heard.stamp_ns: heard.message.fallback_rung for heard in self.ears.plans(since_s)}
        for heard in trajectories:
            if heard.stamp_ns in rung_by_stamp:  # the last one's status may be on its way
                self._check_trajectory(heard, rung_by_stamp[heard.stamp_ns])
        self._check_order(trajectories)

    def _check_statuses(self, since_s: float) -> None:
        """In time, and one per trajectory."""
        plans = self.ears.plans(since_s)
        late = [heard.message for heard in plans if self.is_late(heard)]
        assert not late, [(f"{m.latency_ms:.0f} ms", m.fallback_rung, m.fallback_reason, m.stage_times_ms) for m in late]
        told = [heard.stamp_ns for heard in plans]
        planned = [heard.stamp_ns for heard in self.ears.trajectories(since_s)]
        # At both ends a partner may lie just outside.
        assert set(planned[1:-1]) <= set(told) and set(told[1:-1]) <= set(planned), (planned, told)
        assert len(set(told)) == len(told), [stamp for stamp in told if told.count(stamp) > 1]

    def is_late(self, heard: Heard) -> bool:
        """Whether a plan missed its deadline by more than cores were denied meanwhile."""
        late_ms = heard.message.latency_ms - heard.message.deadline_ms
        denied_s = self.starvation.between(heard.at_s - 1e-3 * heard.message.latency_ms - 0.1, heard.at_s)
        return bool(late_ms > 1e3 * denied_s) if late_ms > 0.0 else False

    def _check_trajectory(self, heard: Heard, rung: int) -> None:
        trajectory = decode_plan.trajectory(heard.message)
        faults = trajectory_faults(trajectory, true_ego(self.vehicle, heard.stamp_ns), self.config)
        if faults and rung:
            faults = self._fallback_faults(trajectory, heard.at_s)
        assert not faults, (faults, rung, heard.stamp_ns)

    def _fallback_faults(self, trajectory: Trajectory, at_s: float) -> tuple[str, ...]:
        """Of a plan that only stops: it starts where the vehicle is or was last known to be, and never accelerates."""
        found = {
            "accelerates": (np.diff(trajectory.speed_mps_T) > 1e-3).any() or (trajectory.accel_mps2_T > 1e-3).any(),
            "starts elsewhere": not any(_starts_at(trajectory, ego) for ego in self._known_egos(at_s)),
            "does not stop": trajectory.speed_mps_T[-1] > 0.01,
        }
        return tuple(name for name, is_wrong in found.items() if is_wrong)

    def _known_egos(self, at_s: float) -> list[EgoState]:
        return [ego for sent_s, ego in self.vehicle.sent_egos if at_s - 4.0 <= sent_s <= at_s]

    def _check_order(self, trajectories: list[Heard]) -> None:
        for earlier, later in itertools.pairwise(trajectories):
            jumped = self.vehicle.jumps_back_between(earlier.at_s - 0.3, later.at_s)
            assert later.stamp_ns > earlier.stamp_ns or jumped, "trajectory stamps run backwards"

    def _escaped(self, arguments: Any) -> None:
        self._in_threads.append(f"{arguments.thread}: {arguments.exc_value!r}")


def _starts_at(trajectory: Trajectory, ego: EgoState) -> bool:
    """Whether a trajectory begins at a state, or up to a cycle further on."""
    ahead_m = trajectory.x_m_T[0] - ego.x_m
    return (
        -START_TOLERANCE_M <= ahead_m <= 0.25 * ego.vx_mps + START_TOLERANCE_M
        and abs(trajectory.y_m_T[0] - ego.y_m) <= START_TOLERANCE_M
    )
