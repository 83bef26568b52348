"""Ray casting against a triangle mesh with Embree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore import EmbreeDevice
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from transdiffuser_planner.simulation.sensors.mesh import Mesh

Array = NDArray[np.float32]

MISS_M = 1e6
# Larger products are split: OpenBLAS would start threads for them, which is slower for three columns.
_ROWS_AT_ONCE = 16384


@dataclass(frozen=True, kw_only=True, slots=True)
class Hits:
    """First hit of each ray.

    Attributes:
        distance_R: In units of the direction's length; for a miss the limit of the cast, MISS_M without one.
        triangle_R: Triangle number; -1 for a miss.
    """

    distance_R: Array
    triangle_R: NDArray[np.int32]


class RayScene:
    """Immutable meshes for ray casting; cannot be pickled. Triangles are numbered through, mesh after mesh.

    Args:
        meshes: Triangles that rays may hit.
        device_of: Scene whose device is shared; creating a device costs as much as a small scene.

    Attributes:
        albedo_F3: Colors of all triangles.
        normal_F3: Unit normals of all triangles.
        reflectivity_F: Mean of the color.
        class_F: ViewClass of all triangles.
    """

    def __init__(self, meshes: Sequence[Mesh], device_of: RayScene | None = None) -> None:
        self.albedo_F3: Array = np.concatenate([mesh.albedo_F3 for mesh in meshes])
        self.normal_F3: Array = np.concatenate([mesh.normals() for mesh in meshes])
        self.reflectivity_F: Array = self.albedo_F3.mean(axis=1)
        self.class_F: NDArray[np.uint8] = np.concatenate([mesh.class_F for mesh in meshes])
        counts = [len(mesh.albedo_F3) for mesh in meshes]
        self._first_G = np.cumsum([0, *counts[:-1]], dtype=np.int32)
        self._device: EmbreeDevice = EmbreeDevice() if device_of is None else device_of._device
        self._scene = EmbreeScene(self._device)
        # The scene keeps no references of its own to the mesh objects.
        self._triangles = [
            TriangleMesh(self._scene, mesh.vertices_V3.astype(object), mesh.triangles.rows_F) for mesh in meshes
        ]

    def cast(self, origin_R3: Array, direction_R3: Array, limit_R: Array | None = None) -> Hits:
        """Find the first hit of each ray.

        Args:
            origin_R3: float32, m.
            direction_R3: float32.
            limit_R: Maximum distance of a hit, in units of the result.
        """
        distance = np.full(len(direction_R3), MISS_M, dtype=np.float32) if limit_R is None else limit_R.copy()
        found = self._scene.run(origin_R3, direction_R3, dists=distance, output=True)
        triangle = found["primID"]
        if len(self._first_G) > 1:
            triangle += np.where(triangle >= 0, self._first_G[found["geomID"]], 0)
        return Hits(distance_R=found["tfar"], triangle_R=triangle)

    def blocked(self, origin_R3: Array, direction_R3: Array) -> NDArray[np.bool_]:
        """Return whether each ray hits any triangle.

        Args:
            origin_R3: float32, m.
            direction_R3: float32.
        """
        return np.asarray(self._scene.run(origin_R3, direction_R3, query="OCCLUDED") == 0)


def turned(vector_R3: Array, turn_33: Array) -> Array:
    """Rotate vectors, ``vector_R3 @ turn_33.T``, on this thread only.

    Args:
        vector_R3: Vectors in rows.
        turn_33: Rotation matrix.
    """
    result = np.empty_like(vector_R3)
    for first in range(0, len(vector_R3), _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        np.matmul(vector_R3[rows], turn_33.T, out=result[rows])
    return result
