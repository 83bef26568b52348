"""Scenes from a recorded drive with ground truth: motion of the ego and the agents, and the lights, for 5 s.

S steps of 0.1 s, T plan steps of 0.5 s, N agents, M candidates. Parts without the necessary topics are skipped with a reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.geometry import local_from_global, project_onto_polyline
from transdiffuser_planner.core.types import SignalState
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogRequest
from transdiffuser_planner.data.logs.log_sources import ROSBAG, read_log
from transdiffuser_planner.data.scenes.scene_map import DriveMap, make_map
from transdiffuser_planner.data.scenes.scene_route import center_line, distinct, red_light
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.metrics.pdm.geometry.boxes import PACIFICA
from transdiffuser_planner.metrics.pdm.scene import AgentKind, Agents, EgoState, PastMotion, RedLight, Scene, no_agents
from transdiffuser_planner.metrics.pdm.scene_serialization import scene_to_mapping
from transdiffuser_planner.metrics.pdm.subscores.extended_comfort import LONGEST_S

FloatArray = NDArray[np.float64]

NUM_STEPS: Final = 51
PLAN_TIMES_S: FloatArray = np.arange(1.0, 9.0) / 2.0
PAST_TIMES_S: FloatArray = np.arange(-3.0, 1.0) / 2.0
TOLERANCE_S: Final = 0.06
"""Messages this far from a step are of that step."""
AGENT_REACH_M: Final = 100.0
KINDS: Final = {AgentClass.PEDESTRIAN: AgentKind.PEDESTRIAN, AgentClass.BICYCLE: AgentKind.BICYCLE}
STATIONARY_MPS: Final = 0.5
"""Below this the steering angle does not follow from the yaw rate."""


def scenes_from_bag(
    bag: Path, topics: TopicMap, vehicle: VehicleModel, every_s: float = 2.0, *, source: str = ROSBAG
) -> tuple[list[dict[str, Any]], list[str]]:
    """Scenes with plans, as `transdiffuser evaluate scenes` reads them, and one line for each skipped part.

    Args:
        bag: rosbag2 folder, .mcap or .db3 file.
        topics: Which topic carries what; odometry at the rear axle.
        vehicle: What drove: where its middle and its front bumper are.
        every_s: Interval between scenes, s.
        source: Name of the log source.

    Raises:
        RecordingError: The bag cannot be opened.
        EvaluationError: Ground truth is missing, or it is too short.
    """
    if not every_s > 0.0:
        raise EvaluationError(f"--every: expected seconds above 0, got {every_s}")
    drive = SceneDrive(read_scene_log(bag, topics, source), vehicle)
    items: list[dict[str, Any]] = []
    rejected = [f"{count} x {reason}" for reason, count in drive.log.rejected.items()]
    problems = [f"bag {bag}: {line}" for line in (*rejected, *drive.map.problems)]
    problems += [drive.log.damage] if drive.log.damage else []
    for stamp_ns in drive.starts(every_s):
        try:
            item = scene_to_mapping(drive.scene(stamp_ns)) | drive.extras(stamp_ns)
        except EvaluationError as error:
            problems.append(str(error))
            continue
        if items and every_s <= LONGEST_S:
            item["previous"] = items[-1]["name"]
        items.append(item)
    if not items:
        reason = problems[-1] if problems else f"at least {PLAN_TIMES_S[-1] + 1.0 - PAST_TIMES_S[0]} s are needed"
        raise EvaluationError(f"bag {bag}: no scene could be made ({reason})")
    return items, problems


def read_scene_log(bag: Path, topics: TopicMap, source: str = ROSBAG) -> DriveLog:
    """Read a drive that scenes can be made from.

    Args:
        bag: The drive.
        topics: Topic of each input; odometry of the rear axle.
        source: Name of the log source.

    Raises:
        RecordingError: It cannot be opened.
        EvaluationError: Odometry, route, objects or map are missing, or they are in different frames.
    """
    log = read_log(LogRequest(path=bag, topics=topics), source)
    for name in ("odometry", "route", "objects", "map"):
        if name not in log.inputs:
            topic = getattr(topics, name) or "?"
            raise EvaluationError(f"bag {bag}: expected {name} on '{topic}' to make scenes of, got none")
    if len(log.ego) < 2 or not log.routes or not log.map_pieces:
        raise EvaluationError(f"bag {bag}: expected odometry, a route and a map that can be read, got less")
    frame_id = log.ego.states[0].frame_id
    for other, name in ((log.routes[-1][1].frame_id, "route"), (log.agents.frame_id or frame_id, "objects")):
        if other != frame_id:
            raise EvaluationError(f"bag {bag}: {name}: expected the odometry's frame '{frame_id}', got '{other}'")
    return log


class SceneDrive:
    """A drive with the values that all its scenes share.

    Args:
        log: Result of ``read_scene_log``.
        vehicle: Dimensions of the ego.

    Raises:
        EvaluationError: The route has no two different points.
    """

    def __init__(self, log: DriveLog, vehicle: VehicleModel) -> None:
        self.log, self._vehicle = log, vehicle
        ego = sorted(log.ego.states, key=lambda state: state.stamp_ns)
        self._frame_id = ego[0].frame_id
        self.stamp_ns_E = np.asarray([e.stamp_ns for e in ego], dtype=np.int64)
        state = [(e.x_m, e.y_m, e.heading_rad, e.vx_mps, e.vy_mps, e.yaw_rate_radps) for e in ego]
        self.state_E6 = np.asarray(state)
        self.state_E6[:, 2] = np.unwrap(self.state_E6[:, 2])
        accelerations = sorted((a.stamp_ns, a.ax_mps2, a.ay_mps2) for a in log.acceleration)
        self.acceleration_A3 = np.asarray(accelerations, dtype=np.float64).reshape(-1, 3)
        self.route_N2 = _route(log.routes[-1][1].xy_N2)
        self.map: DriveMap = make_map(log.map_pieces, self.route_N2)
        self.stops = self._stops()

    def starts(self, every_s: float) -> Iterator[int]:
        """Yield the odometry stamps at which scenes begin.

        Args:
            every_s: Interval between scenes, s.

        Yields:
            A stamp in ns with a recorded past and 5 s after it.
        """
        first = self.stamp_ns_E[0] - round(PAST_TIMES_S[0] * 1e9)
        last = self.stamp_ns_E[-1] - round(0.1 * (NUM_STEPS - 1) * 1e9)
        for wanted in range(int(first), int(last) + 1, round(every_s * 1e9)):
            yield int(self.stamp_ns_E[np.abs(self.stamp_ns_E - wanted).argmin()])

    def states(self, stamp_ns: int, times_s: FloatArray) -> FloatArray:
        """The ego (X, 6) at times around a stamp: pose, velocity forward and left, yaw rate."""
        since_E = (self.stamp_ns_E - stamp_ns) * 1e-9
        return np.stack([np.interp(times_s, since_E, column) for column in self.state_E6.T], axis=-1)

    def accelerations(self, stamp_ns: int, times_s: FloatArray) -> FloatArray:
        """The ego's acceleration (X, 2) forward and left; worked out of its speed where the bag has none."""
        if len(self.acceleration_A3):
            since_A = (self.acceleration_A3[:, 0] - stamp_ns) * 1e-9
            return np.stack([np.interp(times_s, since_A, column) for column in self.acceleration_A3.T[1:]], axis=-1)
        before, after = self.states(stamp_ns, times_s - 0.1), self.states(stamp_ns, times_s + 0.1)
        middle = self.states(stamp_ns, times_s)
        return np.stack([(after[:, 3] - before[:, 3]) / 0.2, middle[:, 3] * middle[:, 5]], axis=-1)

    def scene(self, stamp_ns: int) -> Scene:
        """The scene that begins at a stamp of the odometry."""
        state_6 = self.states(stamp_ns, np.zeros(1))[0]
        speed_mps, yaw_rate_radps = float(state_6[3]), float(state_6[5])
        turning = yaw_rate_radps / speed_mps if abs(speed_mps) > STATIONARY_MPS else 0.0
        human = self.states(stamp_ns, PLAN_TIMES_S)[:, :3]
        past = self.states(stamp_ns, PAST_TIMES_S)
        return Scene(
            name=self.name(stamp_ns),
            ego=EgoState(
                pose_3=state_6[:3],
                velocity_2=state_6[3:5],
                acceleration_2=self.accelerations(stamp_ns, np.zeros(1))[0],
                steering_rad=float(np.arctan(PACIFICA.wheelbase_m * turning)),
                yaw_rate_radps=yaw_rate_radps,
                stamp_us=stamp_ns // 1000,
            ),
            agents=self._agents(stamp_ns, state_6),
            areas=self.map.near(state_6[:2]),
            route=self.map.route,
            center_line_K3=center_line(self.route_N2, state_6[:3]),
            red_lights=tuple(self._red_lights(stamp_ns)),
            human_plan_T3=local_from_global(state_6[:3], human),
            past=PastMotion(
                stamp_us_H=stamp_ns // 1000 + np.round(PAST_TIMES_S * 1e6).astype(np.int64),
                heading_H=past[:, 2],
                acceleration_H2=self.accelerations(stamp_ns, PAST_TIMES_S),
            ),
            speed_limit_mps=self._limit(stamp_ns),
        )

    def name(self, stamp_ns: int) -> str:
        """Bag and seconds since its start."""
        return f"{self.log.name} {(stamp_ns - self.stamp_ns_E[0]) * 1e-9:.1f} s"

    def extras(self, stamp_ns: int) -> dict[str, Any]:
        """Plans, and which sub-scores the bag's topics cannot give."""
        state_6 = self.states(stamp_ns, np.zeros(1))[0]
        human = local_from_global(state_6[:3], self.states(stamp_ns, PLAN_TIMES_S)[:, :3])
        straight = np.stack(
            [state_6[3] * PLAN_TIMES_S, state_6[4] * PLAN_TIMES_S, np.zeros(len(PLAN_TIMES_S))], axis=-1
        )
        plans: dict[str, Any] = {"human": human.tolist(), "constant velocity": straight.tolist()}
        for plan in self.log.output.trajectories:
            if abs(plan.stamp_ns - stamp_ns) <= TOLERANCE_S * 1e9:
                poses = np.stack([plan.x_m_T, plan.y_m_T, plan.heading_rad_T], axis=-1)[None]
                if (found := self._relative(stamp_ns, plan.stamp_ns, plan.frame_id, plan.time_s_T, poses)) is not None:
                    plans["planner"] = found[0].tolist()
        for cycle in self.log.output.candidates:
            if abs(cycle.stamp_ns - stamp_ns) <= TOLERANCE_S * 1e9 and len(cycle.pose_MT3):
                found = self._relative(stamp_ns, cycle.stamp_ns, cycle.frame_id, cycle.time_s_T, cycle.pose_MT3)
                if found is not None:
                    plans["candidates"] = found.tolist()
        not_scored = {}
        if not self.map.has_directions:
            not_scored["driving_direction"] = (
                "the map topic has no center lines of lanes, so their direction is unknown"
            )
        if "traffic_signal" not in self.log.inputs:
            not_scored["traffic_light"] = "the bag has no topic of the route's next traffic light"
        return {"plans": plans, "not_scored": not_scored}

    def _relative(
        self, stamp_ns: int, planned_ns: int, frame_id: str, time_s_T: FloatArray, pose_MT3: FloatArray
    ) -> FloatArray | None:
        """A recorded plan's poses (M, 8, 3) relative to the ego at the scene's start; None if it ends before 4 s."""
        since_T = time_s_T + (planned_ns - stamp_ns) * 1e-9
        if frame_id != self._frame_id or since_T[-1] < PLAN_TIMES_S[-1] - TOLERANCE_S:
            return None
        ego_3 = self.states(stamp_ns, np.zeros(1))[0, :3]
        if since_T[0] > 1e-6:
            start = np.broadcast_to(ego_3, (len(pose_MT3), 1, 3))
            since_T, pose_MT3 = np.concatenate([[0.0], since_T]), np.concatenate([start, pose_MT3], axis=1)
        heading = np.unwrap(pose_MT3[..., 2], axis=1)
        columns = (pose_MT3[..., 0], pose_MT3[..., 1], heading)
        rows = [[np.interp(PLAN_TIMES_S, since_T, values) for values in column_MT] for column_MT in columns]
        return local_from_global(ego_3, np.moveaxis(np.asarray(rows), 0, -1))

    def _agents(self, stamp_ns: int, state_6: FloatArray) -> Agents:
        """Return the recorded agents near the ego at each step, without the ego itself."""
        offset = self._vehicle.center_offset_m
        ego_2 = state_6[:2] + offset * np.asarray([np.cos(state_6[2]), np.sin(state_6[2])])
        tracks: dict[int, dict[str, Any]] = {}
        ego_id = None
        for step in range(NUM_STEPS):
            at_ns = stamp_ns + step * 100_000_000
            seen = self.log.agents.nearest(at_ns, TOLERANCE_S)
            if seen is None:
                continue
            gap_N = np.hypot(seen.x_m_N - ego_2[0], seen.y_m_N - ego_2[1])
            if step == 0:
                ego_id = next((int(seen.id_N[n]) for n in np.flatnonzero(gap_N < 1.0)), None)
            for n in np.flatnonzero((gap_N < AGENT_REACH_M) & (seen.length_m_N > 0.0) & (seen.width_m_N > 0.0)):
                track = tracks.setdefault(int(seen.id_N[n]), {"first": (seen, int(n)), "steps": {}})
                track["steps"][step] = (seen.x_m_N[n], seen.y_m_N[n], seen.heading_rad_N[n], seen.speed_mps_N[n])
        tracks.pop(-1 if ego_id is None else ego_id, None)
        return _as_agents(tracks)

    def _limit(self, stamp_ns: int) -> float | None:
        """Return the last speed limit published before a stamp."""
        limits = [limit for at_ns, limit in self.log.speed_limits if at_ns <= stamp_ns + 1e8 and 0.0 < limit < 1e3]
        return limits[-1] if limits else None

    def _stops(self) -> list[tuple[int, float, bool]]:
        """Of each message on the next light its stamp, where its stop line is along the route, and whether it is red."""
        known = [s for s in self.log.signals if s.state is not SignalState.UNKNOWN and s.distance_m > 0.0]
        if not known:
            return []
        ego_X2 = np.stack([self.states(signal.stamp_ns, np.zeros(1))[0, :2] for signal in known])
        s_m, _ = project_onto_polyline(self.route_N2, ego_X2)
        front_m = self._vehicle.front_offset_m
        return [
            (signal.stamp_ns, float(s) + front_m + signal.distance_m, signal.state is SignalState.RED)
            for signal, s in zip(known, s_m, strict=True)
        ]

    def _red_lights(self, stamp_ns: int) -> Iterator[RedLight]:
        """Yield the stretch of the route behind each stop line, at the steps at which its light is published as red.

        Yields:
            One stretch with its red steps.
        """
        steps: dict[int, NDArray[np.bool_]] = {}
        for at_ns, s_m, red in self.stops:
            step = round((at_ns - stamp_ns) * 1e-8)
            if 0 <= step < NUM_STEPS and red:
                place = next((known for known in steps if abs(known - s_m) < 5.0), round(s_m))
                steps.setdefault(place, np.zeros(NUM_STEPS, dtype=bool))[step] = True
        for place, red_S in steps.items():
            light = red_light(self.route_N2, float(place), red_S)
            if light is not None:
                yield light


