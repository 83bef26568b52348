"""A recorded drive as a world: motion of human and agents every 0.1 s, and the road, in one local frame.

The frame is anchored at the human's first position, with the axes of the log's; the ground is flat at z = 0, whatever
the road's height was. Coordinates of whole cities so lose no precision. K steps, N agents.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.smoothing import gaussian_smoothed
from transdiffuser_planner.core.types import EgoState, SignalState
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogRequest, MapPiece
from transdiffuser_planner.data.logs.log_sources import read_log
from transdiffuser_planner.data.logs.map_elements import MapLane
from transdiffuser_planner.planning.observation.ego_history import interpolate, is_discontinuity
from transdiffuser_planner.simulation.log_world.log_lanes import local_lanes
from transdiffuser_planner.simulation.log_world.log_scenario import LogPlace
from transdiffuser_planner.simulation.log_world.mirror import mirrored
from transdiffuser_planner.simulation.world_state import EgoPose

FloatArray = NDArray[np.float64]

STEP_NS: Final = 100_000_000
SMOOTHING_STEPS: Final = 2.0
"""Standard deviation of the filter of speeds before they are differentiated."""
SLOW_MPS: Final = 0.5
"""Curvature is not defined by motion below this speed."""
BRAKE_LIGHT_MPS2: Final = -0.5
STANDING_MPS: Final = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A part of the drive without a gap in the poses.

    Attributes:
        begin_ns: Stamp of its first step.
        begin_s: The same since the first stretch's begin.
        states: Odometry around the steps, local frame.
        poses: The human's drive every 0.1 s.
    """

    begin_ns: int
    begin_s: float
    states: tuple[EgoState, ...]
    poses: tuple[EgoPose, ...]

    @property
    def length_s(self) -> float:
        """From the first to the last step."""
        return 0.1 * (len(self.poses) - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedAgents:
    """All agents of a stretch; NaN before and after their recorded life.

    Attributes:
        id_N: Their numbers.
        class_N: Values of AgentClass.
        size_N3: Length, width, height, m.
        state_NK4: x, y, heading (unwrapped), speed, local frame.
        braking_NK: Whether brake lights are on, from the change of speed.
    """

    id_N: NDArray[np.uint32]
    class_N: NDArray[np.int8]
    size_N3: FloatArray
    state_NK4: FloatArray
    braking_NK: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedWorld:
    """A log as a world.

    Attributes:
        name: Of the log.
        log: As read, mirrored where traffic keeps to the left.
        is_mirrored: Whether it is mirrored.
        origin_2: Position of the local frame's origin in the log's frame.
        stretches: Without the parts that have no poses or no agents' messages.
        lanes: Of the map, local frame.
        pieces: Of the map, local frame.
        reductions: One line for each thing that is missing in the log and that a drive goes on without.
    """

    name: str
    log: DriveLog
    is_mirrored: bool
    origin_2: FloatArray
    stretches: tuple[Stretch, ...]
    lanes: tuple[MapLane, ...]
    pieces: tuple[MapPiece, ...]
    reductions: tuple[str, ...]

    @property
    def has_signals(self) -> bool:
        """Whether the log holds states of traffic signals."""
        return bool(self.log.light_states or any(s.state is not SignalState.UNKNOWN for s in self.log.signals))

    def stretch_at(self, begin_s: float) -> tuple[Stretch, int]:
        """Return the stretch of a window's begin, and the number of the step there.

        Args:
            begin_s: Since the first stretch's begin.

        Raises:
            SimulationError: No stretch covers it.
        """
        for stretch in self.stretches:
            step = round((begin_s - stretch.begin_s) / 0.1)
            if 0 <= step < len(stretch.poses):
                return stretch, step
        raise SimulationError(f"log {self.name}: no drive {begin_s:g} s after its begin")

    def agents(self, stretch: Stretch) -> RecordedAgents:
        """Return the agents of a stretch.

        Args:
            stretch: One of this world's.
        """
        tracks, heights = self.log.agents, _heights(self.log)
        stamps_ns = stretch.begin_ns + STEP_NS * np.arange(len(stretch.poses), dtype=np.int64)
        rows = []
        for number in tracks.ids():
            state_K4 = tracks.at(number, stamps_ns)
            if state_K4 is not None and np.isfinite(state_K4).all(axis=1).any():
                rows.append((number, *tracks.info[number], heights.get(number, 1.6), state_K4))
        if not rows:
            return _no_agents(len(stretch.poses))
        state_NK4 = np.stack([row[5] for row in rows])
        state_NK4[..., :2] -= self.origin_2
        change_NK = np.gradient(state_NK4[..., 3], 0.1, axis=1) if state_NK4.shape[1] > 1 else 0.0 * state_NK4[..., 3]
        slows_NK = np.nan_to_num(change_NK) < BRAKE_LIGHT_MPS2
        return RecordedAgents(
            id_N=np.asarray([row[0] for row in rows], dtype=np.uint32),
            class_N=np.asarray([row[1] for row in rows], dtype=np.int8),
            size_N3=np.asarray([row[2:5] for row in rows], dtype=np.float64),
            state_NK4=state_NK4,
            braking_NK=slows_NK,
        )


@lru_cache(maxsize=2)
def recorded_world(place: LogPlace) -> RecordedWorld:
    """Read a log as a world; the last two logs of a process are kept.

    Args:
        place: The log.

    Raises:
        PlannerError: The log cannot be read, or does not hold what a world needs.
    """
    return make_world(read_log(LogRequest(path=place.path, topics=place.topics), place.source))


def make_world(log: DriveLog) -> RecordedWorld:
    """Move a log into its local frame and find out what is missing.

    Args:
        log: With odometry and map.

    Raises:
        SimulationError: It has no odometry, or no map.
    """
    if not len(log.ego):
        raise SimulationError(f"log {_name(log)}: holds no odometry of the vehicle, which the ego starts from")
    if not log.map_pieces and not log.lanes:
        raise SimulationError(f"log {_name(log)}: holds no map; a world needs lanes or drivable areas of the drive")
    reductions = []
    is_mirrored = bool(log.drives_on_left)
    if is_mirrored:
        log = mirrored(log)
        reductions.append("left-hand traffic: the world is mirrored, the vehicle keeps to the right in it")
    states = log.ego.states
    origin_2 = np.asarray([states[0].x_m, states[0].y_m])
    span = _agent_span(log)
    if span is None:
        reductions.append("no agents are recorded: the roads are empty")
    parts = _parts(states, span)
    if not parts:
        raise SimulationError(f"log {_name(log)}: odometry and agents have no second in common; their clocks differ")
    first_ns = parts[0][0].stamp_ns
    stretches = tuple(_stretch(part, origin_2, first_ns) for part in parts)
    for before, after in itertools.pairwise(stretches):
        gap_s = after.begin_s - before.begin_s - before.length_s
        reductions.append(
            f"a gap of {gap_s:.1f} s in the poses at {before.begin_s + before.length_s:.1f} s: not driven over"
        )
    if log.damage:
        reductions.append(f"read up to its damage: {log.damage}")
    pieces = tuple((kind, np.asarray(xy, dtype=np.float64) - origin_2) for kind, xy in log.map_pieces)
    return RecordedWorld(
        name=_name(log),
        log=log,
        is_mirrored=is_mirrored,
        origin_2=origin_2,
        stretches=stretches,
        lanes=local_lanes(log.lanes, pieces, origin_2),
        pieces=pieces,
        reductions=tuple(reductions),
    )


def _name(log: DriveLog) -> str:
    """Name of a bag's or log's folder; of a file that holds one log, its own name."""
    is_one_of_many = log.path.is_file() and log.path.suffix == ".pkl"
    return log.path.stem if is_one_of_many else log.name


def _agent_span(log: DriveLog) -> tuple[int, int] | None:
    """First and last stamp of the agents' messages; None without agents."""
    if not len(log.agents):
        return None
    stamps = [stamp for stamp, _ in log.agents.snapshots]
    return min(stamps), max(stamps)


def _parts(states: Sequence[EgoState], span: tuple[int, int] | None) -> list[list[EgoState]]:
    """The states without gaps, within the span, of at least a second."""
    parts: list[list[EgoState]] = []
    for state in states:
        if span is not None and not span[0] - STEP_NS // 2 <= state.stamp_ns <= span[1] + STEP_NS // 2:
            continue
        if not parts or is_discontinuity(parts[-1][-1], state):
            parts.append([])
        parts[-1].append(state)
    return [part for part in parts if part[-1].stamp_ns - part[0].stamp_ns >= 10 * STEP_NS]


def _stretch(part: list[EgoState], origin_2: FloatArray, first_ns: int) -> Stretch:
    local = [replace(s, x_m=s.x_m - origin_2[0], y_m=s.y_m - origin_2[1], z_m=0.0) for s in part]
    # Steps count from the first stretch's begin, so that all stretches share one grid of 0.1 s.
    begin_ns = first_ns + -(-(part[0].stamp_ns - first_ns) // STEP_NS) * STEP_NS
    count = (part[-1].stamp_ns - begin_ns) // STEP_NS + 1
    sampled = [interpolate(local, begin_ns + STEP_NS * step) for step in range(count)]
    rows_K5 = np.asarray(
        [(s.x_m, s.y_m, s.heading_rad, s.vx_mps, s.yaw_rate_radps) for s in sampled if s is not None], dtype=np.float64
    )
    return Stretch(
        begin_ns=begin_ns,
        begin_s=round((begin_ns - first_ns) * 1e-9, 1),
        states=tuple(local),
        poses=human_poses(rows_K5),
    )


def human_poses(rows_K5: FloatArray) -> tuple[EgoPose, ...]:
    """Return the human's poses with acceleration and curvature.

    Args:
        rows_K5: x, y, heading, forward speed, yaw rate, every 0.1 s.
    """
    speed_K = np.maximum(rows_K5[:, 3], 0.0)
    smooth_K = gaussian_smoothed(speed_K, SMOOTHING_STEPS)
    change_K = np.gradient(smooth_K, 0.1) if len(smooth_K) > 1 else np.zeros(1)
    rate_K = gaussian_smoothed(rows_K5[:, 4], SMOOTHING_STEPS)
    curvature_K = np.where(smooth_K > SLOW_MPS, rate_K / np.maximum(smooth_K, SLOW_MPS), 0.0)
    return tuple(
        EgoPose(
            x_m=float(row[0]),
            y_m=float(row[1]),
            heading_rad=float(row[2]),
            speed_mps=float(speed),
            acceleration_mps2=float(change),
            curvature_per_m=float(curvature),
            braking=bool(change < BRAKE_LIGHT_MPS2 or speed < STANDING_MPS),
        )
        for row, speed, change, curvature in zip(rows_K5, speed_K, change_K, curvature_K, strict=True)
    )


def _heights(log: DriveLog) -> dict[int, float]:
    """First recorded height of each agent."""
    found: dict[int, float] = {}
    for _, agents in log.agents.snapshots:
        for number, height_m in zip(agents.id_N.tolist(), agents.height_m_N.tolist(), strict=True):
            if np.isfinite(height_m) and height_m > 0.1:
                found.setdefault(number, float(height_m))
    return found


def _no_agents(num_steps: int) -> RecordedAgents:
    return RecordedAgents(
        id_N=np.zeros(0, dtype=np.uint32),
        class_N=np.zeros(0, dtype=np.int8),
        size_N3=np.zeros((0, 3)),
        state_NK4=np.zeros((0, num_steps, 4)),
        braking_NK=np.zeros((0, num_steps), dtype=np.bool_),
    )
