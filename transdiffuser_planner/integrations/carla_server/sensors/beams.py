"""Ray-cast LiDAR: the part of the turn that falls into one tick, channel after channel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.rig import LidarMount, Rig, place_of
from transdiffuser_planner.integrations.carla_server.protocol import payloads
from transdiffuser_planner.integrations.carla_server.sensors.scene import Scene, mount, viewpoint, world_state
from transdiffuser_planner.integrations.carla_server.world.actors import Actor
from transdiffuser_planner.integrations.carla_server.world.frames import Transform
from transdiffuser_planner.simulation.scenario import Weather
from transdiffuser_planner.simulation.sensors.lidar import LidarModel
from transdiffuser_planner.simulation.sensors.sensor_suite import SensorSuite

RAY_CAST = "sensor.lidar.ray_cast"
_MAX_SUITES = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Beams:
    """Beams of a LiDAR.

    Attributes:
        channels: Rows.
        upper_rad, lower_rad: Elevation of the first and the last row.
        horizontal_rad: Sector that it looks into, around straight ahead.
        columns_per_s: Of each row.
        turns_per_s: Of the sensor.
        range_m: Farther returns are lost.
        noise_m: Standard deviation of the range.
        dropout: Share of returns lost at random.
    """

    channels: int
    upper_rad: float
    lower_rad: float
    horizontal_rad: float
    columns_per_s: float
    turns_per_s: float
    range_m: float
    noise_m: float
    dropout: float

    @staticmethod
    def of(sensor: Actor) -> Beams:
        """Read the attributes of a LiDAR.

        Args:
            sensor: With its description.

        Raises:
            CallError: A value is out of range.
        """
        number = sensor.description.number
        channels = int(number("channels", 1, 512))
        return Beams(
            channels=channels,
            upper_rad=math.radians(number("upper_fov", -90.0, 90.0)),
            lower_rad=math.radians(number("lower_fov", -90.0, 90.0)),
            horizontal_rad=math.radians(number("horizontal_fov", 0.1, 360.0)),
            columns_per_s=number("points_per_second", 1, 20_000_000) / channels,
            turns_per_s=number("rotation_frequency", 0.01, 1000.0),
            range_m=number("range", 0.1, 1000.0),
            noise_m=number("noise_stddev", 0.0, 10.0),
            dropout=number("dropoff_general_rate", 0.0, 1.0),
        )


class Lidars:
    """All LiDARs of an episode, with the angle that each has turned to.

    Args:
        scene: What they see.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._angle_rad: dict[int, float] = {}
        self._suites: dict[tuple[object, ...], SensorSuite] = {}

    @staticmethod
    def check(sensor: Actor) -> None:
        """Check the attributes of a LiDAR that is to be made.

        Args:
            sensor: With its description.

        Raises:
            CallError: A value is out of range.
        """
        Beams.of(sensor)

    def scan(
        self,
        sensor: Actor,
        dt_s: float,
        time_s: float,
        actors: list[Actor],
        signals: dict[str, str],
        weather: Weather,
    ) -> bytes:
        """Return the payload of one LiDAR.

        Args:
            sensor: The LiDAR.
            dt_s: Simulated time since its last one.
            time_s: Simulated time.
            actors: All of them.
            signals: Letters of the traffic lights.
            weather: Present weather.
        """
        beams = Beams.of(sensor)
        start = self._angle_rad.get(sensor.actor_id, 0.0)
        sector = min(2.0 * math.pi, beams.turns_per_s * 2.0 * math.pi * dt_s)
        columns = max(1, round(beams.columns_per_s * dt_s))
        self._angle_rad[sensor.actor_id] = (start + sector) % (2.0 * math.pi)
        pose, place = viewpoint(sensor)
        world = world_state(pose, time_s, actors, signals, without=sensor.parent)
        suite = self._suite(beams, place, start, sector, columns, weather)
        cloud = suite.cloud(world, suite.scene(world))
        assert cloud is not None
        points, counts = _by_channel(_in_sensor_frame(cloud, _scanner_angle(start, sector)), beams)
        return payloads.lidar(points, counts, self._angle_rad[sensor.actor_id])

    def forget(self, actor_id: int) -> None:
        """Drop what is known of a LiDAR.

        Args:
            actor_id: Of it.
        """
        self._angle_rad.pop(actor_id, None)

    def _suite(
        self, beams: Beams, place: Transform, start: float, sector: float, columns: int, weather: Weather
    ) -> SensorSuite:
        """Return the scanner of one sector; they recur, because a turn has few ticks."""
        key = (beams, place, round(start, 4), round(sector, 4), columns, weather, id(self._scene.base(weather)))
        if key not in self._suites:
            if len(self._suites) >= _MAX_SUITES:
                self._suites.clear()
            at = mount(place).base_from_sensor()
            turn = np.eye(4)
            angle = _scanner_angle(start, sector)
            turn[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
            model = LidarModel(
                num_beams=beams.channels,
                num_azimuths=max(1, round(columns * 2.0 * math.pi / sector)),
                low_rad=beams.lower_rad,
                high_rad=beams.upper_rad,
                range_m=beams.range_m,
                noise_m=beams.noise_m,
                dropout=beams.dropout,
                blocked_rad=(-math.pi + sector - 1e-6, math.pi) if sector < 2.0 * math.pi - 1e-6 else (0.0, 0.0),
            )
            lidar = LidarMount(**place_of(at @ turn))
            self._suites[key] = self._scene.suite(Rig(cameras=(), lidar=lidar), weather, model)
        return self._suites[key]


def _scanner_angle(start: float, sector: float) -> float:
    """Return the turn of the scanner whose columns begin at -180 degrees so that they cover a sector of CARLA's clockwise turn."""
    return math.pi - start - sector


def _in_sensor_frame(cloud_N4: NDArray[np.float32], angle: float) -> NDArray[np.float32]:
    """Return points of a sector in CARLA's sensor frame: turned back, y to the right."""
    points: NDArray[np.float32] = cloud_N4.copy()
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    points[:, 0] = cos * cloud_N4[:, 0] - sin * cloud_N4[:, 1]
    points[:, 1] = -(sin * cloud_N4[:, 0] + cos * cloud_N4[:, 1])
    return points


def _by_channel(points_N4: NDArray[np.float32], beams: Beams) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return the points within the field of view ordered by channel, the uppermost first, and the count of each."""
    azimuth = np.abs(np.arctan2(points_N4[:, 1], points_N4[:, 0]))
    points = points_N4[azimuth <= beams.horizontal_rad / 2.0 + 1e-6]
    elevation = np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1]))
    step = (beams.upper_rad - beams.lower_rad) / max(1, beams.channels - 1)
    channel = np.zeros(len(points), dtype=np.intp)
    if step != 0.0:
        channel = np.clip(np.round((beams.upper_rad - elevation) / step), 0, beams.channels - 1).astype(np.intp)
    order = np.argsort(channel, kind="stable")
    return points[order], np.bincount(channel, minlength=beams.channels)
