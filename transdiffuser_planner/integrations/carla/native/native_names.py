"""Topics of CARLA's own ROS 2 interface, which differ between the released versions and the development line.

Released are 0.9.16 and 0.10.0. The development line moves point clouds and publishes the vehicle's odometry, and its
IMU is right-handed.
"""

from __future__ import annotations

from enum import Enum

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.messages.topic_map import TopicMap

ROS_NAME = "hero"
"""Only a vehicle with this role is registered; its attribute ros_name is the base of all topics."""
ODOMETRY_SUFFIX = "odometry"


class NativeNames(Enum):
    """Which of the two lines a server is of."""

    RELEASED = "released"
    DEVELOPMENT = "development"

    @property
    def has_odometry(self) -> bool:
        """Whether the server publishes the vehicle's odometry, of its origin."""
        return self is NativeNames.DEVELOPMENT

    @property
    def has_right_handed_imu(self) -> bool:
        """Whether accelerations and rates are converted to right-handed axes (carla issues 8897 and 9563)."""
        return self is NativeNames.DEVELOPMENT

    @staticmethod
    def of(text: str) -> NativeNames:
        """Return the line of a name.

        Args:
            text: released or development.

        Raises:
            ConfigError: It is neither.
        """
        try:
            return NativeNames(text)
        except ValueError:
            known = ", ".join(names.value for names in NativeNames)
            raise ConfigError(f"names of CARLA's ROS 2 interface: expected {known}, got '{text}'") from None


def base(ros_name: str = ROS_NAME) -> str:
    """Return the beginning of a vehicle's topics.

    Args:
        ros_name: Of the vehicle.
    """
    return f"/carla/{ros_name}"


def topic_map(names: NativeNames, rig: Rig, ros_name: str = ROS_NAME) -> TopicMap:
    """Return the topics of a vehicle whose sensors are named like those of a rig.

    Args:
        names: Line of the server.
        rig: Names of cameras and LiDAR.
        ros_name: Of the vehicle.
    """
    start = base(ros_name)
    lidar = ""
    if rig.lidar is not None:
        lidar = f"{start}/{rig.lidar.name}" + ("/point_cloud" if names is NativeNames.DEVELOPMENT else "")
    return TopicMap(
        images={camera.name: f"{start}/{camera.name}/image" for camera in rig.cameras},
        camera_infos={camera.name: f"{start}/{camera.name}/camera_info" for camera in rig.cameras},
        lidar=lidar,
        odometry=f"{start}/{ODOMETRY_SUFFIX}",
        acceleration=f"{start}/acceleration",
        route=f"{start}/waypoints",
        command=f"{start}/command",
        speed_limit=f"{start}/speed_limit",
        traffic_signal=f"{start}/traffic_signal",
        objects="/carla/objects",
    )
