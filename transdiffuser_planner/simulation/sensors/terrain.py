"""Ground that is not flat: hills, banks next to the street, rough grass. The static world is draped over it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from transdiffuser_planner.simulation.map.polylines import densify
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.sensors.body_attitude import BodyAttitude
from transdiffuser_planner.simulation.sensors.mesh import Mesh

FloatArray = NDArray[np.float64]

LONGEST_EDGE_M = 4.0
DETAILED_M = 60.0
_BELOW_STREET_M, _GRASS_DEPTH_M = 0.8, 0.25
_MAX_DIVISIONS = 14
# The apron around the map is not divided; it lies below every valley instead.
_LARGEST_M, _APRON_DROP_M = 1000.0, 12.0
_BANK_STARTS_M, _BANK_ENDS_M = 4.0, 14.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TerrainShape:
    """Numbers of a terrain.

    Attributes:
        hills_m: Amplitude.
        hill_length_m: Wave length.
        bank_left, bank_right: Slope of the ground next to the street, by side of the map, positive upward.
        roughness_m: Standard deviation of the height of grass.
        seed: Of phases and roughness.
    """

    hills_m: float
    hill_length_m: float
    bank_left: float
    bank_right: float
    roughness_m: float
    seed: int


class Terrain:
    """Height of the ground of a map.

    Args:
        shape: Numbers.
        road_map: Its lanes are the street.
        path_N2: The ego's route, m, map frame; the ground is detailed within 60 m of it.
    """

    def __init__(self, shape: TerrainShape, road_map: RoadMap, path_N2: FloatArray) -> None:
        self._shape = shape
        random = np.random.default_rng(shape.seed)
        angle = random.uniform(0.0, 2.0 * np.pi, 3)
        length = shape.hill_length_m * np.asarray([1.0, 0.71, 1.37])
        self._wave_3 = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * (2.0 * np.pi / length)[:, None]
        self._phase_3 = random.uniform(0.0, 2.0 * np.pi, 3)
        lines = [(densify(lane.center_N2, 2.0), lane.width_m / 2.0) for lane in road_map.lanes]
        self._street = cKDTree(np.vstack([line for line, _ in lines]))
        self._half_width_N = np.concatenate([np.full(len(line), half) for line, half in lines])
        self._path = cKDTree(path_N2)

    def heights(self, xy_N2: FloatArray) -> FloatArray:
        """Return the height (N,) of the ground, without roughness.

        Args:
            xy_N2: Map frame, m.
        """
        shape = self._shape
        hills = np.sin(xy_N2 @ self._wave_3.T + self._phase_3).sum(axis=1) * (shape.hills_m / 3.0)
        return np.asarray(hills + self._bank(xy_N2))

    def _bank(self, xy_N2: FloatArray) -> FloatArray:
        shape = self._shape
        if not shape.bank_left and not shape.bank_right:
            return np.zeros(len(xy_N2))
        gap, nearest = self._street.query(xy_N2, distance_upper_bound=_BANK_ENDS_M + 4.0)
        half = np.append(self._half_width_N, 0.0)[nearest]
        distance = np.clip(gap - half - _BANK_STARTS_M, 0.0, _BANK_ENDS_M - _BANK_STARTS_M)
        # The side changes with the place: one side of a street may rise while the other falls.
        share = 0.5 + 0.5 * np.sin(xy_N2 @ self._wave_3[1] * 1.7 + self._phase_3[1])
        return np.asarray(distance * (shape.bank_left * share + shape.bank_right * (1.0 - share)))

    def attitude(self, x_m: float, y_m: float, heading_rad: float) -> BodyAttitude:
        """Return height and tilt of a vehicle that stands on the ground.

        Args:
            x_m: Of the rear axle, map frame.
            y_m: Of the rear axle, map frame.
            heading_rad: Of the vehicle.
        """
        ahead = np.asarray([np.cos(heading_rad), np.sin(heading_rad)])
        left = np.asarray([-ahead[1], ahead[0]])
        here = np.asarray([x_m, y_m])
        z = self.heights(np.stack([here, here + 2.0 * ahead, here + left, here - left]))
        return BodyAttitude(
            z_m=float(z[0]),
            pitch_rad=-float(np.arctan2(z[1] - z[0], 2.0)),
            roll_rad=float(np.arctan2(z[2] - z[3], 2.0)),
        )

    def draped(self, mesh: Mesh) -> Mesh:
        """Return a mesh lifted by the height below each of its vertices.

        Args:
            mesh: In the map frame, over flat ground.
        """
        vertices = self.lifted(mesh.vertices_V3.astype(np.float64))
        return replace(mesh, vertices_V3=vertices.astype(np.float32))

    def lifted(self, xyz_N3: FloatArray, rough_N: NDArray[np.bool_] | None = None) -> FloatArray:
        """Return points lifted by the height of the ground below them.

        Args:
            xyz_N3: Map frame, over flat ground, m.
            rough_N: Points of grass; None for none.
        """
        lifted = self._heights_of_shared(xyz_N3[:, :2])
        if rough_N is not None:
            lifted[rough_N] += self._grass(xyz_N3[rough_N, :2])
        return np.column_stack([xyz_N3[:, :2], xyz_N3[:, 2] + lifted])

    def _grass(self, xy_N2: FloatArray) -> FloatArray:
        """Return roughness of grass, and its depth below streets: coarse triangles must not show through them."""
        gap, nearest = self._street.query(xy_N2, distance_upper_bound=6.0)
        below = gap < np.append(self._half_width_N, 0.0)[nearest] + _BELOW_STREET_M
        rough = self._shape.roughness_m * _noise(xy_N2, self._shape.seed)
        return np.where(below, -_GRASS_DEPTH_M, rough)

    def _heights_of_shared(self, xy_N2: FloatArray) -> FloatArray:
        """Return heights of points, many of which are at the same place."""
        place = np.rint((xy_N2 - xy_N2.min(axis=0)) * 100.0).astype(np.int64)
        _, first, number = np.unique(place[:, 0] << 32 | place[:, 1], return_index=True, return_inverse=True)
        return np.asarray(self.heights(xy_N2[first])[number.reshape(-1)])

    def divided(self, corners_F33: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
        """Divide large triangles near the ego's route, so that they can follow the ground.

        Args:
            corners_F33: Of the ground, m.

        Returns:
            Corners of all parts, and for each the number of the triangle that it is a part of, in rising order.
        """
        corners, parent = np.array(corners_F33, dtype=np.float64), np.arange(len(corners_F33))
        done: list[tuple[FloatArray, NDArray[np.intp]]] = []
        for _ in range(_MAX_DIVISIONS):
            edge = np.roll(corners, -1, axis=1)[..., :2] - corners[..., :2]
            length = np.hypot(edge[..., 0], edge[..., 1])
            radius = length.max(axis=1)
            split = radius > LONGEST_EDGE_M
            far = self._path.query(corners[split, :, :2].mean(axis=1))[0] - radius[split] > DETAILED_M
            split[np.flatnonzero(split)[far & (radius[split] < 4.0 * LONGEST_EDGE_M)]] = False
            corners[radius >= _LARGEST_M, :, 2] -= _APRON_DROP_M
            split &= radius < _LARGEST_M
            done.append((corners[~split], parent[~split]))
            corners, parent = corners[split], parent[split]
            if not len(corners):
                break
            corners, parent = _bisected(corners, length[split].argmax(axis=1)), np.concatenate([parent, parent])
        done.append((corners, parent))
        corners, parent = (np.concatenate(parts) for parts in zip(*done, strict=True))
        order = np.argsort(parent, kind="stable")
        return corners[order], parent[order]


def _bisected(corners_F33: FloatArray, longest_F: NDArray[np.intp]) -> FloatArray:
    """Return both halves of triangles, cut at the middle of the edge that starts at the given corner."""
    row = np.arange(len(corners_F33))
    a, b = corners_F33[row, longest_F], corners_F33[row, (longest_F + 1) % 3]
    c = corners_F33[row, (longest_F + 2) % 3]
    middle = 0.5 * (a + b)
    return np.concatenate([np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)])


def _noise(xy_N2: FloatArray, seed: int) -> FloatArray:
    """Return numbers of mean 0 and standard deviation 1 that depend on the place alone, as vertices are shared."""
    cell = np.rint(xy_N2 / 0.05).astype(np.int64)
    mixed = cell[:, 0] * 73856093 ^ cell[:, 1] * 19349663 ^ (seed * 83492791 & 0x7FFFFFFF)
    mixed = (mixed ^ mixed >> 13) * 1274126177 & 0x7FFFFFFF
    return np.asarray((mixed % 100003) / 100003.0 * np.sqrt(12.0) - np.sqrt(3.0))
