"""Closed-loop rollout: simulator, planner and tracker in one process and in lockstep.

All planners drive the same vehicle through the same tracker. Simulated time does not advance while a plan is made.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import (
    CameraImage,
    NotReady,
    PointCloud,
    Route,
    SensorSnapshot,
)
from transdiffuser_planner.planning.trajectory.pure_pursuit import TrajectoryTracker
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler
from transdiffuser_planner.runtime.supervision.cycle_scheduler import CycleDecision, CycleScheduler
from transdiffuser_planner.simulation.episode_step import EpisodeStep
from transdiffuser_planner.simulation.message_stream import MAP_FRAME, ego_acceleration, ego_state
from transdiffuser_planner.simulation.rollout.planner_interface import (
    ObservationLevel,
    Outcome,
    PlannerInitialization,
    PlannerInput,
    PlannerInterface,
    SupportsFallback,
    trajectory_of,
)
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.sensors.sensor_suite import SensorFrame, SensorSuite
from transdiffuser_planner.simulation.worlds import open_world

STEP_S = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class RolloutStep:
    """One step of a rollout.

    Attributes:
        step: The world before the command of this step.
        frame: Sensor data; None when not rendered.
        outcome: Result of the planner; None between two plans and at the end.
        elapsed_ms: Wall time of planning.
    """

    step: EpisodeStep
    frame: SensorFrame | None = None
    outcome: Outcome | None = None
    elapsed_ms: float = 0.0


def feed_state(assembler: SnapshotAssembler, step: EpisodeStep) -> None:
    """Pass the vehicle's state and the route's command, limit and signal to the assembler.

    Args:
        assembler: Receives the inputs.
        step: Simulation step.
    """
    stamp_ns, ego = step.world.stamp_ns, step.world.ego
    assembler.add_odometry(ego_state(ego, stamp_ns))
    assembler.add_acceleration(ego_acceleration(ego, stamp_ns))
    assembler.add_command(stamp_ns, step.command)
    assembler.add_speed_limit(stamp_ns, step.speed_limit_mps)
    if step.signal is not None:
        assembler.add_signal(step.signal)


def feed_frame(assembler: SnapshotAssembler, frame: SensorFrame) -> None:
    """Pass images and point cloud to the assembler.

    Args:
        assembler: Receives the inputs.
        frame: Sensor data of one step.
    """
    for name, rgb in frame.images.items():
        assembler.add_image(CameraImage(stamp_ns=frame.stamp_ns, name=name, rgb_HW3=rgb))
    if frame.lidar_N4 is not None:
        cloud = PointCloud(stamp_ns=frame.stamp_ns, xyz_N3=np.ascontiguousarray(frame.lidar_N4[:, :3]))
        assembler.add_cloud(cloud)


def feed_assembler(assembler: SnapshotAssembler, step: EpisodeStep, frame: SensorFrame) -> None:
    """Pass one simulation step to the assembler, as the messages of its topics would.

    Args:
        assembler: Receives the inputs.
        step: Simulation step.
        frame: Sensor data of one step.
    """
    feed_state(assembler, step)
    feed_frame(assembler, frame)


class Rollout:
    """One scenario driven by one planner. Use as a context manager; ``steps`` drives it.

    Args:
        scenario: To drive.
        planner: Called every ``plan_every`` steps.
        rig: The vehicle and its sensors.
        config: Parameters of the planning cycle.

    Attributes:
        route: The ego's route; set on entry.
        road_map: Static map around the route; set on entry.
    """

    def __init__(self, scenario: Scenario, planner: PlannerInterface, rig: Rig, config: PlannerConfig) -> None:
        self.scenario, self.rig, self.config = scenario, rig, config
        self._planner = planner
        self._world = open_world(scenario, rig.vehicle)

    def __enter__(self) -> Rollout:
        """Start the world and read its map.

        Raises:
            SimulationError: The scenario cannot be driven.
        """
        try:
            self._step = self._world.start()
            self.route = self._world.route
            self.road_map = self._world.load_map()
        except BaseException:
            self._world.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._world.close()

    def steps(self) -> Iterator[RolloutStep]:
        """Drive to the end; the last step is the one with an end reason.

        Yields:
            Every simulation step of 0.1 s, with the plan made at it.

        Raises:
            PlannerError: World or planner failed.
        """
        planner, scenario, step = self._planner, self.scenario, self._step
        suite = None
        if planner.observation_level is ObservationLevel.SENSORS:
            suite = SensorSuite(self.road_map, self.rig, scenario.weather, scenario.seed)
        scheduler, tracker = CycleScheduler(self.rig, self.config), TrajectoryTracker(vehicle=self.rig.vehicle)
        assembler = scheduler.assembler
        assembler.add_route(Route(stamp_ns=0, frame_id=MAP_FRAME, xy_N2=self.route.xy_N2))
        vehicle, road_map = self.rig.vehicle, self.road_map
        planner.reset(PlannerInitialization(scenario=scenario, vehicle=vehicle, route=self.route, road_map=road_map))
        for state in self._world.past:
            assembler.add_odometry(state)
        trajectory, count = None, 0
        while not step.end_reason:
            feed_state(assembler, step)
            rollout_step = RolloutStep(step=step)
            if count % planner.plan_every == 0:
                rollout_step = self._plan(step, scheduler, suite, has_published=trajectory is not None)
                trajectory = trajectory_of(rollout_step.outcome) or trajectory
            yield rollout_step
            count += 1
            stamp_ns = step.world.stamp_ns
            command = tracker.command(trajectory, ego_state(step.world.ego, stamp_ns), stamp_ns)
            step = self._world.step(command.acceleration_mps2, command.steering_rad)
        yield RolloutStep(step=step)

    def _plan(
        self, step: EpisodeStep, scheduler: CycleScheduler, suite: SensorSuite | None, *, has_published: bool
    ) -> RolloutStep:
        stamp_ns = step.world.stamp_ns
        if suite is not None:
            frame = suite.render(step.world)
            feed_frame(scheduler.assembler, frame)
            begin = time.perf_counter()
            # Simulated time does not advance: inputs missing for this frame will not arrive.
            decision = scheduler.poll(stamp_ns) or scheduler.stop_waiting(stamp_ns)
            if decision is None:  # the frame is earlier than planning_rate_hz allows
                return RolloutStep(step=step)
            outcome = self._outcome(decision, step, has_published=has_published)
            return RolloutStep(step=step, frame=frame, outcome=outcome, elapsed_ms=(time.perf_counter() - begin) * 1e3)
        begin, snapshot = time.perf_counter(), None
        if self._planner.observation_level is ObservationLevel.STATE:
            snapshot = scheduler.assembler.without_plan(stamp_ns)
        planned = snapshot if isinstance(snapshot, NotReady) else self._planner.plan(_planner_input(step, snapshot))
        return RolloutStep(step=step, outcome=planned, elapsed_ms=(time.perf_counter() - begin) * 1e3)

    def _outcome(self, decision: CycleDecision, step: EpisodeStep, *, has_published: bool) -> Outcome:
        """Return a plan, the fallback that the node would publish, or the reason why there is neither."""
        if decision.request is not None:
            return self._planner.plan(_planner_input(step, decision.request.snapshot))
        fallback_input = decision.fallback_to_publish(has_published=has_published)
        if fallback_input is not None and isinstance(self._planner, SupportsFallback):
            return self._planner.fall_back(fallback_input, decision.reason, must_stop=decision.must_stop)
        return NotReady(reason=decision.reason)


def _planner_input(step: EpisodeStep, snapshot: SensorSnapshot | None) -> PlannerInput:
    return PlannerInput(step=step, ego=ego_state(step.world.ego, step.world.stamp_ns), snapshot=snapshot)
