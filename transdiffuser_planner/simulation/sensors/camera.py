"""Pinhole cameras by ray casting: surfaces lit by sun and sky, shadows of traffic, haze, sky.

One ray per pixel center. All cameras of a rig are cast in one batch. Colors are albedo x (ambient + sun x cosine),
mixed with the haze color by distance, then gamma-encoded. Colors of rays are kept as three rows (3, R), which is
several times faster to work on than R rows of three.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.rig import CameraMount
from transdiffuser_planner.simulation.scenario import Weather
from transdiffuser_planner.simulation.sensors.ray_culling import RayFan, TrafficScene
from transdiffuser_planner.simulation.sensors.ray_scene import MISS_M, RayScene, turned

Array = NDArray[np.float32]

AGENT_RANGE_M = 80.0
SHADOW_RANGE_M = 45.0
GAMMA = 1.0 / 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Light:
    """Sun, sky and haze of one episode; all colors are linear RGB.

    Attributes:
        to_sun_3: Unit vector towards the sun, map frame.
        sun_3: Color of direct light.
        ambient_3: Color of indirect light.
        zenith_3: Sky color overhead.
        horizon_3: Sky color at the horizon, also of the haze.
        haze_per_m: Extinction.
        shadow: Darkness of shadows, 0 none .. 1 full.
    """

    to_sun_3: Array
    sun_3: Array
    ambient_3: Array
    zenith_3: Array
    horizon_3: Array
    haze_per_m: float
    shadow: float

    @staticmethod
    def from_weather(weather: Weather) -> Light:
        """Compute the light of a weather.

        Args:
            weather: Of the episode.
        """
        elevation, azimuth = weather.sun_elevation_rad, weather.sun_azimuth_rad
        to_sun = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
        day = 1.0 - 0.8 * weather.darkness
        low = float(np.clip(1.0 - elevation / 0.5, 0.0, 1.0))
        clear = 1.0 - weather.cloudiness
        sun = np.asarray([1.0, 0.93 - 0.20 * low, 0.82 - 0.38 * low]) * 0.85 * clear * day
        ambient = (np.asarray([0.46, 0.50, 0.58]) + 0.32 * weather.cloudiness) * day
        gray = np.asarray([0.62, 0.64, 0.67])
        zenith = (np.asarray([0.16, 0.34, 0.66]) * clear + gray * weather.cloudiness) * day
        horizon = (np.asarray([0.66 + 0.15 * low, 0.72, 0.80 - 0.15 * low]) * clear + gray * weather.cloudiness) * day
        return Light(
            to_sun_3=np.asarray(to_sun, dtype=np.float32),
            sun_3=sun.astype(np.float32),
            ambient_3=ambient.astype(np.float32),
            zenith_3=zenith.astype(np.float32),
            horizon_3=horizon.astype(np.float32),
            haze_per_m=weather.fog_density_per_m + 0.0012,
            shadow=float(clear * (1.0 - weather.darkness)),
        )

    def shade(self, albedo_F3: Array, normal_F3: Array) -> Array:
        """Compute lit colors (F, 3) of triangles; thin plates are lit from both sides.

        Args:
            albedo_F3: Linear RGB.
            normal_F3: Unit normals, map frame.
        """
        cosine = (
            np.abs(normal_F3 @ self.to_sun_3)[:, None] * np.where(normal_F3 @ self.to_sun_3 < 0.0, 0.25, 1.0)[:, None]
        )
        sky = 0.75 + 0.25 * normal_F3[:, 2:3]
        return np.asarray(albedo_F3 * (self.ambient_3 * sky + self.sun_3 * cosine), dtype=np.float32)

    def sky(self, direction_R3: Array) -> Array:
        """Compute sky colors (3, R) of unit directions (R, 3) in the map frame.

        Args:
            direction_R3: Unit vectors, map frame.
        """
        height_R = np.sqrt(np.clip(direction_R3[:, 2], 0.0, 1.0))
        horizon_31 = self.horizon_3[:, None]
        return np.asarray(horizon_31 + height_R * (self.zenith_3[:, None] - horizon_31), dtype=np.float32)


class CameraRenderer:
    """Renderer of all cameras of a rig; ray directions are computed once.

    Args:
        cameras: Of the rig.
        light: Of the episode.
    """

    def __init__(self, cameras: tuple[CameraMount, ...], light: Light) -> None:
        self._cameras = cameras
        self._light = light
        directions = [_directions(camera) for camera in cameras]
        self._direction_R3 = np.concatenate(directions)
        self._fans = [RayFan(direction) for direction in directions]
        self._offset_C3 = np.asarray([camera.base_from_sensor()[:3, 3] for camera in cameras], dtype=np.float32)
        self._num_rays_C = [camera.width * camera.height for camera in cameras]

    def render(
        self,
        static: RayScene,
        static_color_3F: Array,
        traffic: TrafficScene | None,
        base_pose_3: tuple[float, float, float],
    ) -> dict[str, NDArray[np.uint8]]:
        """Render all cameras.

        Args:
            static: The static world.
            static_color_3F: Lit colors of its triangles, lamps included.
            traffic: Agents in the same frame, or None.
            base_pose_3: x, y, heading of base_link in that frame.

        Returns:
            Camera name -> uint8 (H, W, 3) RGB.
        """
        light = self._light
        turn = _rotation_z(base_pose_3[2])
        direction = turned(self._direction_R3, turn)
        offset_C3 = turned(self._offset_C3, turn)
        offset_C3[:, :2] += np.asarray(base_pose_3[:2], dtype=np.float32)
        origin = np.repeat(offset_C3, self._num_rays_C, axis=0)
        hits = static.cast(origin, direction)
        distance, triangle = hits.distance_R, hits.triangle_R
        color_3R = np.take(static_color_3F, triangle, axis=1)
        is_visible = distance < MISS_M
        if traffic is not None:
            may_hit = [
                fan.may_hit(traffic.boxes, offset_3, base_pose_3[2])
                for fan, offset_3 in zip(self._fans, offset_C3, strict=True)
            ]
            agents, index = traffic.rays, np.flatnonzero(np.concatenate(may_hit))
            near = agents.cast(origin[index], direction[index], np.minimum(distance[index], AGENT_RANGE_M))
            is_hit = near.triangle_R >= 0
            index = index[is_hit]
            shade_F3 = light.shade(agents.mesh.albedo_F3, agents.normal_F3)
            color_3R[:, index] = shade_F3[near.triangle_R[is_hit]].T
            distance[index] = near.distance_R[is_hit]
            on_road = is_visible.copy()
            on_road[index] = False
            is_visible[index] = True
            self._cast_shadows(color_3R, agents, static, triangle, distance, origin, direction, on_road)
        return self._split(self._to_rgb(color_3R, distance, direction, is_visible))

    def _to_rgb(
        self, color_3R: Array, distance: Array, direction: Array, is_visible: NDArray[np.bool_]
    ) -> NDArray[np.uint8]:
        """Add haze and sky, and encode the colors as RGB (R, 3)."""
        light = self._light
        haze_R = np.exp(-light.haze_per_m * distance).astype(np.float32)
        horizon_31 = light.horizon_3[:, None]
        color_3R = np.where(is_visible, horizon_31 + haze_R * (color_3R - horizon_31), light.sky(direction))
        image_3R = (255.0 * np.clip(color_3R, 0.0, 1.0) ** np.float32(GAMMA) + 0.5).astype(np.uint8)
        return np.ascontiguousarray(image_3R.T)

    def _cast_shadows(
        self,
        color_3R: Array,
        agents: RayScene,
        static: RayScene,
        triangle: NDArray[np.int32],
        distance: Array,
        origin: Array,
        direction: Array,
        candidates: NDArray[np.bool_],
    ) -> None:
        """Darken ground pixels in the shadow of traffic, in place."""
        light = self._light
        if light.shadow < 0.05:
            return
        index = np.flatnonzero(candidates & (distance < SHADOW_RANGE_M))
        index = index[static.normal_F3[triangle[index], 2] > 0.9]
        if len(index) == 0:
            return
        point = origin[index] + (distance[index, None] - 1e-3) * direction[index]
        towards = np.ascontiguousarray(np.broadcast_to(light.to_sun_3, point.shape))
        dark = agents.blocked(np.ascontiguousarray(point), towards)
        share = light.sun_3 * light.to_sun_3[2] / (light.ambient_3 + light.sun_3 * light.to_sun_3[2])
        color_3R[:, index[dark]] *= (np.float32(1.0) - np.float32(light.shadow) * share)[:, None]

    def _split(self, image_R3: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
        images, start = {}, 0
        for camera in self._cameras:
            count = camera.width * camera.height
            images[camera.name] = image_R3[start : start + count].reshape(camera.height, camera.width, 3)
            start += count
        return images


def _directions(camera: CameraMount) -> Array:
    """Return unit directions (H * W, 3) of the pixel centers in base_link, row by row."""
    column, row = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    direction = np.stack(
        [np.ones_like(column), -(column - camera.cx) / camera.fx, -(row - camera.cy) / camera.fy], axis=-1
    ).reshape(-1, 3)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return np.asarray(direction @ camera.base_from_sensor()[:3, :3].T, dtype=np.float32)


def _rotation_z(heading_rad: float) -> Array:
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    return np.asarray([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]], dtype=np.float32)
