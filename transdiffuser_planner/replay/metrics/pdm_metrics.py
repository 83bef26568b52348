"""PDM sub-scores of plans in the recorded traffic and map, where a bag holds both. N agents, S steps of 0.1 s.

Two things differ from NAVSIM. Progress is compared with the logged trajectory instead of PDM-Closed. And a sub-score that the
logged trajectory does not fulfill either is skipped, together with the score if it is one of its factors: NAVSIM's car is
2.3 m wide, and where the lanes of the map are too narrow for it, leaving them is not a property of the plan.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.geometry import local_from_global, resample_polyline
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.data.logs.tracks import AgentTracks, EgoTrack
from transdiffuser_planner.metrics.pdm.pdms import score_pdms
from transdiffuser_planner.metrics.pdm.scene import NUM_STEPS, STEP_S, AgentKind, Agents, Area, AreaKind, Scene
from transdiffuser_planner.metrics.pdm.scene import EgoState as ScoredEgo
from transdiffuser_planner.planning.observation.route_features import along_route
from transdiffuser_planner.replay.cycle_records import PlanRecord
from transdiffuser_planner.replay.metrics.trajectory_metrics import sampled

FloatArray = NDArray[np.float64]

LANE, JUNCTION = 0, 1  # transdiffuser_msgs/MapPolygon
RANGE_M = 100.0
AGENT_STEPS = NUM_STEPS + 11
EVERY_S = 0.5
ROUTE_BEHIND_M, ROUTE_AHEAD_M, ROUTE_STEP_M = 10.0, 130.0, 1.0
_KINDS = {AgentClass.PEDESTRIAN: AgentKind.PEDESTRIAN, AgentClass.BICYCLE: AgentKind.BICYCLE}


@dataclass(kw_only=True, slots=True)
class RecordedMap:
    """Recorded map and routes in the frame of odometry.

    Attributes:
        pieces: (kind, vertices (C, 2) in meters).
        routes: (stamp in ns, points (K, 2) in meters) in order of stamps.
    """

    pieces: list[tuple[int, FloatArray]] = field(default_factory=list)
    routes: list[tuple[int, FloatArray]] = field(default_factory=list)

    def route_at(self, stamp_ns: int) -> FloatArray | None:
        """Return the last route (K, 2) up to a stamp, or None.

        Args:
            stamp_ns: Stamp of the frame.
        """
        number = bisect_right(self.routes, stamp_ns, key=lambda item: item[0])
        return self.routes[number - 1][1] if number else None


class PdmScorer:
    """Scores plans two times a second of the drive; empty where ground truth is missing.

    Args:
        road: Recorded map and routes.
        tracks: Recorded agents.
        drive: Recorded ego states.

    Attributes:
        skipped: Plans and sub-scores that were not computed although there is ground truth, by reason.
    """

    def __init__(self, road: RecordedMap, tracks: AgentTracks, drive: EgoTrack) -> None:
        self._road, self._tracks, self._drive = road, tracks, drive
        self._areas = [
            (index, kind, ring, ring.min(axis=0), ring.max(axis=0))
            for index, (kind, ring) in enumerate(road.pieces)
            if kind in (LANE, JUNCTION) and len(ring) >= 3
        ]
        self._next_ns: int | None = None
        self.skipped: Counter[str] = Counter()

    def __call__(self, plan: PlanRecord) -> dict[str, float]:
        """Score one plan.

        Args:
            plan: Plan and the ego state it started from.

        Returns:
            Metric name -> value: PDM score and sub-scores.
        """
        stamp_ns = plan.ego.stamp_ns
        if not self._road.pieces or not len(self._tracks):
            return {}
        if self._next_ns is not None and self._next_ns - round(EVERY_S * 1e9) < stamp_ns < self._next_ns:
            return {}
        scene = self._scene(plan.ego)
        if scene is None:
            return {}
        self._next_ns = stamp_ns + round(EVERY_S * 0.99e9)
        origin = np.asarray([plan.ego.x_m, plan.ego.y_m, plan.ego.heading_rad])
        logged = self._drive.future(stamp_ns, plan.time_s_T)
        if logged is None:
            return {}
        both = np.stack(
            [local_from_global(origin, poses) for poses in (sampled(plan.trajectory, plan.time_s_T), logged)]
        )
        try:
            scores = score_pdms(scene, both, interval_s=float(plan.time_s_T[0]))
        except EvaluationError as error:
            self.skipped[f"plan without PDM score: {error}"] += 1
            return {}
        parts = {
            "pdm_no_collision": scores.no_at_fault_collision_M,
            "pdm_drivable_area": scores.drivable_area_M,
            "pdm_time_to_collision": scores.time_to_collision_M,
            "pdm_comfort": scores.comfort_M,
        }
        found = {name: float(part_M[0]) for name, part_M in parts.items() if part_M[1] >= 1.0}
        absent = [name for name in parts if name not in found]
        self.skipped.update(f"plan without {name}: the recorded driver does not fulfill it either" for name in absent)
        if {"pdm_no_collision", "pdm_drivable_area"} <= set(found):
            found["pdm_progress"] = float(scores.ego_progress_M[0])
            found["pdm_score"] = float(scores.score_M[0])
        return found

    def _scene(self, ego: EgoState) -> Scene | None:
        """Build the scene with its recorded future; None when the recording ends earlier or there is no route."""
        times: FloatArray = np.arange(NUM_STEPS + 1, dtype=np.float64) * STEP_S
        human = self._drive.future(ego.stamp_ns, times)
        line = None if human is None else self._center_line(ego)
        if human is None or line is None:
            return None
        areas, route = self._areas_around(ego, line)
        if not areas:
            return None
        speed = np.diff(human[:2, :2], axis=0)[0] / STEP_S
        before = np.asarray([ego.vx_mps, ego.vy_mps])
        gain = (float(np.hypot(*speed)) - float(np.hypot(*before))) / STEP_S
        try:
            return Scene(
                name=f"{ego.stamp_ns * 1e-9:.3f} s",
                ego=ScoredEgo(
                    pose_3=np.asarray([ego.x_m, ego.y_m, ego.heading_rad]),
                    velocity_2=before,
                    acceleration_2=np.asarray([np.clip(gain, -6.0, 4.0), 0.0]),
                    yaw_rate_radps=ego.yaw_rate_radps,
                    stamp_us=ego.stamp_ns // 1000,
                ),
                agents=self._agents(ego.stamp_ns),
                areas=areas,
                route=route,
                center_line_K3=line,
                reference_S3=human,
            )
        except EvaluationError as error:
            self.skipped[f"plan without PDM score: {error}"] += 1
            return None

    def _center_line(self, ego: EgoState) -> FloatArray | None:
        """Resample the route from behind the ego to far ahead, with headings."""
        route = self._road.route_at(ego.stamp_ns)
        if route is None:
            return None
        along_m = along_route(route, (ego.x_m, ego.y_m, ego.heading_rad), ROUTE_AHEAD_M)
        length_m = float(np.hypot(*np.diff(route, axis=0).T).sum())
        begin, end = max(along_m - ROUTE_BEHIND_M, 0.0), min(along_m + ROUTE_AHEAD_M, length_m)
        if end - begin < 2.0 * ROUTE_STEP_M:
            return None
        points = np.asarray(resample_polyline(route, np.arange(begin, end, ROUTE_STEP_M)))[:, :2]
        step = np.diff(points, axis=0)
        heading = np.arctan2(step[:, 1], step[:, 0])
        return np.column_stack([points, np.append(heading, heading[-1])])

    def _areas_around(self, ego: EgoState, line_K3: FloatArray) -> tuple[tuple[Area, ...], frozenset[str]]:
        """Return lanes and junctions nearby, and the tokens of those on the route."""
        areas: list[Area] = []
        route = set()
        here = np.asarray([ego.x_m, ego.y_m])
        begin, end = line_K3[:, :2].min(axis=0), line_K3[:, :2].max(axis=0)
        for index, kind, ring, low, high in self._areas:
            if (low > here + RANGE_M).any() or (high < here - RANGE_M).any():
                continue
            lane = f"lane {index}"
            areas.append(
                Area(token=lane, kind=AreaKind.LANE if kind == LANE else AreaKind.LANE_CONNECTOR, ring_C2=ring)
            )
            whole = AreaKind.ROADBLOCK if kind == LANE else AreaKind.INTERSECTION
            areas.append(Area(token=f"area {index}", kind=whole, ring_C2=ring))
            if (low <= end).all() and (high >= begin).all() and _contains_any(ring, line_K3[:, :2]):
                route.add(lane)
        return tuple(areas), frozenset(route)

    def _agents(self, stamp_ns: int) -> Agents:
        """Return all recorded agents from a stamp on."""
        stamps = stamp_ns + np.rint(np.arange(AGENT_STEPS) * STEP_S * 1e9).astype(np.int64)
        rows = []
        for number in self._tracks.ids_within(int(stamps[0]), int(stamps[-1])):
            track = self._tracks.at(number, stamps)
            if track is not None and np.isfinite(track).all(axis=1).any() and min(self._tracks.info[number][1:]) > 0.0:
                rows.append((number, track))
        if not rows:
            nothing = np.zeros((0, AGENT_STEPS, 3))
            return Agents(
                token_N=(),
                kind_N=(),
                size_N2=np.zeros((0, 2)),
                pose_NS3=nothing,
                velocity_NS2=nothing[..., :2],
                valid_NS=np.zeros((0, AGENT_STEPS), dtype=bool),
            )
        track_NS4 = np.stack([track for _, track in rows])
        direction = np.stack([np.cos(track_NS4[..., 2]), np.sin(track_NS4[..., 2])], axis=-1)
        info = [self._tracks.info[number] for number, _ in rows]
        return Agents(
            token_N=tuple(str(number) for number, _ in rows),
            kind_N=tuple(_KINDS.get(AgentClass(kind), AgentKind.VEHICLE) for kind, _, _ in info),
            size_N2=np.asarray([[length, width] for _, length, width in info]),
            pose_NS3=track_NS4[..., :3],
            velocity_NS2=direction * track_NS4[..., 3:],
            valid_NS=np.asarray(np.isfinite(track_NS4).all(axis=-1)),
        )


def _contains_any(ring_C2: FloatArray, point_X2: FloatArray) -> bool:
    """Test whether any point lies within a polygon, by counting crossings of a ray to +x."""
    x, y = point_X2[:, 0, None], point_X2[:, 1, None]
    x0, y0 = ring_C2[:, 0], ring_C2[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    spans = (y0 > y) != (y1 > y)
    crossing = x0 + (y - y0) / np.where(y1 == y0, 1.0, y1 - y0) * (x1 - x0)
    return bool(((spans & (x < crossing)).sum(axis=1) % 2 == 1).any())
