"""Drives one CARLA vehicle: values of a tick in, controls out. Client and leaderboard agent share it.

Every tick passes through the node's own assembler; at 10 Hz the scheduler makes a snapshot of it, the planner plans without a
deadline, because CARLA's time stands still meanwhile, and every tick the tracker follows the newest plan.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import (
    Acceleration,
    CameraImage,
    DrivingCommand,
    EgoState,
    FallbackLevel,
    NotReady,
    PlanResult,
    PointCloud,
    Route,
    TrafficSignal,
)
from transdiffuser_planner.integrations.carla.actuation import Actuation, CarlaVehicle, Controls
from transdiffuser_planner.planning.trajectory.pure_pursuit import ControlCommand, TrajectoryTracker
from transdiffuser_planner.runtime.cycle.fallback_planner import FallbackPlanner
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.runtime.supervision.cycle_scheduler import CycleDecision, CycleScheduler

_MILLISECONDS = 1e3


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """Values of one tick, all of one stamp.

    Attributes:
        ego: base_link in the map frame.
        acceleration: Of base_link; None if unknown.
        images: Of the rig's cameras; none in ticks that are not planned from.
        cloud: A part of a LiDAR sweep or a whole one.
        command: Driving command of the route.
        speed_limit_mps: None if unknown.
        signal: Next traffic light of the route; None without one.
    """

    ego: EgoState
    acceleration: Acceleration | None = None
    images: tuple[CameraImage, ...] = ()
    cloud: PointCloud | None = None
    command: DrivingCommand | None = None
    speed_limit_mps: float | None = None
    signal: TrafficSignal | None = None


@dataclass(slots=True)
class DriverStatistics:
    """Counts of one drive.

    Attributes:
        num_ticks, num_cycles: Ticks, and planning cycles among them.
        num_fallbacks: Cycles with a fallback or without a plan.
        plan_ms: Wall time of every cycle's planning.
        core_ms: Part of it within the planner itself.
        refusals: Reason -> how often an input was refused for it.
    """

    num_ticks: int = 0
    num_cycles: int = 0
    num_fallbacks: int = 0
    plan_ms: list[float] = field(default_factory=list)
    core_ms: list[float] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)


class Driver:
    """Driver of one vehicle from its first tick to its last. Not thread-safe.

    Args:
        planner: With its model and the rig in CARLA.
        vehicle: Constants of the vehicle's controls.
    """

    def __init__(self, planner: Planner, vehicle: CarlaVehicle) -> None:
        self.rig = planner.rig
        self.outcome: PlanResult | NotReady | None = None
        """Result of the newest planning cycle."""
        self.command = ControlCommand(acceleration_mps2=0.0, steering_rad=0.0, reason="no tick yet")
        """The tracker's command of the newest tick."""
        self.statistics = DriverStatistics()
        self._planner = planner
        self._fallback = FallbackPlanner(planner.contract, planner.rig, planner.memory)
        self._scheduler = CycleScheduler(planner.rig, planner.config)
        self._scheduler.assembler.codebook = planner.codebook
        self._tracker = TrajectoryTracker(vehicle=planner.rig.vehicle)
        self._actuation = Actuation(vehicle)
        self._plan: PlanResult | None = None
        self._before_ns: int | None = None

    @staticmethod
    def load(model: str, rig: Rig, config: PlannerConfig, vehicle: CarlaVehicle) -> Driver:
        """Load a model for a vehicle.

        Args:
            model: Name or folder.
            rig: The vehicle and its sensors in CARLA.
            config: Of the planner.
            vehicle: Constants of the vehicle's controls.

        Raises:
            ModelError: The model cannot be loaded.
        """
        return Driver(Planner.load(Path(model_folder(model)), rig, config), vehicle)

    def set_route(self, route: Route) -> None:
        """Follow another route.

        Args:
            route: In the map frame.
        """
        self._refused(self._scheduler.assembler.add_route(route))

    def step(self, tick: Tick, *, is_planned: bool) -> Controls:
        """Take the values of a tick and compute its controls.

        Args:
            tick: In order of stamps.
            is_planned: Whether this tick may begin a planning cycle.

        Raises:
            ModelError: The model failed.
        """
        stamp_ns = tick.ego.stamp_ns
        self._feed(tick)
        if is_planned:
            self._cycle(stamp_ns)
        trajectory = None if self._plan is None else self._plan.trajectory
        self.command = self._tracker.command(trajectory, tick.ego, stamp_ns)
        dt_s = 0.0 if self._before_ns is None else (stamp_ns - self._before_ns) * 1e-9
        self._before_ns = stamp_ns
        self.statistics.num_ticks += 1
        return self._actuation.controls(self.command, tick.ego.vx_mps, dt_s)

    def _feed(self, tick: Tick) -> None:
        """Pass a tick to the assembler, as the messages of its topics would."""
        assembler, stamp_ns = self._scheduler.assembler, tick.ego.stamp_ns
        self._refused(assembler.add_odometry(tick.ego))
        if tick.acceleration is not None:
            self._refused(assembler.add_acceleration(tick.acceleration))
        if tick.command is not None:
            self._refused(assembler.add_command(stamp_ns, tick.command))
        if tick.speed_limit_mps is not None:
            self._refused(assembler.add_speed_limit(stamp_ns, tick.speed_limit_mps))
        if tick.signal is not None:
            self._refused(assembler.add_signal(tick.signal))
        for image in tick.images:
            self._refused(assembler.add_image(image))
        if tick.cloud is not None:
            self._refused(assembler.add_cloud(tick.cloud))

    def _refused(self, reason: str | None) -> None:
        if reason:
            self.statistics.refusals[reason] = self.statistics.refusals.get(reason, 0) + 1

    def _cycle(self, stamp_ns: int) -> None:
        """Plan from the newest frame; what is missing of it will not arrive, because time stands still."""
        begin = time.perf_counter()
        decision = self._scheduler.poll(stamp_ns) or self._scheduler.stop_waiting(stamp_ns)
        if decision is None:
            return
        self.outcome = self._outcome(decision)
        if isinstance(self.outcome, PlanResult):
            self._plan = self.outcome
        statistics = self.statistics
        statistics.num_cycles += 1
        is_model = isinstance(self.outcome, PlanResult) and self.outcome.fallback_level is FallbackLevel.NONE
        statistics.num_fallbacks += not is_model
        statistics.plan_ms.append((time.perf_counter() - begin) * _MILLISECONDS)

    def _outcome(self, decision: CycleDecision) -> PlanResult | NotReady:
        """A plan, the fallback that the node would publish, or the reason why there is neither."""
        if decision.request is not None:
            if decision.request.forget:
                self._planner.reset()
            begin = time.perf_counter()
            result = self._planner.plan(decision.request.snapshot)
            self.statistics.core_ms.append((time.perf_counter() - begin) * _MILLISECONDS)
            return result
        inputs = decision.fallback_to_publish(has_published=self._plan is not None)
        if inputs is None:
            return NotReady(reason=decision.reason)
        planner = self._planner
        return self._fallback.plan(
            inputs, decision.reason, planner.config, planner.source(), is_stopping=decision.must_stop
        )
