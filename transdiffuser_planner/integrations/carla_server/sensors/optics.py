"""Cameras: color images, depth and semantic segmentation, encoded as CARLA encodes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.rig import CameraMount, Rig
from transdiffuser_planner.core.view_semantics import ViewClass
from transdiffuser_planner.integrations.carla_server.protocol import payloads
from transdiffuser_planner.integrations.carla_server.protocol.messages import CallError
from transdiffuser_planner.integrations.carla_server.protocol.streams import PayloadType
from transdiffuser_planner.integrations.carla_server.sensors.scene import Scene, camera_mount, viewpoint, world_state
from transdiffuser_planner.integrations.carla_server.world.actors import Actor
from transdiffuser_planner.integrations.carla_server.world.frames import Transform
from transdiffuser_planner.simulation.scenario import Weather
from transdiffuser_planner.simulation.sensors.camera import AGENT_RANGE_M, directions
from transdiffuser_planner.simulation.sensors.label_camera import LabelCamera
from transdiffuser_planner.simulation.sensors.ray_culling import TrafficScene
from transdiffuser_planner.simulation.sensors.ray_scene import turned
from transdiffuser_planner.simulation.sensors.sensor_suite import SensorSuite
from transdiffuser_planner.simulation.world_state import WorldState

RGB, DEPTH, SEMANTIC = "sensor.camera.rgb", "sensor.camera.depth", "sensor.camera.semantic_segmentation"
MAX_PIXELS = 4096 * 4096
DEPTH_RANGE_M = 1000.0
"""What is farther has the largest depth, as in CARLA."""
KINDS = {
    RGB: PayloadType.RGB_CAMERA,
    DEPTH: PayloadType.DEPTH_CAMERA,
    SEMANTIC: PayloadType.SEMANTIC_CAMERA,
}
_TAG_OF_VIEW = {
    ViewClass.REST: 25,
    ViewClass.ROAD: 1,
    ViewClass.MARKING: 24,
    ViewClass.SIDEWALK: 2,
    ViewClass.VEHICLE: 14,
    ViewClass.PERSON: 12,
    ViewClass.LAMP: 7,
}
"""CityObjectLabel of what the simulator distinguishes; buildings, vegetation and sky are ground."""


class Cameras:
    """Renders cameras; those of one vehicle that are due together share their rays' preparation.

    Args:
        scene: What they see.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._suites: dict[tuple[int, ...], tuple[object, SensorSuite]] = {}

    @staticmethod
    def check(sensor: Actor) -> None:
        """Check the attributes of a camera that is to be made.

        Args:
            sensor: With its description.

        Raises:
            CallError: A value is out of range.
        """
        width, height, _ = _shape(sensor)
        if width * height > MAX_PIXELS:
            raise CallError(f"{sensor.type_id}: {width} x {height} pixels are too many")

    def render(
        self,
        sensors: list[Actor],
        time_s: float,
        actors: list[Actor],
        signals: dict[str, str],
        weather: Weather,
    ) -> dict[int, bytes]:
        """Return the payload of each camera by its actor's number.

        Args:
            sensors: Cameras of one vehicle, or one without a vehicle.
            time_s: Simulated time.
            actors: All of them.
            signals: Letters of the traffic lights.
            weather: Present weather.
        """
        pose, _ = viewpoint(sensors[0])
        mounts = {sensor.actor_id: _mount(sensor, viewpoint(sensor)[1]) for sensor in sensors}
        world = world_state(pose, time_s, actors, signals, without=sensors[0].parent)
        colors = [sensor for sensor in sensors if sensor.type_id == RGB]
        suite = self._suite([mounts[sensor.actor_id] for sensor in colors], weather)
        traffic = suite.scene(world)
        images = suite.images(world, traffic) if colors else {}
        found = {}
        for sensor in sensors:
            if sensor.type_id == RGB:
                image = images[str(sensor.actor_id)]
            elif sensor.type_id == DEPTH:
                image = _depth(mounts[sensor.actor_id], suite, traffic, world)
            else:
                image = _labels(mounts[sensor.actor_id], suite, traffic, world)
            found[sensor.actor_id] = payloads.image(image, _shape(sensor)[2])
        return found

    def _suite(self, mounts: list[CameraMount], weather: Weather) -> SensorSuite:
        if not mounts:
            return self._scene.base(weather)
        key = tuple(int(mount.name) for mount in mounts)
        state = (tuple(mounts), weather, id(self._scene.base(weather)))
        known = self._suites.get(key)
        if known is None or known[0] != state:
            if len(self._suites) > 32:
                self._suites.clear()
            known = state, self._scene.suite(Rig(cameras=tuple(mounts), lidar=None), weather)
            self._suites[key] = known
        return known[1]


def _shape(sensor: Actor) -> tuple[int, int, float]:
    """Return width, height and field of view."""
    number = sensor.description.number
    return (
        int(number("image_size_x", 1, 8192)),
        int(number("image_size_y", 1, 8192)),
        number("fov", 1.0, 179.0),
    )


def _mount(sensor: Actor, place: Transform) -> CameraMount:
    width, height, fov_deg = _shape(sensor)
    return camera_mount(str(sensor.actor_id), place, width, height, fov_deg)


def _base_pose(suite: SensorSuite, world: WorldState) -> tuple[float, float, float]:
    ego = world.ego
    return float(ego.x_m - suite.origin_2[0]), float(ego.y_m - suite.origin_2[1]), ego.heading_rad


def _labels(
    camera: CameraMount, suite: SensorSuite, traffic: TrafficScene | None, world: WorldState
) -> NDArray[np.uint8]:
    """Return the semantic image: the tag in the red channel."""
    rays = None if traffic is None else traffic.rays
    views = LabelCamera((camera,)).render(suite.static, rays, _base_pose(suite, world))[camera.name]
    table = np.zeros(256, dtype=np.uint8)
    for view, tag in _TAG_OF_VIEW.items():
        table[int(view)] = tag
    image = np.zeros((*views.shape, 3), dtype=np.uint8)
    image[..., 0] = table[views]
    return image


def _depth(
    camera: CameraMount, suite: SensorSuite, traffic: TrafficScene | None, world: WorldState
) -> NDArray[np.uint8]:
    """Return the depth image: (R + 256 G + 65536 B) / (2^24 - 1) of 1000 m along the optical axis."""
    x, y, heading = _base_pose(suite, world)
    cos, sin = np.cos(heading), np.sin(heading)
    turn = np.asarray([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]], dtype=np.float32)
    base_R3 = directions(camera)
    direction = turned(base_R3, turn)
    transform = camera.base_from_sensor().astype(np.float32)
    position = turned(transform[None, :3, 3], turn)[0] + np.asarray([x, y, 0.0], dtype=np.float32)
    origin = np.broadcast_to(position, direction.shape)
    distance = suite.static.cast(origin, direction).distance_R
    if traffic is not None:
        near = traffic.rays.cast(origin, direction, np.minimum(distance, np.float32(AGENT_RANGE_M)))
        distance = np.where(near.triangle_R >= 0, near.distance_R, distance)
    depth = np.clip(distance * (base_R3 @ transform[:3, 0]) / DEPTH_RANGE_M, 0.0, 1.0)
    code = np.round(depth.astype(np.float64) * ((1 << 24) - 1)).astype(np.uint32)
    channels = [code & 255, (code >> 8) & 255, code >> 16]
    return np.stack(channels, axis=-1).astype(np.uint8).reshape(camera.height, camera.width, 3)
