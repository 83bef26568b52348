"""Exact Euclidean distance transform of a grid, up to a reach (the separable transform of Saito and Toriwaki 1994).

Equal to ``scipy.ndimage.distance_transform_edt`` within the reach. That module takes half a second to import, longer than
the rest of the planner.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_EXIT_EVERY = 8


def distance_to_occupied(occupied_XY: NDArray[np.bool_], reach: int) -> NDArray[np.float64]:
    """Distance of the center of every cell from the center of the nearest occupied one.

    Args:
        occupied_XY: The grid.
        reach: Larger distances count as this, in cells; at most 100, so that squares fit into 16 bits.

    Returns:
        Distances (X, Y) in cells.
    """
    num_columns = occupied_XY.shape[1]
    column = np.arange(num_columns, dtype=np.int16)
    left = np.maximum.accumulate(np.where(occupied_XY, column, np.int16(-reach)), axis=1)
    right = np.where(occupied_XY, column, np.int16(num_columns + reach))
    right = np.minimum.accumulate(right[:, ::-1], axis=1)[:, ::-1]
    in_row = np.minimum(np.minimum(column - left, right - column), np.int16(reach))
    in_row2 = in_row * in_row
    nearest2, shifted2 = in_row2.copy(), np.empty_like(in_row2)
    for rows in range(1, min(reach, len(in_row2))):
        if rows % _EXIT_EVERY == 0 and rows * rows >= nearest2.max():
            break
        np.add(in_row2, np.int16(rows * rows), out=shifted2)
        np.minimum(nearest2[rows:], shifted2[:-rows], out=nearest2[rows:])
        np.minimum(nearest2[:-rows], shifted2[rows:], out=nearest2[:-rows])
    return np.asarray(np.sqrt(nearest2.astype(np.float64)))
