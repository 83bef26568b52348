"""A planner at the wheel: simulator, planner and tracker in one process and in lockstep.

Whatever plans, it drives the same vehicle through the same tracker. Time stands still while a plan is made.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Protocol

import numpy as np

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import (
    CameraImage,
    EgoState,
    NotReady,
    PlanResult,
    PointCloud,
    Route,
    SensorSnapshot,
    Trajectory,
)
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.pipeline.tracking import TrajectoryTracker
from transdiffuser_planner.runtime.snapshot_assembler import SnapshotAssembler
from transdiffuser_planner.simulation.episode import ClosedLoopEpisode, EpisodeStep
from transdiffuser_planner.simulation.message_stream import MAP_FRAME, ego_acceleration, ego_state
from transdiffuser_planner.simulation.networks import network_file
from transdiffuser_planner.simulation.road_map import RoadMap
from transdiffuser_planner.simulation.route import GlobalRoute
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.sensor_suite import SensorFrame, SensorSuite

STEP_S = 0.1


class Needs(Enum):
    """What a planner looks at: the true state of the world, the vehicle's own state and route, or its sensors too."""

    WORLD = "world"
    STATE = "state"
    SENSORS = "sensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """What is known before a scenario is driven; only planners that need the world may look at the map."""

    scenario: Scenario
    vehicle: VehicleModel
    route: GlobalRoute
    road_map: RoadMap


@dataclass(frozen=True, kw_only=True, slots=True)
class Instant:
    """What may be planned from.

    Attributes:
        step: The true state of the world.
        ego: The vehicle's state, as odometry says it.
        snapshot: The node's inputs, without sensor frames for planners that need none; None for those that see the world.
    """

    step: EpisodeStep
    ego: EgoState
    snapshot: SensorSnapshot | NotReady | None


Outcome = PlanResult | Trajectory | NotReady


class DrivingPlanner(Protocol):
    """Plans for one vehicle. A new scenario begins with ``reset``; what was before must not matter then.

    Attributes:
        needs: What it looks at.
        plan_every: Steps of 0.1 s from plan to plan; the tracker follows the latest in between.
    """

    needs: Needs
    plan_every: int

    def reset(self, start: Start) -> None:
        """Begin a scenario."""

    def plan(self, instant: Instant) -> Outcome:
        """A trajectory in the map frame from now on, or why there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cycle:
    """One instant of a drive.

    Attributes:
        step: The world before anything is done.
        frame: Sensor data, where it was rendered.
        outcome: What was planned now; None between two plans and at the end.
        elapsed_ms: What planning took.
    """

    step: EpisodeStep
    frame: SensorFrame | None = None
    outcome: Outcome | None = None
    elapsed_ms: float = 0.0


def trajectory_of(outcome: Outcome | None) -> Trajectory | None:
    """What is to be driven, if anything was planned."""
    if isinstance(outcome, PlanResult):
        return outcome.trajectory
    return outcome if isinstance(outcome, Trajectory) else None


def feed_state(assembler: SnapshotAssembler, step: EpisodeStep) -> None:
    """Give the vehicle's state and what its route says to the assembler."""
    stamp_ns, ego = step.world.stamp_ns, step.world.ego
    assembler.add_odometry(ego_state(ego, stamp_ns))
    assembler.add_acceleration(ego_acceleration(ego, stamp_ns))
    assembler.add_command(stamp_ns, step.command)
    assembler.add_speed_limit(stamp_ns, step.speed_limit_mps)
    if step.signal is not None:
        assembler.add_signal(step.signal)


def feed_frame(assembler: SnapshotAssembler, frame: SensorFrame) -> None:
    """Give pictures and cloud to the assembler."""
    for name, rgb in frame.images.items():
        assembler.add_image(CameraImage(stamp_ns=frame.stamp_ns, name=name, rgb_HW3=rgb))
    if frame.lidar_N4 is not None:
        cloud = PointCloud(stamp_ns=frame.stamp_ns, xyz_N3=np.ascontiguousarray(frame.lidar_N4[:, :3]))
        assembler.add_cloud(cloud)


def feed_assembler(assembler: SnapshotAssembler, step: EpisodeStep, frame: SensorFrame) -> None:
    """Give one instant of the simulation to the assembler, as the messages of its topics would."""
    feed_state(assembler, step)
    feed_frame(assembler, frame)


class LiveDrive:
    """One scenario driven by one planner. Use as a context manager; ``cycles`` drives it."""

    def __init__(self, scenario: Scenario, planner: DrivingPlanner, rig: Rig, config: PlannerConfig) -> None:
        self.scenario, self.rig, self.config = scenario, rig, config
        self._planner = planner
        self._episode = ClosedLoopEpisode(scenario, rig.vehicle)

    def __enter__(self) -> LiveDrive:
        """Start traffic and read the map.

        Raises:
            SimulationError: The scenario cannot be driven.
        """
        try:
            self._step = self._episode.start()
            self.route = self._episode.route
            self.road_map = RoadMap.load(network_file(self.scenario.map_name), self.route.xy_N2)
        except BaseException:
            self._episode.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._episode.close()

    def cycles(self) -> Iterator[Cycle]:
        """Drive to the end; the last cycle is the one whose step has an end reason.

        Raises:
            PlannerError: SUMO or the planner failed.
        """
        planner, scenario, step = self._planner, self.scenario, self._step
        suite = None
        if planner.needs is Needs.SENSORS:
            suite = SensorSuite(self.road_map, self.rig, scenario.weather, scenario.seed)
        assembler, tracker = SnapshotAssembler(self.rig, self.config), TrajectoryTracker(vehicle=self.rig.vehicle)
        assembler.add_route(Route(stamp_ns=0, frame_id=MAP_FRAME, xy_N2=self.route.xy_N2))
        vehicle, road_map = self.rig.vehicle, self.road_map
        planner.reset(Start(scenario=scenario, vehicle=vehicle, route=self.route, road_map=road_map))
        trajectory, count = None, 0
        while not step.end_reason:
            feed_state(assembler, step)
            cycle = Cycle(step=step)
            if count % planner.plan_every == 0:
                cycle = self._plan(step, assembler, suite)
                trajectory = trajectory_of(cycle.outcome) or trajectory
            yield cycle
            count += 1
            stamp_ns = step.world.stamp_ns
            command = tracker.command(trajectory, ego_state(step.world.ego, stamp_ns), stamp_ns)
            step = self._episode.step(command.acceleration_mps2, command.steering_rad)
        yield Cycle(step=step)

    def _plan(self, step: EpisodeStep, assembler: SnapshotAssembler, suite: SensorSuite | None) -> Cycle:
        stamp_ns, frame = step.world.stamp_ns, None
        if suite is not None:
            frame = suite.render(step.world)
            feed_frame(assembler, frame)
        begin = time.perf_counter()
        snapshot: SensorSnapshot | NotReady | None = None
        if self._planner.needs is Needs.SENSORS:
            snapshot = assembler.assemble(stamp_ns)
        elif self._planner.needs is Needs.STATE:
            snapshot = assembler.without_plan(stamp_ns)
        if isinstance(snapshot, NotReady):
            outcome: Outcome = snapshot
        else:
            outcome = self._planner.plan(Instant(step=step, ego=ego_state(step.world.ego, stamp_ns), snapshot=snapshot))
        return Cycle(step=step, frame=frame, outcome=outcome, elapsed_ms=(time.perf_counter() - begin) * 1e3)
