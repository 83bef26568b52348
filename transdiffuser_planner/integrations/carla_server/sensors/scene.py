"""What sensors see: the town and the bodies of all actors, in the simulator's terms."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.rig import CameraMount, LidarMount, Mount, Rig
from transdiffuser_planner.integrations.carla_server.world.actors import Actor
from transdiffuser_planner.integrations.carla_server.world.frames import Transform
from transdiffuser_planner.integrations.carla_server.world.town import Town
from transdiffuser_planner.simulation.scenario import Weather
from transdiffuser_planner.simulation.sensors.lidar import LidarModel
from transdiffuser_planner.simulation.sensors.sensor_suite import SensorSuite
from transdiffuser_planner.simulation.world_state import EgoPose, WorldState

_LEVEL_DEG, _LEVEL_M = 0.01, 0.01
_UNDER_GROUND_M = -2.0
_CLASS_OF_BASE = {
    "motorcycle": AgentClass.MOTORCYCLE,
    "bicycle": AgentClass.BICYCLE,
    "truck": AgentClass.TRUCK,
    "bus": AgentClass.TRUCK,
}
_NOTHING = Rig(cameras=(), lidar=LidarMount())


class Scene:
    """The town's triangles, built when a sensor first needs them, and suites of sensors in them.

    Args:
        town: The map.
        seed: Of the sensors' noise.

    Attributes:
        town: As given.
    """

    def __init__(self, town: Town, seed: int) -> None:
        self.town, self._seed = town, seed
        self._base: SensorSuite | None = None
        self._weather: Weather | None = None

    def suite(self, rig: Rig, weather: Weather, lidar: LidarModel | None = None) -> SensorSuite:
        """Return a suite of sensors.

        Args:
            rig: Cameras or LiDAR.
            weather: Present weather.
            lidar: Beams of the LiDAR.
        """
        return self.base(weather).with_rig(rig, lidar)

    def base(self, weather: Weather) -> SensorSuite:
        """Return the suite that shares the world's triangles.

        Args:
            weather: Present weather.
        """
        if self._base is None:
            self._base = SensorSuite(self.town.road_map, _NOTHING, weather, self._seed)
        elif weather != self._weather:
            self._base = self._base.with_weather(weather)
        self._weather = weather
        return self._base


def viewpoint(sensor: Actor) -> tuple[EgoPose, Transform]:
    """Return a level pose and the sensor's pose in its frame: of the vehicle that carries it, else below the sensor.

    Args:
        sensor: Any sensor.
    """
    place = sensor.transform if sensor.parent is None else sensor.parent.transform
    is_level = max(abs(place.pitch), abs(place.roll)) < _LEVEL_DEG and abs(place.z) < _LEVEL_M
    if sensor.parent is not None and is_level:
        return pose_of(place, math.hypot(*sensor.parent.velocity[:2])), sensor.relative
    own = sensor.transform
    return pose_of(own, 0.0), Transform(0.0, 0.0, own.z, own.pitch, 0.0, own.roll)


def pose_of(place: Transform, speed_mps: float) -> EgoPose:
    """Convert a pose from CARLA's world to the map frame.

    Args:
        place: In the world.
        speed_mps: Along the heading.
    """
    return EgoPose(x_m=place.x, y_m=-place.y, heading_rad=place.heading_rad, speed_mps=speed_mps)


def mount(place: Transform) -> Mount:
    """Convert a pose from CARLA's frame to the rig's.

    Args:
        place: In the vehicle's frame.
    """
    return Mount(
        x_m=place.x,
        y_m=-place.y,
        z_m=place.z,
        roll_rad=math.radians(place.roll),
        pitch_rad=-math.radians(place.pitch),
        yaw_rad=-math.radians(place.yaw),
    )


def camera_mount(name: str, place: Transform, width: int, height: int, fov_deg: float) -> CameraMount:
    """Return a camera of CARLA as the rig has it.

    Args:
        name: Of the camera.
        place: In the vehicle's frame.
        width: Pixels.
        height: Pixels.
        fov_deg: Horizontal field of view.
    """
    at, focal = mount(place), width / (2.0 * math.tan(math.radians(fov_deg) / 2.0))
    return CameraMount(
        name=name,
        width=width,
        height=height,
        fx=focal,
        fy=focal,
        cx=width / 2.0,
        cy=height / 2.0,
        x_m=at.x_m,
        y_m=at.y_m,
        z_m=at.z_m,
        roll_rad=at.roll_rad,
        pitch_rad=at.pitch_rad,
        yaw_rad=at.yaw_rad,
    )


def world_state(
    pose: EgoPose, time_s: float, actors: Iterable[Actor], signals: dict[str, str], *, without: Actor | None
) -> WorldState:
    """Return the world around a sensor.

    Args:
        pose: As ``viewpoint`` returns it.
        time_s: Simulated time.
        actors: All of them.
        signals: Letters of the traffic lights.
        without: Vehicle that carries the sensor.
    """
    return WorldState(stamp_ns=round(time_s * 1e9), ego=pose, agents=bodies(actors, without=without), signals=signals)


def bodies(actors: Iterable[Actor], *, without: Actor | None = None) -> AgentStates:
    """Return the bodies of actors on the ground; props are boxes.

    Args:
        actors: All of them.
        without: Left out.
    """
    seen = [
        actor
        for actor in actors
        if actor is not without and actor.body.height_m > 0.0 and actor.transform.z > _UNDER_GROUND_M
    ]
    if not seen:
        return AgentStates.empty("map")
    speeds = [math.hypot(actor.velocity[0], actor.velocity[1]) for actor in seen]
    return AgentStates(
        frame_id="map",
        id_N=np.asarray([actor.actor_id for actor in seen], dtype=np.uint32),
        class_N=np.asarray([int(_class_of(actor)) for actor in seen], dtype=np.int8),
        x_m_N=np.asarray([actor.transform.x for actor in seen]),
        y_m_N=np.asarray([-actor.transform.y for actor in seen]),
        heading_rad_N=np.asarray([actor.transform.heading_rad for actor in seen]),
        speed_mps_N=np.asarray(speeds),
        length_m_N=np.asarray([actor.body.length_m for actor in seen]),
        width_m_N=np.asarray([actor.body.width_m for actor in seen]),
        height_m_N=np.asarray([actor.body.height_m for actor in seen]),
        braking_N=np.asarray([_is_braking(actor) for actor in seen], dtype=np.bool_),
    )


def _class_of(actor: Actor) -> AgentClass:
    if actor.is_kind("walker"):
        return AgentClass.PEDESTRIAN
    if actor.is_kind("static"):
        return AgentClass.TRUCK  # the plainest box
    return _CLASS_OF_BASE.get(actor.description.text("base_type"), AgentClass.CAR)


def _is_braking(actor: Actor) -> bool:
    ahead = math.radians(actor.transform.yaw)
    along = actor.acceleration[0] * math.cos(ahead) + actor.acceleration[1] * math.sin(ahead)
    return along < -0.3 or math.hypot(*actor.velocity[:2]) < 0.05
