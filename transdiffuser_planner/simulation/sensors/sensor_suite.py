"""All sensors of the simulated ego: renders images and point cloud of a world state."""

from __future__ import annotations

import copy
import zlib
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.scenario import Weather
from transdiffuser_planner.simulation.sensors.agent_meshes import agents_meshes
from transdiffuser_planner.simulation.sensors.body_attitude import LEVEL, BodyAttitude
from transdiffuser_planner.simulation.sensors.camera import AGENT_RANGE_M, CameraRenderer, Light
from transdiffuser_planner.simulation.sensors.drive_look import DriveLook
from transdiffuser_planner.simulation.sensors.label_camera import LabelCamera
from transdiffuser_planner.simulation.sensors.lidar import LidarModel, LidarScanner
from transdiffuser_planner.simulation.sensors.mesh import Mesh
from transdiffuser_planner.simulation.sensors.ray_culling import Prisms, TrafficScene
from transdiffuser_planner.simulation.sensors.ray_scene import RayScene
from transdiffuser_planner.simulation.sensors.vehicle_shapes import varied_meshes
from transdiffuser_planner.simulation.sensors.world_mesh import Lamp, build_world_mesh
from transdiffuser_planner.simulation.world_state import WorldState

LAMP_ON = np.asarray([[6.0, 0.25, 0.15], [6.0, 3.2, 0.10], [0.15, 4.5, 1.2]], dtype=np.float32)
LAMP_OFF = np.asarray([[0.05, 0.008, 0.008], [0.05, 0.04, 0.008], [0.008, 0.04, 0.015]], dtype=np.float32)
_COLOR_OF_STATE = {"r": 0, "u": 0, "y": 1, "Y": 1, "o": 1, "g": 2, "G": 2, "s": 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class SensorFrame:
    """Sensor data of one step.

    Attributes:
        stamp_ns: Of the world state.
        images: Camera name -> uint8 (H, W, 3) RGB.
        lidar_N4: x, y, z, intensity in the LiDAR's frame, float32; None without a LiDAR.
        labels: Camera name -> ViewClass of its pixels (H, W), uint8; empty unless requested.
    """

    stamp_ns: int
    images: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    lidar_N4: NDArray[np.float32] | None = None
    labels: dict[str, NDArray[np.uint8]] = field(default_factory=dict)


class SensorSuite:
    """Renderer of a rig's sensors in one map; the static world is built once.

    Args:
        road_map: Static world.
        rig: Cameras and LiDAR.
        weather: Of the episode.
        seed: Of the sensor noise.
        look: What differs in this drive from the plain simulator; None for nothing.
        with_labels: Render the ground truth of the cameras' pixels, too.
    """

    def __init__(
        self,
        road_map: RoadMap,
        rig: Rig,
        weather: Weather,
        seed: int,
        look: DriveLook | None = None,
        *,
        with_labels: bool = False,
    ) -> None:
        self._look = look
        world = build_world_mesh(road_map) if look is None else look.world_mesh(road_map)
        # Coordinates near the origin keep float32 rays precise on maps with large coordinates.
        self._origin_2 = np.mean([lane.center_N2.mean(axis=0) for lane in road_map.lanes], axis=0)
        self._ground = (world.mesh.albedo_F3, world.vegetation_F, world.asphalt_F)
        self._weather = weather
        albedo = _weathered(*self._ground, weather)
        mesh = replace(_shifted(world.mesh, self._origin_2), albedo_F3=albedo)
        self._lamps: dict[str, list[Lamp]] = {}
        for lamp in world.lamps:
            self._lamps.setdefault(lamp.signal_id, []).append(lamp)
        self._shown: dict[str, str] = {}
        self._light = Light.from_weather(weather)
        objects = [] if look is None else [_shifted(item, self._origin_2) for item in look.objects]
        self._static = RayScene([mesh, *objects])
        color_F3 = self._light.shade(self._static.albedo_F3, self._static.normal_F3)
        self._color_3F = np.ascontiguousarray(color_F3.T)
        self._cameras = CameraRenderer(rig.cameras, self._light) if rig.cameras else None
        model = None if look is None else look.lidar
        self._lidar = LidarScanner(rig.lidar, weather, model) if rig.lidar is not None else None
        self._labels = LabelCamera(rig.cameras) if with_labels else None
        self._seed = seed

    def with_weather(self, weather: Weather) -> SensorSuite:
        """Return a suite of the same world and rig in another weather; the world's geometry is shared.

        Args:
            weather: From now on.
        """
        other = copy.copy(self)
        other._weather, other._light, other._shown = weather, Light.from_weather(weather), {}
        albedo_F3 = self._static.albedo_F3.copy()
        albedo_F3[: len(self._ground[0])] = _weathered(*self._ground, weather)
        other._color_3F = np.ascontiguousarray(other._light.shade(albedo_F3, self._static.normal_F3).T)
        return other

    def with_rig(self, rig: Rig, lidar: LidarModel | None = None) -> SensorSuite:
        """Return a suite of the same world and weather with other sensors; the world and its lamps are shared.

        Args:
            rig: Cameras and LiDAR.
            lidar: Beams of the LiDAR; None for the default.
        """
        other = copy.copy(self)
        other._cameras = CameraRenderer(rig.cameras, self._light) if rig.cameras else None
        other._lidar = LidarScanner(rig.lidar, self._weather, lidar) if rig.lidar is not None else None
        return other

    @property
    def static(self) -> RayScene:
        """The static world, relative to ``origin_2``."""
        return self._static

    @property
    def origin_2(self) -> NDArray[np.float64]:
        """Place in the map frame that coordinates of ``static`` are relative to, m."""
        return np.asarray(self._origin_2, dtype=np.float64)

    def render(self, world: WorldState) -> SensorFrame:
        """Render images and point cloud of one step; noise is seeded from (seed, stamp).

        Args:
            world: State of the world.
        """
        traffic = self.scene(world)
        return SensorFrame(
            stamp_ns=world.stamp_ns,
            images=self.images(world, traffic),
            lidar_N4=self.cloud(world, traffic),
            labels=self.labels(world, traffic),
        )

    def scene(self, world: WorldState) -> TrafficScene | None:
        """Set the traffic lights and return what moves within 80 m of the ego; None without traffic there.

        Args:
            world: State of the world.
        """
        self._light_lamps(world.signals)
        agents = world.agents
        near = agents.select(np.hypot(agents.x_m_N - world.ego.x_m, agents.y_m_N - world.ego.y_m) < AGENT_RANGE_M)
        if len(near) == 0:
            return None
        ground = None if self._look is None else self._look.ground(np.stack([near.x_m_N, near.y_m_N], axis=-1))
        meshes = agents_meshes(near) if ground is None else varied_meshes(near, ground)
        bodies = [_shifted(mesh, self._origin_2) for mesh in meshes]
        boxes = replace(near, x_m_N=near.x_m_N - self._origin_2[0], y_m_N=near.y_m_N - self._origin_2[1])
        heading = np.stack([np.cos(near.heading_rad_N), np.sin(near.heading_rad_N)], axis=-1)
        return TrafficScene(
            rays=RayScene(bodies, self._static),
            prisms=Prisms.around(boxes, ground),
            velocity_N2=near.speed_mps_N[:, None] * heading,
        )

    def images(self, world: WorldState, traffic: TrafficScene | None) -> dict[str, NDArray[np.uint8]]:
        """Render the cameras: name -> (H, W, 3) RGB.

        Args:
            world: State of the world.
            traffic: Its ``scene``.
        """
        if self._cameras is None:
            return {}
        pose, body = self._pose(world), self._body(world)
        images = self._cameras.render(self._static, self._color_3F, traffic, pose, body)
        if self._look is None:
            return images
        rng = self._generator(world, "cameras")
        return {name: self._look.effects.applied(image, name, rng) for name, image in images.items()}

    def labels(self, world: WorldState, traffic: TrafficScene | None) -> dict[str, NDArray[np.uint8]]:
        """Render the classes of the cameras' pixels: name -> (H, W) ViewClass; empty unless they were requested.

        Args:
            world: State of the world.
            traffic: Its ``scene``.
        """
        if self._labels is None:
            return {}
        return self._labels.render(
            self._static, None if traffic is None else traffic.rays, self._pose(world), self._body(world)
        )

    def cloud(self, world: WorldState, traffic: TrafficScene | None) -> NDArray[np.float32] | None:
        """Scan with the LiDAR: points (N, 4) as in SensorFrame; None without a LiDAR.

        Args:
            world: State of the world.
            traffic: Its ``scene``.
        """
        if self._lidar is None:
            return None
        motion = (world.ego.speed_mps, world.ego.speed_mps * world.ego.curvature_per_m)
        return self._lidar.scan(
            self._static, traffic, self._pose(world), self._generator(world), self._body(world), motion
        )

    def _generator(self, world: WorldState, purpose: str = "") -> np.random.Generator:
        extra = [zlib.crc32(purpose.encode())] if purpose else []
        return np.random.default_rng([self._seed, world.stamp_ns & 0xFFFFFFFF, world.stamp_ns >> 32, *extra])

    def _body(self, world: WorldState) -> BodyAttitude:
        return LEVEL if self._look is None else self._look.attitude(world)

    def _pose(self, world: WorldState) -> tuple[float, float, float]:
        return world.ego.x_m - self._origin_2[0], world.ego.y_m - self._origin_2[1], world.ego.heading_rad

    def _light_lamps(self, signals: dict[str, str]) -> None:
        """Set the lamps' colors where a signal has changed; they do not depend on daylight."""
        for name, lamps in self._lamps.items():
            state = signals.get(name, "")
            if self._shown.get(name) == state:
                continue
            self._shown[name] = state
            for lamp in lamps:
                color = _COLOR_OF_STATE.get(state[lamp.link], -1) if lamp.link < len(state) else -1
                rows = slice(lamp.first_triangle, lamp.first_triangle + lamp.num_triangles)
                self._color_3F[:, rows] = (LAMP_ON if color == lamp.color else LAMP_OFF)[lamp.color][:, None]


def _shifted(mesh: Mesh, origin_2: NDArray[np.float64]) -> Mesh:
    """Return the mesh in coordinates relative to an origin on the ground."""
    vertices = mesh.vertices_V3.astype(np.float64) - [*origin_2, 0.0]
    return replace(mesh, vertices_V3=vertices.astype(np.float32))


def _weathered(
    albedo_F3: NDArray[np.float32], vegetation_F: NDArray[np.bool_], asphalt_F: NDArray[np.bool_], weather: Weather
) -> NDArray[np.float32]:
    """Apply season to vegetation and wetness to roads."""
    albedo: NDArray[np.float32] = albedo_F3.copy()
    dry = np.asarray([0.42, 0.36, 0.20], dtype=np.float32)
    tint = np.asarray(weather.ground_tint_rgb, dtype=np.float32)
    albedo[vegetation_F] = (albedo[vegetation_F] * (1.0 - 0.7 * weather.season) + 0.7 * weather.season * dry) * tint
    albedo[asphalt_F] *= 1.0 - 0.45 * weather.wetness
    return albedo
