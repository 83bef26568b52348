"""Labeled boxes of a data set as tracks of agents. N boxes, T times of one track."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.data.logs.poses import derivative
from transdiffuser_planner.data.logs.tracks import AgentTracks

FloatArray = NDArray[np.float64]

SPEED_WINDOW_S: Final = 0.5
"""Labels of standing vehicles tremble by centimeters; speeds are fitted to this long a part of the track."""
RIDER_REACH_M: Final = 1.0
LONG_VEHICLE_M: Final = 7.0
"""Where a data set has one label for all vehicles, longer ones count as trucks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabeledBoxes:
    """Boxes of agents in any order, all arrays of length N, positions in the odometry's frame, m.

    Attributes:
        stamp_ns_N: Time of each label.
        track_N: Names of the tracks.
        class_N: Values of AgentClass.
        is_rider_N: Persons on a vehicle, whose own box counts where there is one.
        x_m_N, y_m_N, heading_rad_N: Center and direction of the length.
        size_N3: Length, width, height.
        speed_mps_N: Along the heading; None computes it from the positions.
    """

    stamp_ns_N: NDArray[np.int64]
    track_N: NDArray[Any]
    class_N: NDArray[np.int8]
    is_rider_N: NDArray[np.bool_]
    x_m_N: FloatArray
    y_m_N: FloatArray
    heading_rad_N: FloatArray
    size_N3: FloatArray
    speed_mps_N: FloatArray | None = None


def tracks_of(boxes: LabeledBoxes, frame_id: str) -> AgentTracks:
    """Return the tracks of boxes; numbers are given in the order of the tracks' names.

    Args:
        boxes: All boxes of a drive; those that are not finite or have no size are left out.
        frame_id: Frame of their positions.
    """
    values = np.column_stack([boxes.x_m_N, boxes.y_m_N, boxes.heading_rad_N, boxes.size_N3])
    usable_N = np.asarray(np.isfinite(values).all(axis=1) & (boxes.size_N3 > 0.0).all(axis=1))
    _, number_N = np.unique(boxes.track_N, return_inverse=True)
    speed_N = _speeds(boxes, number_N, usable_N) if boxes.speed_mps_N is None else boxes.speed_mps_N
    tracks = AgentTracks()
    for stamp_ns in np.unique(boxes.stamp_ns_N).tolist():
        at = np.flatnonzero((boxes.stamp_ns_N == stamp_ns) & usable_N)
        at = at[~_with_vehicle(boxes, at)]
        at = at[np.argsort(number_N[at], kind="stable")]
        tracks.add(
            stamp_ns,
            AgentStates(
                frame_id=frame_id,
                id_N=(number_N[at] + 1).astype(np.uint32),
                class_N=boxes.class_N[at],
                x_m_N=boxes.x_m_N[at],
                y_m_N=boxes.y_m_N[at],
                heading_rad_N=boxes.heading_rad_N[at],
                speed_mps_N=speed_N[at],
                length_m_N=boxes.size_N3[at, 0],
                width_m_N=boxes.size_N3[at, 1],
                height_m_N=boxes.size_N3[at, 2],
                braking_N=np.zeros(len(at), dtype=np.bool_),
            ),
        )
    return tracks


def _with_vehicle(boxes: LabeledBoxes, at: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of the boxes of one time are riders whose vehicle has a box of its own."""
    rider_N, class_N = boxes.is_rider_N[at], boxes.class_N[at]
    found_N = np.zeros(len(at), dtype=np.bool_)
    for n in np.flatnonzero(rider_N):
        gap_N = np.hypot(boxes.x_m_N[at] - boxes.x_m_N[at[n]], boxes.y_m_N[at] - boxes.y_m_N[at[n]])
        found_N[n] = ((gap_N < RIDER_REACH_M) & ~rider_N & (class_N == class_N[n])).any()
    return found_N


def _speeds(boxes: LabeledBoxes, number_N: NDArray[np.intp], usable_N: NDArray[np.bool_]) -> FloatArray:
    """Speeds (N,) along the heading from positions."""
    speed_N = np.zeros(len(number_N))
    order = np.lexsort((boxes.stamp_ns_N, number_N))
    order = order[usable_N[order]]
    for rows in np.split(order, np.flatnonzero(np.diff(number_N[order])) + 1):
        stamps = boxes.stamp_ns_N[rows]
        if len(rows) < 2 or (np.diff(stamps) <= 0).any():
            continue
        velocity_T2 = derivative(stamps, np.column_stack([boxes.x_m_N[rows], boxes.y_m_N[rows]]), SPEED_WINDOW_S)
        heading_T = boxes.heading_rad_N[rows]
        speed_N[rows] = velocity_T2[:, 0] * np.cos(heading_T) + velocity_T2[:, 1] * np.sin(heading_T)
    return speed_N
