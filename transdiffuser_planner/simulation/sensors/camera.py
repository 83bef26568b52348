"""Pinhole cameras by ray casting: surfaces lit by sun and sky, shadows of traffic, haze, sky.

One ray per pixel center. All cameras of a rig are cast in one batch. Colors are albedo x (ambient + sun x cosine),
mixed with the haze color by distance, then encoded with gamma 2. Colors of rays are kept as three rows (3, R), which is
several times faster to work on than R rows of three. R rays, V rays that hit the static world, F triangles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.rig import CameraMount
from transdiffuser_planner.simulation.scenario import Weather
from transdiffuser_planner.simulation.sensors.body_attitude import LEVEL, BodyAttitude
from transdiffuser_planner.simulation.sensors.ray_culling import Prisms, RayFan, TrafficScene
from transdiffuser_planner.simulation.sensors.ray_scene import RayScene, turned

Array = NDArray[np.float32]

AGENT_RANGE_M = 80.0
SHADOW_RANGE_M = 45.0
# Fainter shadows are not cast.
MIN_SHADOW = 0.05


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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Viewpoint:
    """Consecutive cameras at one position.

    Attributes:
        rays: Theirs.
        offset_3: Position in base_link, m.
        fan: Of these rays.
    """

    rays: slice
    offset_3: Array
    fan: RayFan


class CameraRenderer:
    """Renderer of all cameras of a rig; ray directions and the sky are computed once.

    Args:
        cameras: Of the rig.
        light: Of the episode.
    """

    def __init__(self, cameras: tuple[CameraMount, ...], light: Light) -> None:
        self._cameras = cameras
        self._light = light
        self._direction_R3 = np.concatenate([directions(camera) for camera in cameras])
        self._viewpoints = _viewpoints(cameras, self._direction_R3)
        # A vehicle on flat ground turns about the vertical axis, which does not change the sky.
        self._sky_R3 = self._sky_of(self._direction_R3)

    def render(
        self,
        static: RayScene,
        static_color_3F: Array,
        traffic: TrafficScene | None,
        base_pose_3: tuple[float, float, float],
        body: BodyAttitude = LEVEL,
    ) -> dict[str, NDArray[np.uint8]]:
        """Render all cameras.

        Args:
            static: The static world.
            static_color_3F: Lit colors of its triangles, lamps included.
            traffic: Agents in the same frame, or None.
            base_pose_3: x, y, heading of base_link in that frame.
            body: Height, roll and pitch of base_link.

        Returns:
            Camera name -> uint8 (H, W, 3) RGB.
        """
        turn = body.turn(base_pose_3[2]).astype(np.float32)
        direction = turned(self._direction_R3, turn)
        positions = [turned(view.offset_3[None], turn)[0] for view in self._viewpoints]
        for position_3 in positions:
            position_3 += np.asarray([base_pose_3[0], base_pose_3[1], body.z_m], dtype=np.float32)
        origin = np.broadcast_to(positions[0], direction.shape)
        if len(positions) > 1:
            origin = np.repeat(positions, [len(view.fan) for view in self._viewpoints], axis=0)
        hits = static.cast(origin, direction)
        image_R3 = self._sky_R3.copy() if body.is_upright else self._sky_of(direction)
        index_V = np.flatnonzero(hits.triangle_R >= 0)
        triangle_V, distance_V = hits.triangle_R[index_V], hits.distance_R[index_V]
        color_3V = np.take(static_color_3F, triangle_V, axis=1)
        if traffic is None:
            self._paint(image_R3, index_V, color_3V, distance_V)
            return self._split(image_R3)
        agents, light = traffic.rays, self._light
        index = np.flatnonzero(
            self._nearest(traffic.prisms, positions, base_pose_3[2], body.slack_rad) < hits.distance_R
        )
        near = agents.cast(origin[index], direction[index], np.minimum(hits.distance_R[index], AGENT_RANGE_M))
        is_hit = near.triangle_R >= 0
        index, triangle = index[is_hit], near.triangle_R[is_hit]
        if light.shadow >= MIN_SHADOW:
            is_free_R = np.ones(len(direction), dtype=np.bool_)
            is_free_R[index] = False
            place = np.flatnonzero((distance_V < SHADOW_RANGE_M) & is_free_R[index_V])
            place = place[static.normal_F3[triangle_V[place], 2] > 0.9]
            ground = index_V[place]
            point = origin[ground] + (distance_V[place, None] - 1e-3) * direction[ground]
            self._darken(color_3V, place[agents.blocked(point, np.broadcast_to(light.to_sun_3, point.shape))])
        self._paint(image_R3, index_V, color_3V, distance_V)
        shade_3F = light.shade(agents.albedo_F3, agents.normal_F3).T
        self._paint(image_R3, index, np.take(shade_3F, triangle, axis=1), near.distance_R[is_hit])
        return self._split(image_R3)

    def _sky_of(self, direction_R3: Array) -> NDArray[np.uint8]:
        return np.ascontiguousarray(_encoded(self._light.sky(direction_R3)).T)

    def _nearest(self, prisms: Prisms, positions: list[Array], heading_rad: float, slack_rad: float) -> Array:
        parts = (
            view.fan.nearest(prisms, position_3, heading_rad, slack_rad)
            for view, position_3 in zip(self._viewpoints, positions, strict=True)
        )
        return np.concatenate(list(parts))

    def _paint(self, image_R3: NDArray[np.uint8], index: NDArray[np.intp], color_3X: Array, distance_X: Array) -> None:
        """Write pixels of surfaces through the haze, in place."""
        haze_X = np.exp(-self._light.haze_per_m * distance_X)
        horizon_31 = self._light.horizon_3[:, None]
        color_3X = color_3X - horizon_31
        color_3X *= haze_X
        color_3X += horizon_31
        # Channel by channel: three times as fast as rows of three bytes.
        for channel, value_X in enumerate(_encoded(color_3X)):
            image_R3[:, channel][index] = value_X

    def _darken(self, color_3V: Array, place: NDArray[np.intp]) -> None:
        """Take the sun from colors of the ground, in place."""
        light = self._light
        share = light.sun_3 * light.to_sun_3[2] / (light.ambient_3 + light.sun_3 * light.to_sun_3[2])
        color_3V[:, place] *= (np.float32(1.0) - np.float32(light.shadow) * share)[:, None]

    def _split(self, image_R3: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
        images, start = {}, 0
        for camera in self._cameras:
            count = camera.width * camera.height
            images[camera.name] = image_R3[start : start + count].reshape(camera.height, camera.width, 3)
            start += count
        return images


def directions(camera: CameraMount) -> Array:
    """Return unit directions (H * W, 3) of the pixel centers in base_link, row by row."""
    column, row = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    direction = np.stack(
        [np.ones_like(column), -(column - camera.cx) / camera.fx, -(row - camera.cy) / camera.fy], axis=-1
    ).reshape(-1, 3)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return np.asarray(direction @ camera.base_from_sensor()[:3, :3].T, dtype=np.float32)


def _viewpoints(cameras: tuple[CameraMount, ...], direction_R3: Array) -> list[_Viewpoint]:
    """Return the positions of the cameras, those of neighbors at the same position once."""
    found: list[_Viewpoint] = []
    start = 0
    for camera in cameras:
        offset_3 = camera.base_from_sensor()[:3, 3].astype(np.float32)
        first, start = start, start + camera.width * camera.height
        if found and np.array_equal(found[-1].offset_3, offset_3):
            first = found.pop().rays.start
        rays = slice(first, start)
        found.append(_Viewpoint(rays=rays, offset_3=offset_3, fan=RayFan(direction_R3[rays])))
    return found


def _encoded(color_3X: Array) -> NDArray[np.uint8]:
    """Encode linear colors with gamma 2, as bytes."""
    value = np.clip(color_3X, 0.0, 1.0)
    np.sqrt(value, out=value)
    value *= 255.0
    value += 0.5
    return value.astype(np.uint8)
