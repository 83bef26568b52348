"""32-beam spinning LiDAR by ray casting, with range noise and dropouts.

The whole sweep has one stamp: motion during a sweep is not simulated, as in a de-skewed point cloud.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.rig import LidarMount
from transdiffuser_planner.simulation.scenario import Weather
from transdiffuser_planner.simulation.sensors.ray_culling import RayFan, TrafficScene
from transdiffuser_planner.simulation.sensors.ray_scene import RayScene, turned

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class LidarModel:
    """Beams, range and noise of a LiDAR.

    Attributes:
        num_beams: Rows of a sweep.
        num_azimuths: Columns of a sweep.
        low_rad: Elevation of the lowest beam.
        high_rad: Elevation of the highest beam.
        range_m: Farther returns are lost.
        noise_m: Standard deviation of the range.
        dropout: Share of near, bright returns lost at random; fog, distance and dark surfaces lose more.
    """

    num_beams: int = 32
    num_azimuths: int = 1024
    low_rad: float = float(np.radians(-25.0))
    high_rad: float = float(np.radians(10.0))
    range_m: float = 60.0
    noise_m: float = 0.02
    dropout: float = 0.03


class LidarScanner:
    """Scanner of one LiDAR; ray directions are computed once.

    Args:
        mount: Pose of the sensor.
        weather: Fog and wetness attenuate returns.
        model: Beams, range and noise; None for the default.
    """

    def __init__(self, mount: LidarMount, weather: Weather, model: LidarModel | None = None) -> None:
        self._model = model or LidarModel()
        self._weather = weather
        self._transform = mount.base_from_sensor()
        elevation = np.linspace(self._model.low_rad, self._model.high_rad, self._model.num_beams)
        azimuth = np.linspace(-np.pi, np.pi, self._model.num_azimuths, endpoint=False)
        el, az = np.meshgrid(elevation, azimuth, indexing="ij")
        direction = np.stack([np.cos(el) * np.cos(az), np.cos(el) * np.sin(az), np.sin(el)], axis=-1).reshape(-1, 3)
        self._direction_R3 = direction.astype(np.float32)
        self._direction_3R = np.ascontiguousarray(self._direction_R3.T)
        self._fan = RayFan((direction @ self._transform[:3, :3].T).astype(np.float32))

    def scan(
        self,
        static: RayScene,
        traffic: TrafficScene | None,
        base_pose_3: tuple[float, float, float],
        rng: np.random.Generator,
    ) -> Array:
        """Cast one sweep.

        Args:
            static: The static world.
            traffic: Agents in the same frame, or None.
            base_pose_3: x, y, heading of base_link in that frame.
            rng: Of the noise.

        Returns:
            Points (N, 4) in the LiDAR's frame: x, y, z in meters and intensity 0..1, float32.
        """
        model = self._model
        cos, sin = np.cos(base_pose_3[2]), np.sin(base_pose_3[2])
        turn = np.asarray([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        world = turn @ self._transform[:3, :3]
        position = turn @ self._transform[:3, 3] + [base_pose_3[0], base_pose_3[1], 0.0]
        direction = turned(self._direction_R3, world.astype(np.float32))
        origin = np.broadcast_to(position.astype(np.float32), direction.shape)
        limit = np.full(len(direction), model.range_m, dtype=np.float32)
        hits = static.cast(origin, direction, limit)
        distance, is_hit_R = hits.distance_R, hits.triangle_R >= 0
        reflectivity = np.take(static.reflectivity_F, hits.triangle_R)
        if traffic is not None:
            bound_R = self._fan.nearest(traffic.prisms, origin[0], base_pose_3[2])
            index = np.flatnonzero(bound_R < distance)
            near = traffic.rays.cast(origin[index], direction[index], distance[index])
            is_hit = near.triangle_R >= 0
            index = index[is_hit]
            distance[index] = near.distance_R[is_hit]
            reflectivity[index] = np.minimum(traffic.rays.reflectivity_F[near.triangle_R[is_hit]], 1.0)
            is_hit_R[index] = True
        return self._measure(np.flatnonzero(is_hit_R), distance, reflectivity, rng)

    def _measure(
        self, index: NDArray[np.intp], distance: Array, reflectivity: Array, rng: np.random.Generator
    ) -> Array:
        """Add dropouts and range noise to the hits of the given rays."""
        model, fog_per_m = self._model, self._weather.fog_density_per_m
        distance, reflectivity = distance[index], reflectivity[index]
        far = distance / model.range_m
        lost = model.dropout + 0.25 * far**2 * (1.0 - reflectivity) + 0.1 * self._weather.wetness * far
        lost = 1.0 - (1.0 - lost) * np.exp(-2.0 * fog_per_m * distance)
        kept = np.flatnonzero(rng.random(len(index)) >= lost)
        index, distance, reflectivity = index[kept], distance[kept], reflectivity[kept]
        measured = distance + model.noise_m * rng.standard_normal(len(index)).astype(np.float32)
        cloud = np.empty((len(index), 4), dtype=np.float32)
        for axis in range(3):
            np.multiply(self._direction_3R[axis, index], measured, out=cloud[:, axis])
        np.multiply(reflectivity, np.exp(-fog_per_m * distance), out=cloud[:, 3])
        return cloud
