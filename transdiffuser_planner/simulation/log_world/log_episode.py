"""A window of a log, driven by commands: the ego in place of the human, everything else from the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from types import TracebackType
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.collisions import RoadArea
from transdiffuser_planner.simulation.ego.kinematic_bicycle import pose_from_state, state_from_pose
from transdiffuser_planner.simulation.episode_step import EgoObserver, EpisodeStep, drive_step
from transdiffuser_planner.simulation.log_world.assumed_signals import assumed_signals
from transdiffuser_planner.simulation.log_world.log_map import LogRoadMap, log_area, log_road_map
from transdiffuser_planner.simulation.log_world.log_route import log_route, route_line, route_turns
from transdiffuser_planner.simulation.log_world.log_scenario import LogPlace, LogScenario
from transdiffuser_planner.simulation.log_world.log_signals import LogSignals, log_signals
from transdiffuser_planner.simulation.log_world.reactive_traffic import ReactiveTraffic
from transdiffuser_planner.simulation.log_world.recorded_world import (
    STEP_NS,
    RecordedAgents,
    Stretch,
    recorded_world,
)
from transdiffuser_planner.simulation.log_world.replayed_traffic import FRAME, ReplayedTraffic, touching_human
from transdiffuser_planner.simulation.map.route import GlobalRoute
from transdiffuser_planner.simulation.world_state import EgoPose, WorldState

PAST_NS: Final = 3_000_000_000


class Traffic(Protocol):
    """Agents around the ego."""

    def at(self, step: int, ego: EgoPose, human: EgoPose) -> AgentStates:
        """Return the agents at a step, the present one or the next.

        Args:
            step: Number of the step within the stretch.
            ego: Where the ego is then.
            human: Where the human was then.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ground:
    """What all windows of a stretch share."""

    stretch: Stretch
    route: GlobalRoute
    signals: LogSignals
    area: RoadArea
    road_map: LogRoadMap
    agents: RecordedAgents


@lru_cache(maxsize=4)
def _ground(place: LogPlace, begin_s: float, vehicle: VehicleModel, *, assume_signals: bool) -> _Ground:
    """Build what the windows of the stretch that begins there share."""
    world = recorded_world(place)
    stretch, _ = world.stretch_at(begin_s)
    agents, line_P2 = world.agents(stretch), route_line(world, stretch)
    assumed = []
    if assume_signals and not world.has_signals:
        junctions_m = [turn.start_m for turn in route_turns(world, line_P2)]
        assumed = assumed_signals(stretch, agents, line_P2, junctions_m, vehicle)
    signals = log_signals(world, stretch, line_P2, vehicle, assumed)
    route = log_route(world, stretch, signals.on_route)
    return _Ground(
        stretch=stretch,
        route=route,
        signals=signals,
        area=log_area(world, stretch.poses, vehicle),
        road_map=log_road_map(world, route.xy_N2, signals.heads),
        agents=agents,
    )


