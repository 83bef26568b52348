"""Point clouds of nuPlan: PCD files with binary data, merged from five LiDARs, in the frame of the rear axle. N points."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import InputError

_TYPES: Final = {"F": "f", "U": "u", "I": "i"}
_MAX_HEADER: Final = 4096


def read_pcd(data: bytes) -> NDArray[np.float32]:
    """Read x, y, z (m) and intensity, float32 (N, 4), of a binary PCD file.

    Args:
        data: The file.

    Raises:
        InputError: It is damaged or of another kind.
    """
    try:
        end = data.index(b"\nDATA binary\n", 0, _MAX_HEADER) + len(b"\nDATA binary\n")
        lines = data[:end].decode("ascii").splitlines()
        header = {line.split()[0]: line.split()[1:] for line in lines if line.strip() and not line.startswith("#")}
        kinds = [f"<{_TYPES[kind]}{size}" for kind, size in zip(header["TYPE"], header["SIZE"], strict=True)]
        assert all(count == "1" for count in header.get("COUNT", ()))
        row = np.dtype(list(zip(header["FIELDS"], kinds, strict=True)))
        rows_N = np.frombuffer(data, dtype=row, count=int(header["POINTS"][0]), offset=end)
        points_N4 = np.zeros((len(rows_N), 4), dtype=np.float32)
        for column, name in enumerate(("x", "y", "z")):
            points_N4[:, column] = rows_N[name]
        points_N4[:, 3] = rows_N["intensity"] if "intensity" in header["FIELDS"] else 0.0
    except (AssertionError, ValueError, KeyError, TypeError, IndexError, UnicodeDecodeError):
        raise InputError("lidar: a point cloud is no binary PCD file with x, y and z, or is cut off") from None
    return finite_points(points_N4)


def finite_points(points_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the points without those that are not finite.

    Args:
        points_ND: Points, x, y, z first.
    """
    finite_N = np.isfinite(points_ND[:, :3]).all(axis=1)
    return points_ND if finite_N.all() else points_ND[finite_N]
