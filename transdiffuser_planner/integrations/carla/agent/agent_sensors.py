"""The agent's sensors in the leaderboard's words, and its limits on them."""

from __future__ import annotations

import math
from typing import Any

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.rig import Mount, Rig
from transdiffuser_planner.integrations.carla.agent.agent_settings import AgentSettings
from transdiffuser_planner.integrations.carla.sensor_setup import CarlaCamera, placement_of

LIDAR, GNSS, IMU, SPEED, MAP = "lidar", "gnss", "imu", "speed", "opendrive"
"""Names of the sensors besides the cameras, which have those of the rig."""
MAX_RADIUS_M = 3.0
MAX_CAMERAS, MAX_CAMERAS_QUALIFIER = 8, 4


def sensor_list(
    settings: AgentSettings, rig: Rig, cameras: tuple[CarlaCamera, ...], origin_ahead_m: float
) -> list[dict[str, Any]]:
    """Return the sensors as ``AutonomousAgent.sensors`` returns them.

    GNSS and IMU are mounted on the rear axle, so that they measure base_link itself.

    Args:
        settings: Its track decides about the map.
        rig: The vehicle and its sensors.
        cameras: The rig's cameras in CARLA.
        origin_ahead_m: Distance of the vehicle's origin ahead of base_link.

    Raises:
        ConfigError: More or other sensors than the leaderboard permits.
    """
    found = [
        {
            "type": "sensor.camera.rgb",
            "id": camera.name,
            **camera.placement.to_dict(),
            "width": camera.width,
            "height": camera.height,
            "fov": camera.fov_deg,
        }
        for camera in cameras
    ]
    if rig.lidar is not None:
        mounted = placement_of(rig.lidar, origin_ahead_m).to_dict()
        found.append({"type": "sensor.lidar.ray_cast", "id": LIDAR, **mounted})
    axle = placement_of(Mount(), origin_ahead_m).to_dict()
    found.append({"type": "sensor.other.gnss", "id": GNSS, **axle})
    found.append({"type": "sensor.other.imu", "id": IMU, **axle})
    found.append({"type": "sensor.speedometer", "id": SPEED})
    if settings.has_map:
        found.append({"type": "sensor.opendrive_map", "id": MAP})
    _check(found, settings)
    return found


def _check(sensors: list[dict[str, Any]], settings: AgentSettings) -> None:
    """Check the leaderboard's limits, which would otherwise end the run with its own message.

    Raises:
        ConfigError: A limit is exceeded.
    """
    most = MAX_CAMERAS_QUALIFIER if settings.track.endswith("QUALIFIER") else MAX_CAMERAS
    num_cameras = sum(sensor["type"] == "sensor.camera.rgb" for sensor in sensors)
    if num_cameras > most:
        raise ConfigError(f"rig: {num_cameras} cameras, track {settings.track} permits {most}; use another rig")
    for sensor in sensors:
        radius_m = math.sqrt(sum(sensor.get(axis, 0.0) ** 2 for axis in ("x", "y", "z")))
        if radius_m > MAX_RADIUS_M:
            raise ConfigError(
                f"rig: sensor '{sensor['id']}' is {radius_m:.2f} m from the vehicle's origin, the leaderboard permits "
                f"{MAX_RADIUS_M:g} m; move it, or correct base_from_odometry_child_x_m"
            )
