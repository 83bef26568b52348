"""Spinning LiDAR by ray casting, with range noise and dropouts; 32 beams unless a model states other ones.

By default the whole sweep has one stamp, as in a cloud that was compensated for motion. A model with ``sweep_s`` gives the cloud
as measured: rays are cast at the stamp, then every point is moved by what ego and agents move between the stamp and its column.
What is hidden stays as of the stamp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.rig import LidarMount
from transdiffuser_planner.simulation.scenario import Weather
from transdiffuser_planner.simulation.sensors.body_attitude import LEVEL, BodyAttitude
from transdiffuser_planner.simulation.sensors.own_body import OwnBody
from transdiffuser_planner.simulation.sensors.ray_culling import RayFan, TrafficScene
from transdiffuser_planner.simulation.sensors.ray_scene import RayScene, turned

Array = NDArray[np.float32]

_OWN_REFLECTIVITY = 0.4
_GROUND_NORMAL = 0.9


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
        elevations_rad: Of all beams, instead of num_beams, low_rad and high_rad; () for beams at equal distances.
        grazing_dropout: Further share lost at grazing incidence.
        ground_noise_m: Standard deviation of the height of points on the ground.
        blocked_rad: Azimuths from the first to the second are blocked; equal for none.
        sweep_s: Time from the first to the last column; 0 for a cloud compensated for motion.
        first_column_s: Time of the first column after the stamp.
        body: The vehicle's own body, which returns points and hides what is behind it.
    """

    num_beams: int = 32
    num_azimuths: int = 1024
    low_rad: float = float(np.radians(-25.0))
    high_rad: float = float(np.radians(10.0))
    range_m: float = 60.0
    noise_m: float = 0.02
    dropout: float = 0.03
    elevations_rad: tuple[float, ...] = ()
    grazing_dropout: float = 0.0
    ground_noise_m: float = 0.0
    blocked_rad: tuple[float, float] = (0.0, 0.0)
    sweep_s: float = 0.0
    first_column_s: float = 0.0
    body: OwnBody | None = None


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
        elevation = np.asarray(self._model.elevations_rad)
        if not len(elevation):
            elevation = np.linspace(self._model.low_rad, self._model.high_rad, self._model.num_beams)
        azimuth = np.linspace(-np.pi, np.pi, self._model.num_azimuths, endpoint=False)
        el, az = np.meshgrid(elevation, azimuth, indexing="ij")
        direction = np.stack([np.cos(el) * np.cos(az), np.cos(el) * np.sin(az), np.sin(el)], axis=-1).reshape(-1, 3)
        first, last = self._model.blocked_rad
        if last > first:
            outside = (az.ravel() < first) | (az.ravel() > last)
            direction, az = direction[outside], az.ravel()[outside]
        after = self._model.first_column_s + self._model.sweep_s * (az.ravel() / (2.0 * np.pi) + 0.5)
        self._after_R: Array = after.astype(np.float32)
        self._direction_R3 = direction.astype(np.float32)
        self._direction_3R = np.ascontiguousarray(self._direction_R3.T)
        in_base = (direction @ self._transform[:3, :3].T).astype(np.float32)
        self._fan = RayFan(in_base)
        limit = np.full(len(direction), self._model.range_m, dtype=np.float32)
        self._own_R = None
        if self._model.body is not None:
            self._own_R = self._model.body.distances(self._transform[:3, 3], in_base)
            limit = np.minimum(limit, self._own_R)
        self._limit_R = limit

    def scan(
        self,
        static: RayScene,
        traffic: TrafficScene | None,
        base_pose_3: tuple[float, float, float],
        rng: np.random.Generator,
        body: BodyAttitude = LEVEL,
        motion: tuple[float, float] = (0.0, 0.0),
    ) -> Array:
        """Cast one sweep.

        Args:
            static: The static world.
            traffic: Agents in the same frame, or None.
            base_pose_3: x, y, heading of base_link in that frame.
            rng: Of the noise.
            body: Height, roll and pitch of base_link.
            motion: Speed (m/s) and yaw rate (rad/s) of base_link during the sweep.

        Returns:
            Points (N, 4) in the LiDAR's frame: x, y, z in meters and intensity 0..1, float32.
        """
        turn = body.turn(base_pose_3[2])
        world = turn @ self._transform[:3, :3]
        position = turn @ self._transform[:3, 3] + [base_pose_3[0], base_pose_3[1], body.z_m]
        direction = turned(self._direction_R3, world.astype(np.float32))
        origin = np.broadcast_to(position.astype(np.float32), direction.shape)
        hits = static.cast(origin, direction, self._limit_R)
        distance, is_hit_R = hits.distance_R, hits.triangle_R >= 0
        reflectivity = np.take(static.reflectivity_F, hits.triangle_R)
        velocity_R2 = np.zeros((len(direction), 2), dtype=np.float32) if self._model.sweep_s else None
        if traffic is not None:
            bound_R = self._fan.nearest(traffic.prisms, origin[0], base_pose_3[2], body.slack_rad)
            index = np.flatnonzero(bound_R < distance)
            near = traffic.rays.cast(origin[index], direction[index], distance[index])
            is_hit = near.triangle_R >= 0
            index = index[is_hit]
            distance[index] = near.distance_R[is_hit]
            reflectivity[index] = np.minimum(traffic.rays.reflectivity_F[near.triangle_R[is_hit]], 1.0)
            is_hit_R[index] = True
            if velocity_R2 is not None:
                place = origin[index, :2] + distance[index, None] * direction[index, :2]
                velocity_R2[index] = traffic.velocities(place) @ turn[:2, :2]
            hits.triangle_R[index] = -1
        surface = self._surface(static, hits.triangle_R, direction)
        is_own = np.zeros_like(is_hit_R) if self._own_R is None else ~is_hit_R & np.isfinite(self._own_R)
        reflectivity[is_own] = _OWN_REFLECTIVITY
        index, cloud = self._measure(np.flatnonzero(is_hit_R | is_own), distance, reflectivity, surface, rng)
        if velocity_R2 is not None:
            self._distort(cloud, index, velocity_R2, motion)
        return cloud

    def _surface(
        self, static: RayScene, triangle_R: NDArray[np.int32], direction_R3: Array
    ) -> tuple[Array, NDArray[np.bool_]] | None:
        """Return the cosine of incidence (0 of none: 1) and whether the ray hit the ground; None where no noise needs them."""
        if not self._model.grazing_dropout and not self._model.ground_noise_m:
            return None
        normal_R3 = np.take(static.normal_F3, triangle_R, axis=0)
        cosine = np.abs(np.einsum("rk,rk->r", normal_R3, direction_R3))
        is_static = triangle_R >= 0
        return np.where(is_static, cosine, np.float32(1.0)), is_static & (normal_R3[:, 2] > _GROUND_NORMAL)

    def _measure(
        self,
        index: NDArray[np.intp],
        distance: Array,
        reflectivity: Array,
        surface: tuple[Array, NDArray[np.bool_]] | None,
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.intp], Array]:
        """Add dropouts and range noise to the hits of the given rays; return the rays of the points, and the points."""
        model, fog_per_m = self._model, self._weather.fog_density_per_m
        distance, reflectivity = distance[index], reflectivity[index]
        far = distance / model.range_m
        lost = model.dropout + 0.25 * far**2 * (1.0 - reflectivity) + 0.1 * self._weather.wetness * far
        if surface is not None:
            lost = lost + model.grazing_dropout * (1.0 - surface[0][index]) ** 2
        lost = 1.0 - (1.0 - lost) * np.exp(-2.0 * fog_per_m * distance)
        kept = np.flatnonzero(rng.random(len(index)) >= lost)
        index, distance, reflectivity = index[kept], distance[kept], reflectivity[kept]
        measured = distance + model.noise_m * rng.standard_normal(len(index)).astype(np.float32)
        cloud = np.empty((len(index), 4), dtype=np.float32)
        for axis in range(3):
            np.multiply(self._direction_3R[axis, index], measured, out=cloud[:, axis])
        np.multiply(reflectivity, np.exp(-fog_per_m * distance), out=cloud[:, 3])
        if surface is not None:
            rough = model.ground_noise_m * rng.standard_normal(len(index)).astype(np.float32)
            cloud[:, 2] += rough * surface[1][index]
        return index, cloud

    def _distort(self, cloud: Array, index: NDArray[np.intp], velocity_R2: Array, motion: tuple[float, float]) -> None:
        """Express every point in the LiDAR's frame at the time of its column, in place."""
        speed_mps, yaw_rate_radps = motion
        after_N = self._after_R[index]
        turn, offset = self._transform[:3, :3].astype(np.float32), self._transform[:3, 3].astype(np.float32)
        base_N3 = turned(cloud[:, :3], turn)
        angle_N = np.float32(yaw_rate_radps) * after_N
        x_N = base_N3[:, 0] + (velocity_R2[index, 0] - np.float32(speed_mps)) * after_N + offset[0]
        y_N = base_N3[:, 1] + (velocity_R2[index, 1] - np.float32(0.5 * speed_mps) * angle_N) * after_N + offset[1]
        cos, sin = np.cos(angle_N), np.sin(angle_N)
        base_N3[:, 0], base_N3[:, 1] = cos * x_N + sin * y_N - offset[0], cos * y_N - sin * x_N - offset[1]
        cloud[:, :3] = turned(base_N3, turn.T)