class LogEpisode:
    """One window of a log in closed loop. Use as a context manager, or call close().

    Args:
        scenario: The window.
        vehicle: The ego's dimensions and limits.

    Raises:
        PlannerError: The log cannot be read, or does not cover the window.

    Attributes:
        scenario: As given.
        vehicle: As given.
        route: The human's, continued.
        area: The log's drivable area.
        past: The human's odometry before the window; stamps are negative.
        left_out_ids: Agents that overlap the human's own vehicle in the log, and are not part of the world.
    """

    def __init__(self, scenario: LogScenario, vehicle: VehicleModel) -> None:
        self.scenario, self.vehicle = scenario, vehicle
        stretch, self._first = recorded_world(scenario.place).stretch_at(scenario.begin_s)
        ground = self._ground = _ground(
            scenario.place, stretch.begin_s, vehicle, assume_signals=scenario.assume_signals
        )
        self._last = self._first + round(scenario.duration_s / 0.1)
        if self._last >= len(stretch.poses):
            raise SimulationError(
                f"log window at {scenario.begin_s:g} s: the log goes on for {stretch.length_s - 0.1 * self._first:.1f} s "
                f"there, the window is {scenario.duration_s:g} s"
            )
        self.route, self.area = ground.route, ground.area
        self._begin_ns = stretch.begin_ns + STEP_NS * self._first
        self.past = tuple(
            replace(state, stamp_ns=state.stamp_ns - self._begin_ns, frame_id=FRAME)
            for state in stretch.states
            if -PAST_NS <= state.stamp_ns - self._begin_ns < 0
        )
        agents = ground.agents
        touching_N = touching_human(agents, stretch.poses, self._first, self._last, vehicle)
        self.left_out_ids = tuple(int(number) for number in agents.id_N[touching_N])
        self._agents = _selected(agents, ~touching_N)

    def human_poses(self) -> tuple[EgoPose, ...]:
        """Return the human's drive through the window, every 0.1 s."""
        return self._ground.stretch.poses[self._first : self._last + 1]

    def human_worlds(self) -> Iterator[WorldState]:
        """Yield the world as it was recorded, with the human as the ego.

        Yields:
            Every step of the window.
        """
        replayed = ReplayedTraffic(self._agents)
        for number, pose in enumerate(self.human_poses()):
            step, since_ns = self._first + number, STEP_NS * number
            yield WorldState(
                stamp_ns=since_ns,
                ego=pose,
                agents=replayed.at(step, pose, pose),
                signals=self._ground.signals.letters(self._begin_ns + since_ns),
            )

    def human_progress_m(self) -> float:
        """Return the human's progress along the route in the window, m."""
        first, *others = self.human_poses()
        begin_m, _ = self.route.project(first.x_m, first.y_m, first.heading_rad)
        s_m = farthest_m = begin_m
        for pose in others:
            s_m, _ = self.route.project(pose.x_m, pose.y_m, pose.heading_rad, s_m)
            farthest_m = max(farthest_m, s_m)
        return farthest_m - begin_m

    def start(self) -> EpisodeStep:
        """Place the ego where the human was, as fast as the human was."""
        pose, kept = self._ground.stretch.poses[self._first], self._agents
        self._step = self._first
        self._gone_ids: list[int] = []
        self._traffic: Traffic = (
            ReactiveTraffic(kept, self._first, self.vehicle) if self.scenario.reactive else ReplayedTraffic(kept)
        )
        self._state = state_from_pose(pose, self.vehicle)
        world = self._world(pose)
        self._observer = EgoObserver(self.route, self.area, self.vehicle, self.scenario.duration_s, world)
        return self._observer.describe(world, self._state)

    def load_map(self) -> LogRoadMap:
        """Return the static map around the route."""
        return self._ground.road_map

    def step(self, acceleration_mps2: float, steering_rad: float) -> EpisodeStep:
        """Advance 0.1 s with constant commands.

        Args:
            acceleration_mps2: Along the heading.
            steering_rad: Road-wheel angle, positive to the left.
        """
        self._state = drive_step(self._state, acceleration_mps2, steering_rad, self.vehicle)
        self._step = min(self._step + 1, self._last)
        found = self._observer.describe(self._world(pose_from_state(self._state, self.vehicle)), self._state)
        # A recorded vehicle that runs into the ego would drive through it and stand in its way from then on.
        self._gone_ids += [contact.agent_id for contact in found.new_collisions if not contact.at_fault]
        return found

    def close(self) -> None:
        """There is no other process to end."""

    def __enter__(self) -> LogEpisode:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _world(self, ego: EgoPose) -> WorldState:
        since_ns = STEP_NS * (self._step - self._first)
        agents = self._traffic.at(self._step, ego, self._ground.stretch.poses[self._step])
        return WorldState(
            stamp_ns=since_ns,
            ego=ego,
            agents=agents.select(~np.isin(agents.id_N, self._gone_ids)) if self._gone_ids else agents,
            signals=self._ground.signals.letters(self._begin_ns + since_ns),
        )


def _selected(agents: RecordedAgents, keep_N: NDArray[np.bool_]) -> RecordedAgents:
    return RecordedAgents(
        id_N=agents.id_N[keep_N],
        class_N=agents.class_N[keep_N],
        size_N3=agents.size_N3[keep_N],
        state_NK4=agents.state_NK4[keep_N],
        braking_NK=agents.braking_NK[keep_N],
    )
