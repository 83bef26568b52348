"""Ray casting against a triangle mesh with Embree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from transdiffuser_planner.simulation.mesh import Mesh

Array = NDArray[np.float32]

MISS_M = 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class Hits:
    """Per ray: distance in units of the direction's length (MISS_M for a miss), and triangle number (-1 for a miss)."""

    distance_R: Array
    triangle_R: NDArray[np.int32]


class RayScene:
    """A mesh ready for rays; it cannot be changed, and does not cross process borders."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.normal_F3 = mesh.normals()
        self._scene = EmbreeScene()
        # The scene keeps no reference of its own to the mesh object.
        self._triangles = TriangleMesh(self._scene, mesh.corners_F33)

    def cast(self, origin_R3: Array, direction_R3: Array, limit_R: Array | None = None) -> Hits:
        """First hits.

        Args:
            origin_R3, direction_R3: float32, same length.
            limit_R: Only nearer hits count (same units as the result).
        """
        distance = np.full(len(direction_R3), MISS_M, dtype=np.float32) if limit_R is None else limit_R.copy()
        found = self._scene.run(origin_R3, direction_R3, dists=distance, output=True)
        triangle = found["primID"]
        hit = triangle >= 0
        return Hits(distance_R=np.where(hit, found["tfar"], np.float32(MISS_M)).astype(np.float32), triangle_R=triangle)

    def blocked(self, origin_R3: Array, direction_R3: Array) -> NDArray[np.bool_]:
        """Whether anything lies on each ray."""
        return np.asarray(self._scene.run(origin_R3, direction_R3, query="OCCLUDED") == 0)
