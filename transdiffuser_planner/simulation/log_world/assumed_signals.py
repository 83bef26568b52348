"""Red lights that a log does not hold, concluded from a human that waits at a junction with a free lane ahead.

Data sets without signals show crossings at which all traffic waits for a light that cannot be seen. Where the human stands before
a junction and nothing stands ahead of it, its stop line counts as red until it goes. A stop sign looks the same.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import box_corners, project_onto_polyline
from transdiffuser_planner.core.types import SignalState
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.log_world.recorded_world import STEP_NS, RecordedAgents, Stretch

FloatArray = NDArray[np.float64]

STANDING_MPS: Final = 0.3
LEAST_STEPS: Final = 15
"""Shorter stops are not waiting."""
LINE_AHEAD_M: Final = 1.0
"""Assumed from the front bumper to the stop line."""
JUNCTION_WITHIN_M: Final = 15.0
FREE_M: Final = 12.0
"""A vehicle nearer ahead is what the human waits for."""

AssumedSignal = tuple[float, NDArray[np.int64], tuple[SignalState, ...]]
"""Arc length of the stop line, stamps in ns, and the state from each on."""


def assumed_signals(
    stretch: Stretch, agents: RecordedAgents, line_P2: FloatArray, junctions_m: list[float], vehicle: VehicleModel
) -> list[AssumedSignal]:
    """Return the stop lines at which the human waits.

    Args:
        stretch: The human's drive.
        agents: Of the stretch.
        line_P2: The route, local frame.
        junctions_m: Arc lengths at which the route enters junctions.
        vehicle: The human's.
    """
    found: list[AssumedSignal] = []
    for first, last in _stops(np.asarray([pose.speed_mps for pose in stretch.poses])):
        pose = stretch.poses[first]
        s_X, _ = project_onto_polyline(line_P2, [[pose.x_m, pose.y_m]])
        front_m = float(s_X[0]) + vehicle.front_offset_m
        is_at_junction = any(-LINE_AHEAD_M < entry_m - front_m < JUNCTION_WITHIN_M for entry_m in junctions_m)
        middle = (first + last) // 2
        if not is_at_junction or not _is_free(front_m, agents, middle, line_P2, vehicle):
            continue
        goes_ns = stretch.begin_ns + STEP_NS * (last + 1)
        stamps_ns = np.asarray([stretch.begin_ns, goes_ns], dtype=np.int64)
        found.append((front_m + LINE_AHEAD_M, stamps_ns, (SignalState.RED, SignalState.GREEN)))
    return found


def _stops(speed_K: FloatArray) -> list[tuple[int, int]]:
    """First and last step of each time that the human stands."""
    found: list[tuple[int, int]] = []
    for step in np.flatnonzero(speed_K < STANDING_MPS):
        if found and step == found[-1][1] + 1:
            found[-1] = (found[-1][0], int(step))
        else:
            found.append((int(step), int(step)))
    return [(first, last) for first, last in found if last - first + 1 >= LEAST_STEPS]


def _is_free(front_m: float, agents: RecordedAgents, step: int, line_P2: FloatArray, vehicle: VehicleModel) -> bool:
    """Whether no box lies on the route just ahead of the front bumper."""
    exists = np.flatnonzero(np.isfinite(agents.state_NK4[:, step]).all(axis=1))
    if not len(exists):
        return True
    x_N, y_N, heading_N, _ = agents.state_NK4[exists, step].T
    corner_N42 = box_corners(x_N, y_N, heading_N, agents.size_N3[exists, 0], agents.size_N3[exists, 1])
    s_X, offset_X = project_onto_polyline(line_P2, corner_N42.reshape(-1, 2))
    s_N4, offset_N4 = s_X.reshape(-1, 4) - front_m, offset_X.reshape(-1, 4)
    half_m = vehicle.width_m / 2.0
    on_lane_N = (offset_N4.min(axis=1) < half_m) & (offset_N4.max(axis=1) > -half_m)
    return not (on_lane_N & (s_N4.max(axis=1) > 0.0) & (s_N4.min(axis=1) < FREE_M)).any()
