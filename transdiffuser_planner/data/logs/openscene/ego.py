"""Motion of the vehicle in an OpenScene log: odometry of base_link at 10 Hz from poses at 2 Hz. N frames, E states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline

from transdiffuser_planner.core.geometry import wrapped
from transdiffuser_planner.core.types import Acceleration, EgoState
from transdiffuser_planner.data.logs.openscene.frames import INTERVAL_NS, OpenSceneFrame, heading_of

FloatArray = NDArray[np.float64]

MAP_FRAME: Final = "map"
GROUND_BELOW_AXLE_M: Final = 0.4385
"""Height of nuPlan's rear axle: half of the car's height less the axle's distance from its center (1.777 / 2 - 0.45)."""
STATES_PER_FRAME: Final = 5


def ego_states(frames: Sequence[OpenSceneFrame], origin_3: FloatArray) -> list[EgoState]:
    """Return odometry; at the frames it is that of the log, in between it is interpolated by cubic polynomials.

    Args:
        frames: In order of time.
        origin_3: Origin of the odometry's frame in UTM, m.
    """
    starts = [number for number, frame in enumerate(frames) if frame.is_first] or [0]
    found: list[EgoState] = []
    for begin, end in zip(starts, [*starts[1:], len(frames)], strict=True):
        found += _stretch(frames[begin:end], origin_3)
    return found


def accelerations(frames: Sequence[OpenSceneFrame]) -> list[Acceleration]:
    """Return the acceleration at each frame.

    Args:
        frames: In order of time.
    """
    return [
        Acceleration(stamp_ns=frame.stamp_ns, ax_mps2=frame.acceleration_2[0], ay_mps2=frame.acceleration_2[1])
        for frame in frames
    ]


def _stretch(frames: Sequence[OpenSceneFrame], origin_3: FloatArray) -> list[EgoState]:
    """States of frames without a gap."""
    pose_N44 = np.stack([frame.utm_from_axle_44 for frame in frames])
    heading_N = np.unwrap(heading_of(pose_N44[:, :3, :3]))
    value_N4 = np.column_stack([pose_N44[:, :3, 3] - origin_3, heading_N])
    velocity_N2 = np.asarray([frame.velocity_2 for frame in frames])
    count, step = len(frames), INTERVAL_NS // STATES_PER_FRAME
    time_s_N = np.arange(count) * (INTERVAL_NS * 1e-9)
    time_s_E = np.arange((count - 1) * STATES_PER_FRAME + 1) * (step * 1e-9)
    if count > 1:
        spline = CubicHermiteSpline(time_s_N, value_N4, np.gradient(value_N4, time_s_N, axis=0))
        value_E4, turn_E = spline(time_s_E), spline.derivative()(time_s_E)[:, 3]
    else:
        value_E4, turn_E = value_N4, np.zeros(1)
    value_E4[::STATES_PER_FRAME] = value_N4
    columns = [np.interp(time_s_E, time_s_N, column) for column in velocity_N2.T]
    rows = np.column_stack([value_E4, *columns, turn_E]).tolist()
    begin_ns = frames[0].stamp_ns
    return [
        EgoState(
            stamp_ns=begin_ns + number * step,
            frame_id=MAP_FRAME,
            x_m=x,
            y_m=y,
            z_m=z - GROUND_BELOW_AXLE_M,
            heading_rad=wrapped(heading),
            vx_mps=forward,
            vy_mps=left,
            yaw_rate_radps=turn,
        )
        for number, (x, y, z, heading, forward, left, turn) in enumerate(rows)
    ]
