"""Messages of the simulated vehicle: world and sensor frames as (topic, type, message).

Topic names and types follow CARLA's ROS bridge where it has them. The headless recorder and the ROS simulator node
both publish these messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import Acceleration, EgoState, SignalState
from transdiffuser_planner.messages import encode_inputs
from transdiffuser_planner.messages.definitions import MessageFactory
from transdiffuser_planner.messages.input_registry import LABELS_TOPIC
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.map.route import SIGNAL_STATES, GlobalRoute
from transdiffuser_planner.simulation.sensors.sensor_suite import SensorFrame
from transdiffuser_planner.simulation.world_state import EgoPose, WorldState

EGO = "/carla/ego_vehicle"
MAP_FRAME = "map"
EGO_FRAME = "ego_vehicle"
CLOCK_TOPIC = "/clock"
MAP_TOPIC = "/ground_truth/map"
OBJECTS_TOPIC = "/carla/objects"
LIGHT_STATUS_TOPIC = "/carla/traffic_lights/status"
LIGHT_INFO_TOPIC = "/carla/traffic_lights/info"
COLLISION_TOPIC = f"{EGO}/collision"

Item = tuple[str, str, Any]


def ego_state(ego: EgoPose, stamp_ns: int) -> EgoState:
    """Return the ego's state as odometry reports it: rear axle in the map frame.

    Args:
        ego: Pose in the map frame.
        stamp_ns: Simulation time.
    """
    return EgoState(
        stamp_ns=stamp_ns,
        frame_id=MAP_FRAME,
        x_m=ego.x_m,
        y_m=ego.y_m,
        heading_rad=ego.heading_rad,
        vx_mps=ego.speed_mps,
        yaw_rate_radps=ego.speed_mps * ego.curvature_per_m,
    )


def ego_acceleration(ego: EgoPose, stamp_ns: int) -> Acceleration:
    """Return the body-frame acceleration of base_link.

    Args:
        ego: Pose in the map frame.
        stamp_ns: Simulation time.
    """
    return Acceleration(
        stamp_ns=stamp_ns, ax_mps2=ego.acceleration_mps2, ay_mps2=ego.speed_mps**2 * ego.curvature_per_m
    )


class MessageStream:
    """Message source of one episode.

    Args:
        make: Creates messages by type name.
        rig: The vehicle and its sensors.
        route: The ego's route, map frame.
        road_map: Ground-truth map and traffic lights.
    """

    def __init__(self, make: MessageFactory, rig: Rig, route: GlobalRoute, road_map: RoadMap) -> None:
        self._make = make
        self._rig = rig
        self._route = route
        self._road_map = road_map
        self._lights = {(head.signal_id, head.link): head for head in road_map.heads if not head.pole}
        self._s_m: float | None = None

    def latched(self, stamp_ns: int) -> Iterator[Item]:
        """Make the messages published once.

        Args:
            stamp_ns: Simulation time.

        Yields:
            Route, map, positions of traffic lights.
        """
        make = self._make
        heading = np.unwrap(np.arctan2(*np.gradient(self._route.xy_N2, axis=0).T[::-1]))
        poses = np.column_stack([self._route.xy_N2, heading])
        yield f"{EGO}/waypoints", "nav_msgs/msg/Path", encode_inputs.path(make, stamp_ns, MAP_FRAME, poses)
        pieces = ((int(kind), xy) for kind, xy in self._road_map.map_polygons())
        yield (
            MAP_TOPIC,
            "transdiffuser_msgs/msg/MapPolygons",
            encode_inputs.map_polygons(make, stamp_ns, self._road_map.name, pieces),
        )
        heads = [(i, h.x_m, h.y_m, h.z_m, h.facing_rad) for i, h in enumerate(self._lights.values())]
        yield (
            LIGHT_INFO_TOPIC,
            "carla_msgs/msg/CarlaTrafficLightInfoList",
            encode_inputs.traffic_light_info(make, heads),
        )

    def state(self, world: WorldState) -> Iterator[Item]:
        """Make the messages of every step.

        Args:
            world: State of the world.

        Yields:
            Clock, odometry, acceleration, route information, ground truth.
        """
        make, stamp_ns, ego = self._make, world.stamp_ns, world.ego
        yield CLOCK_TOPIC, "rosgraph_msgs/msg/Clock", encode_inputs.clock(make, stamp_ns)
        odometry = encode_inputs.odometry(make, ego_state(ego, stamp_ns), EGO_FRAME)
        yield f"{EGO}/odometry", "nav_msgs/msg/Odometry", odometry
        acceleration = encode_inputs.acceleration(make, ego_acceleration(ego, stamp_ns), EGO_FRAME)
        yield f"{EGO}/acceleration", "geometry_msgs/msg/AccelWithCovarianceStamped", acceleration
        self._s_m, _ = self._route.project(ego.x_m, ego.y_m, ego.heading_rad, self._s_m)
        command = encode_inputs.driving_command(make, stamp_ns, self._route.command(self._s_m))
        yield f"{EGO}/command", "transdiffuser_msgs/msg/DrivingCommand", command
        yield (
            f"{EGO}/speed_limit",
            "std_msgs/msg/Float32",
            encode_inputs.float32(make, self._route.speed_limit(self._s_m)),
        )
        signal = self._route.next_signal(self._s_m + self._rig.vehicle.front_offset_m, world.signals, stamp_ns)
        signal_message = encode_inputs.traffic_signal(make, stamp_ns, signal)
        yield f"{EGO}/traffic_signal", "transdiffuser_msgs/msg/TrafficSignal", signal_message
        yield (
            OBJECTS_TOPIC,
            "derived_object_msgs/msg/ObjectArray",
            encode_inputs.object_array(make, stamp_ns, world.agents),
        )
        states = enumerate(self._light_state(world, *key) for key in self._lights)
        yield (
            LIGHT_STATUS_TOPIC,
            "carla_msgs/msg/CarlaTrafficLightStatusList",
            encode_inputs.traffic_light_status(make, states),
        )

    def sensors(self, frame: SensorFrame) -> Iterator[Item]:
        """Make the messages of a sensor frame.

        Args:
            frame: Sensor data of one step.

        Yields:
            Images with their camera_info, labels of their pixels if there are any, and the point cloud.
        """
        make, stamp_ns = self._make, frame.stamp_ns
        for camera in self._rig.cameras:
            frame_id, topic = f"{EGO_FRAME}/{camera.name}", f"{EGO}/{camera.name}"
            info = encode_inputs.camera_info(make, stamp_ns, frame_id, camera)
            yield f"{topic}/camera_info", "sensor_msgs/msg/CameraInfo", info
            image = encode_inputs.image(make, stamp_ns, frame_id, frame.images[camera.name])
            yield f"{topic}/image", "sensor_msgs/msg/Image", image
            if camera.name in frame.labels:
                labels = encode_inputs.label_image(make, stamp_ns, frame_id, frame.labels[camera.name])
                yield f"{LABELS_TOPIC}/{camera.name}", "sensor_msgs/msg/Image", labels
        if frame.lidar_N4 is not None and self._rig.lidar is not None:
            name = self._rig.lidar.name
            cloud = encode_inputs.point_cloud(make, stamp_ns, f"{EGO_FRAME}/{name}", frame.lidar_N4)
            yield f"{EGO}/{name}", "sensor_msgs/msg/PointCloud2", cloud

    def collision(self, stamp_ns: int, other_id: int) -> Item:
        """Make the message of a collision of the ego.

        Args:
            stamp_ns: Simulation time.
            other_id: Number of the other agent.
        """
        return (
            COLLISION_TOPIC,
            "carla_msgs/msg/CarlaCollisionEvent",
            encode_inputs.collision(self._make, stamp_ns, other_id),
        )

    @staticmethod
    def _light_state(world: WorldState, signal_id: str, link: int) -> SignalState:
        letters = world.signals.get(signal_id, "")
        return SIGNAL_STATES.get(letters[link], SignalState.UNKNOWN) if link < len(letters) else SignalState.UNKNOWN
