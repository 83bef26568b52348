"""Points next to the vehicle that move with it: returns of its own, as of mirrors and roof bars, or artifacts near the LiDAR.

Whatever of them the rig file does not take out stands next to every plan as an obstacle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.rig import MAX_OWN_MARGIN_M
from transdiffuser_planner.core.vehicle import VehicleModel

CELL_M = 0.1
LOWEST_M = 0.35
"""Lower points are no obstacles."""
LEAST_MOTION_M = 3.0
LEAST_SWEEPS = 5
LEAST_SHARE = 0.8
"""Of the sweeps that hold a point in a cell."""
LONGEST_M = 2.0
"""A longer row of such cells is a wall or a rail along the road."""


def own_margin_m(clouds: Sequence[NDArray[np.float32]], vehicle: VehicleModel, margin_m: float) -> float | None:
    """Estimate the margin around the vehicle's box that takes its own returns out.

    Args:
        clouds: Sweeps (N, 3) in base_link, while the vehicle drove at least ``LEAST_MOTION_M``.
        vehicle: Its box.
        margin_m: The margin that the rig file states.

    Returns:
        The margin in meters; None where no point beyond the stated one moves with the vehicle, or there are few sweeps.
    """
    if len(clouds) < LEAST_SWEEPS:
        return None
    seen: Counter[tuple[int, int]] = Counter()
    for xyz_N3 in clouds:
        beyond_N = _beyond(xyz_N3, vehicle)
        near = (beyond_N > margin_m) & (beyond_N < MAX_OWN_MARGIN_M) & (xyz_N3[:, 2] > LOWEST_M)
        cells = np.floor(xyz_N3[near, :2] / CELL_M).astype(np.int64)
        seen.update({(int(row), int(column)) for row, column in cells})
    lasting = np.asarray([cell for cell, count in seen.items() if count >= LEAST_SHARE * len(clouds)]).reshape(-1, 2)
    found = [side for side in (lasting[lasting[:, 1] >= 0], lasting[lasting[:, 1] < 0]) if len(side)]
    short = [side for side in found if np.ptp(side[:, 0]) * CELL_M <= LONGEST_M]
    if not short:
        return None
    corner = np.concatenate(short) + (np.concatenate(short) >= 0)  # the corner of each cell that is farther out
    farthest = float(_beyond((corner * CELL_M).astype(np.float32), vehicle).max())
    return min(float(np.ceil(20.0 * farthest)) / 20.0, MAX_OWN_MARGIN_M)


def _beyond(xy_N2: NDArray[np.float32], vehicle: VehicleModel) -> NDArray[np.float32]:
    """Distance of points from the vehicle's box along the axis that is farther from it; negative inside."""
    along = np.maximum(xy_N2[:, 0] - vehicle.front_offset_m, -vehicle.rear_overhang_m - xy_N2[:, 0])
    return np.asarray(np.maximum(along, np.abs(xy_N2[:, 1]) - vehicle.width_m / 2.0))
