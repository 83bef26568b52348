"""How points of LiDAR sweeps are distributed in height and distance, to compare sensors and the simulator with real ones."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.planning.observation.lidar_bev import histogram

HEIGHTS_M = (-0.2, 0.3, 1.0, 2.0)
DISTANCES_M = (0.0, 8.0, 16.0, 24.0, 32.0)


def cloud_statistics(points_N3: NDArray[np.float32], contract: ModelContract) -> dict[str, float]:
    """Describe one sweep.

    Args:
        points_N3: Points in base_link without returns from the ego, m.
        contract: Grid of the bird's-eye histogram; its first channel is the ground, the others are obstacles.

    Returns:
        "points_thousands" within the grid; shares of them by height in percent; shares of the histogram's cells that hold ground
        or obstacles, by distance of the cell from base_link, in percent.
    """
    near = points_N3[(np.abs(points_N3[:, :2]) < contract.range_m).all(axis=1)]
    values = {"points_thousands": len(near) / 1000.0}
    edges = (-np.inf, *HEIGHTS_M, np.inf)
    for low, high in itertools.pairwise(edges):
        inside = (near[:, 2] >= low) & (near[:, 2] < high)
        values[f"{_range(low, high)}_percent"] = 100.0 * float(inside.mean()) if len(near) else 0.0
    counts = histogram(points_N3, contract)
    centers = (np.arange(contract.lidar_cells) + 0.5) * contract.lidar_cell_m - contract.range_m
    distance_LL = np.hypot(centers[:, None], centers[None])
    filled: dict[str, NDArray[np.bool_]] = {"obstacle": counts[1:].max(axis=0) > 0, "ground": counts[0] > 0}
    for name, filled_LL in filled.items():
        for low, high in itertools.pairwise(DISTANCES_M):
            ring = (distance_LL >= low) & (distance_LL < high)
            values[f"{name}_cells_{low:g}_to_{high:g}_m_percent"] = 100.0 * float(filled_LL[ring].mean())
    return values


def _range(low: float, high: float) -> str:
    if np.isinf(low):
        return f"below_{high:g}_m"
    return f"above_{low:g}_m" if np.isinf(high) else f"{low:g}_to_{high:g}_m"
