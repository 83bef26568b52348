"""What differs in one drive from the plain simulator: LiDAR, camera effects, ground, things next to the road, body motion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.sensors.body_attitude import BodyAttitude
from transdiffuser_planner.simulation.sensors.camera_effects import CameraEffects
from transdiffuser_planner.simulation.sensors.lidar import LidarModel
from transdiffuser_planner.simulation.sensors.mesh import Mesh, Triangles
from transdiffuser_planner.simulation.sensors.terrain import Terrain
from transdiffuser_planner.simulation.sensors.world_mesh import WorldMesh, build_world_mesh
from transdiffuser_planner.simulation.world_state import WorldState

FloatArray = NDArray[np.float64]

# Longitudinal and lateral acceleration at which a body reaches its largest pitch and roll.
_FULL_MPS2 = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class EffectsByCamera:
    """Effects of each camera.

    Attributes:
        by_name: Camera -> its effects.
    """

    by_name: dict[str, CameraEffects]

    def applied(self, image_HW3: NDArray[np.uint8], name: str, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Return an image with the effects of its camera.

        Args:
            image_HW3: As rendered.
            name: Of the camera.
            rng: Of the noise.
        """
        return self.by_name[name].applied(image_HW3, rng)


@dataclass(frozen=True, kw_only=True, slots=True)
class DriveLook:
    """Look of one drive.

    Attributes:
        lidar: Of the vehicle.
        effects: Of the cameras.
        terrain: Height of the ground.
        sidewalk_z_m: Height of the curbs.
        objects: Static things next to the road, parked vehicles included, on the ground already.
        color_spread: Standard deviation of the logarithm of surface colors.
        pitch_rad, roll_rad: Largest tilt of the body by its own motion.
        seed: Of colors and bumps.
    """

    lidar: LidarModel
    effects: EffectsByCamera
    terrain: Terrain
    sidewalk_z_m: float
    objects: tuple[Mesh, ...]
    color_spread: float
    pitch_rad: float
    roll_rad: float
    seed: int

    def world_mesh(self, road_map: RoadMap) -> WorldMesh:
        """Build the static world on this drive's ground, in its colors.

        Args:
            road_map: Static elements.
        """
        flat = build_world_mesh(road_map, self.sidewalk_z_m)
        corners = flat.mesh.vertices_V3.reshape(-1, 3, 3)  # MeshBuilder gives every triangle vertices of its own
        ground, parent = self.terrain.divided(corners[: flat.num_ground].astype(np.float64))
        tail = np.arange(flat.num_ground, len(corners))
        parent = np.concatenate([parent, tail])
        is_grass = flat.vegetation_F[parent]
        vertices = np.concatenate([ground, corners[tail]]).reshape(-1, 3)
        mesh = Mesh(
            vertices_V3=self.terrain.lifted(vertices, np.repeat(is_grass, 3)).astype(np.float32),
            triangles=Triangles.of(np.arange(len(vertices)).reshape(-1, 3)),
            albedo_F3=self._colored(flat.mesh.albedo_F3, parent),
            class_F=flat.mesh.class_F[parent],
        )
        shift = len(ground) - flat.num_ground
        return WorldMesh(
            mesh=mesh,
            lamps=tuple(replace(lamp, first_triangle=lamp.first_triangle + shift) for lamp in flat.lamps),
            vegetation_F=is_grass,
            asphalt_F=flat.asphalt_F[parent],
            num_ground=len(ground),
        )

    def ground(self, xy_N2: FloatArray) -> FloatArray:
        """Return the height (N,) of the ground.

        Args:
            xy_N2: Map frame, m.
        """
        return self.terrain.heights(xy_N2)

    def attitude(self, world: WorldState) -> BodyAttitude:
        """Return height and tilt of the ego's body: ground, braking, turning, bumps.

        Args:
            world: State of the world.
        """
        ego = world.ego
        on_ground = self.terrain.attitude(ego.x_m, ego.y_m, ego.heading_rad)
        bump = np.random.default_rng([self.seed, world.stamp_ns // 1_000_000]).normal(0.0, 0.2, 2)
        bump *= min(1.0, ego.speed_mps / 5.0)
        braking = np.clip(-ego.acceleration_mps2 / _FULL_MPS2 + bump[0], -1.0, 1.0)
        turning = np.clip(ego.speed_mps**2 * ego.curvature_per_m / _FULL_MPS2 + bump[1], -1.0, 1.0)
        return replace(
            on_ground,
            pitch_rad=on_ground.pitch_rad + self.pitch_rad * float(braking),
            roll_rad=on_ground.roll_rad + self.roll_rad * float(turning),
        )

    def _colored(self, albedo_F3: NDArray[np.float32], parent_P: NDArray[np.intp]) -> NDArray[np.float32]:
        """Change the color of every surface kind, and a little that of every part of a triangle."""
        random = np.random.default_rng([self.seed, 1])
        rounded = np.rint(albedo_F3 * 20.0).astype(np.int64) @ np.asarray([1, 100, 10000])
        kinds, number = np.unique(rounded, return_inverse=True)
        bright = np.exp(random.normal(0.0, self.color_spread, (len(kinds), 1)))
        hue = np.exp(random.normal(0.0, 0.3 * self.color_spread, (len(kinds), 3)))
        single = np.exp(random.normal(0.0, 0.25 * self.color_spread, (len(parent_P), 1)))
        colored = (albedo_F3 * (bright * hue)[number.reshape(-1)])[parent_P] * single
        return np.asarray(np.clip(colored, 0.01, 1.0), dtype=np.float32)