def _route(line_N2: FloatArray) -> FloatArray:
    """Return the route without repeated points.

    Raises:
        EvaluationError: It has no two different points.
    """
    route_N2 = distinct(line_N2)
    if len(route_N2) < 2:
        raise EvaluationError("route: expected two different points, got one")
    return route_N2


def _as_agents(tracks: dict[int, dict[str, Any]]) -> Agents:
    if not tracks:
        return no_agents(NUM_STEPS)
    pose_NS3, velocity_NS2 = np.full((len(tracks), NUM_STEPS, 3), np.nan), np.full((len(tracks), NUM_STEPS, 2), np.nan)
    sizes, kinds, tokens = [], [], []
    for n, (agent_id, track) in enumerate(tracks.items()):
        seen, row = track["first"]
        agent_class = AgentClass(int(seen.class_N[row]))
        for step, (x, y, heading, speed) in track["steps"].items():
            pose_NS3[n, step] = x, y, heading
            velocity_NS2[n, step] = speed * np.cos(heading), speed * np.sin(heading)
        sizes.append((seen.length_m_N[row], seen.width_m_N[row]))
        kinds.append(KINDS.get(agent_class, AgentKind.VEHICLE))
        tokens.append(f"{agent_class.name.lower()} {agent_id}")
    return Agents(
        token_N=tuple(tokens),
        kind_N=tuple(kinds),
        size_N2=np.asarray(sizes),
        pose_NS3=pose_NS3,
        velocity_NS2=velocity_NS2,
        valid_NS=np.isfinite(pose_NS3).all(axis=-1) & np.isfinite(velocity_NS2).all(axis=-1),
    )
