"""Pinhole cameras by ray casting: surfaces lit by sun and sky, shadows of traffic, haze, sky.

One ray per pixel centre. All cameras of a rig are cast in one batch. Colours are albedo x (ambient + sun x cosine),
mixed with the haze colour by distance, then gamma-encoded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.rig import CameraMount
from transdiffuser_planner.simulation.ray_scene import MISS_M, RayScene
from transdiffuser_planner.simulation.scenario import Weather

Array = NDArray[np.float32]

AGENT_RANGE_M = 80.0
SHADOW_RANGE_M = 45.0
GAMMA = 1.0 / 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Light:
    """Sun, sky and haze of one episode; all colours linear RGB.

    Attributes:
        to_sun_3: Unit vector towards the sun, map frame.
        sun_3, ambient_3: Colours of direct and indirect light.
        zenith_3, horizon_3: Sky colours; the horizon is also the haze.
        haze_per_m: Extinction.
        shadow: How dark a shadow is, 0 none .. 1 full.
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
        """Light of a weather."""
        elevation, azimuth = weather.sun_elevation_rad, weather.sun_azimuth_rad
        to_sun = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
        day = 1.0 - 0.8 * weather.darkness
        low = float(np.clip(1.0 - elevation / 0.5, 0.0, 1.0))
        clear = 1.0 - weather.cloudiness
        sun = np.asarray([1.0, 0.93 - 0.20 * low, 0.82 - 0.38 * low]) * 0.85 * clear * day
        ambient = (np.asarray([0.46, 0.50, 0.58]) + 0.32 * weather.cloudiness) * day
        grey = np.asarray([0.62, 0.64, 0.67])
        zenith = (np.asarray([0.16, 0.34, 0.66]) * clear + grey * weather.cloudiness) * day
        horizon = (np.asarray([0.66 + 0.15 * low, 0.72, 0.80 - 0.15 * low]) * clear + grey * weather.cloudiness) * day
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
        """Lit colours of triangles (F, 3); thin plates are lit from either side."""
        cosine = (
            np.abs(normal_F3 @ self.to_sun_3)[:, None] * np.where(normal_F3 @ self.to_sun_3 < 0.0, 0.25, 1.0)[:, None]
        )
        sky = 0.75 + 0.25 * normal_F3[:, 2:3]
        return np.asarray(albedo_F3 * (self.ambient_3 * sky + self.sun_3 * cosine), dtype=np.float32)

    def sky(self, direction_R3: Array) -> Array:
        """Sky colours (R, 3) of unit directions."""
        height = np.sqrt(np.clip(direction_R3[:, 2:3], 0.0, 1.0))
        return np.asarray(self.horizon_3 + height * (self.zenith_3 - self.horizon_3), dtype=np.float32)


class CameraRenderer:
    """Renders all cameras of a rig; ray directions are computed once."""

    def __init__(self, cameras: tuple[CameraMount, ...], light: Light) -> None:
        self._cameras = cameras
        self._light = light
        self._direction_R3 = np.concatenate([_directions(camera) for camera in cameras])
        self._offset_R3 = np.concatenate(
            [np.tile(camera.base_from_sensor()[:3, 3], (camera.width * camera.height, 1)) for camera in cameras]
        ).astype(np.float32)

    def render(
        self, static: RayScene, static_color_F3: Array, agents: RayScene | None, base_pose_3: tuple[float, float, float]
    ) -> dict[str, NDArray[np.uint8]]:
        """Pictures of all cameras.

        Args:
            static: The world; static_color_F3 are its lit colours, lamps included.
            agents: Traffic in the same frame, or None.
            base_pose_3: x, y, heading of base_link in that frame.

        Returns:
            Camera name -> uint8 (H, W, 3) RGB.
        """
        light = self._light
        turn = _rotation_z(base_pose_3[2])
        direction = np.ascontiguousarray(self._direction_R3 @ turn.T)
        origin = self._offset_R3 @ turn.T
        origin[:, :2] += np.asarray(base_pose_3[:2], dtype=np.float32)
        hits = static.cast(origin, direction)
        distance, triangle = hits.distance_R, hits.triangle_R
        color = static_color_F3[triangle]
        seen = distance < MISS_M
        if agents is not None:
            near = agents.cast(origin, direction, np.minimum(distance, AGENT_RANGE_M))
            on_agent = near.triangle_R >= 0
            color[on_agent] = light.shade(agents.mesh.albedo_F3, agents.normal_F3)[near.triangle_R[on_agent]]
            distance = np.where(on_agent, near.distance_R, distance)
            seen |= on_agent
            self._cast_shadows(color, agents, static, triangle, distance, origin, direction, seen & ~on_agent)
        haze = np.exp(-light.haze_per_m * distance)[:, None].astype(np.float32)
        color = np.where(seen[:, None], light.horizon_3 + haze * (color - light.horizon_3), light.sky(direction))
        picture = (255.0 * np.clip(color, 0.0, 1.0) ** np.float32(GAMMA) + 0.5).astype(np.uint8)
        return self._split(picture)

    def _cast_shadows(
        self,
        color: Array,
        agents: RayScene,
        static: RayScene,
        triangle: NDArray[np.int32],
        distance: Array,
        origin: Array,
        direction: Array,
        candidates: NDArray[np.bool_],
    ) -> None:
        """Darken ground pixels that traffic hides from the sun, in place."""
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
        color[index[dark]] *= np.float32(1.0) - np.float32(light.shadow) * share

    def _split(self, picture_R3: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
        images, start = {}, 0
        for camera in self._cameras:
            count = camera.width * camera.height
            images[camera.name] = picture_R3[start : start + count].reshape(camera.height, camera.width, 3)
            start += count
        return images


def _directions(camera: CameraMount) -> Array:
    """Unit directions (H * W, 3) of the pixel centres in base_link, row by row."""
    column, row = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    direction = np.stack(
        [np.ones_like(column), -(column - camera.cx) / camera.fx, -(row - camera.cy) / camera.fy], axis=-1
    ).reshape(-1, 3)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return (direction @ camera.base_from_sensor()[:3, :3].T).astype(np.float32)


def _rotation_z(heading_rad: float) -> Array:
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    return np.asarray([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]], dtype=np.float32)
