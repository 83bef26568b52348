"""Core values -> ROS messages, through a factory so that the same code serves bags and live topics.

Every function takes ``make(type_name, **fields)`` first. Arrays of bytes are given as numpy uint8.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.rig import CameraMount
from transdiffuser_planner.core.types import Acceleration, DrivingCommand, EgoState, SignalState, TrafficSignal
from transdiffuser_planner.messages.definitions import MessageFactory

OBJECT_CLASS = {
    AgentClass.PEDESTRIAN: 4,
    AgentClass.BICYCLE: 5,
    AgentClass.CAR: 6,
    AgentClass.TRUCK: 7,
    AgentClass.MOTORCYCLE: 8,
}
CARLA_LIGHT = {SignalState.RED: 0, SignalState.AMBER: 1, SignalState.GREEN: 2, SignalState.UNKNOWN: 4}
_BOX = 1
_ZEROS_36 = np.zeros(36)


def time(make: MessageFactory, stamp_ns: int) -> Any:
    """builtin_interfaces/Time."""
    return make("builtin_interfaces/msg/Time", sec=int(stamp_ns // 10**9), nanosec=int(stamp_ns % 10**9))


def duration(make: MessageFactory, seconds: float) -> Any:
    """builtin_interfaces/Duration."""
    total_ns = round(seconds * 1e9)
    return make("builtin_interfaces/msg/Duration", sec=int(total_ns // 10**9), nanosec=int(total_ns % 10**9))


def header(make: MessageFactory, stamp_ns: int, frame_id: str) -> Any:
    """std_msgs/Header."""
    return make("std_msgs/msg/Header", stamp=time(make, stamp_ns), frame_id=frame_id)


def clock(make: MessageFactory, stamp_ns: int) -> Any:
    """rosgraph_msgs/Clock."""
    return make("rosgraph_msgs/msg/Clock", clock=time(make, stamp_ns))


def vector3(make: MessageFactory, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Any:
    """geometry_msgs/Vector3."""
    return make("geometry_msgs/msg/Vector3", x=float(x), y=float(y), z=float(z))


def point(make: MessageFactory, x: float, y: float, z: float = 0.0) -> Any:
    """geometry_msgs/Point."""
    return make("geometry_msgs/msg/Point", x=float(x), y=float(y), z=float(z))


def pose(make: MessageFactory, x: float, y: float, heading_rad: float, z: float = 0.0) -> Any:
    """geometry_msgs/Pose with a rotation about z only."""
    return make(
        "geometry_msgs/msg/Pose",
        position=point(make, x, y, z),
        orientation=make(
            "geometry_msgs/msg/Quaternion",
            x=0.0,
            y=0.0,
            z=float(np.sin(heading_rad / 2.0)),
            w=float(np.cos(heading_rad / 2.0)),
        ),
    )


def image(make: MessageFactory, stamp_ns: int, frame_id: str, rgb_HW3: NDArray[np.uint8]) -> Any:
    """sensor_msgs/Image, rgb8."""
    height, width = rgb_HW3.shape[:2]
    return make(
        "sensor_msgs/msg/Image",
        header=header(make, stamp_ns, frame_id),
        height=height,
        width=width,
        encoding="rgb8",
        is_bigendian=0,
        step=3 * width,
        data=np.ascontiguousarray(rgb_HW3).reshape(-1),
    )


def label_image(make: MessageFactory, stamp_ns: int, frame_id: str, label_HW: NDArray[np.uint8]) -> Any:
    """sensor_msgs/Image, mono8: the class of each pixel."""
    height, width = label_HW.shape
    return make(
        "sensor_msgs/msg/Image",
        header=header(make, stamp_ns, frame_id),
        height=height,
        width=width,
        encoding="mono8",
        is_bigendian=0,
        step=width,
        data=np.ascontiguousarray(label_HW).reshape(-1),
    )


def camera_info(make: MessageFactory, stamp_ns: int, frame_id: str, camera: CameraMount) -> Any:
    """sensor_msgs/CameraInfo of a rectified camera."""
    k = np.asarray([camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0])
    p = np.asarray([camera.fx, 0.0, camera.cx, 0.0, 0.0, camera.fy, camera.cy, 0.0, 0.0, 0.0, 1.0, 0.0])
    names = {"d": np.zeros(5), "k": k, "r": np.eye(3).reshape(-1), "p": p}
    roi = make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return make(
        "sensor_msgs/msg/CameraInfo",
        header=header(make, stamp_ns, frame_id),
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        binning_x=0,
        binning_y=0,
        roi=roi,
        **names,
    )


def point_cloud(make: MessageFactory, stamp_ns: int, frame_id: str, points_N4: NDArray[np.float32]) -> Any:
    """sensor_msgs/PointCloud2 with float32 x, y, z, intensity."""
    fields = [
        make("sensor_msgs/msg/PointField", name=name, offset=4 * i, datatype=7, count=1)
        for i, name in enumerate(("x", "y", "z", "intensity"))
    ]
    return make(
        "sensor_msgs/msg/PointCloud2",
        header=header(make, stamp_ns, frame_id),
        height=1,
        width=len(points_N4),
        fields=fields,
        is_bigendian=False,
        point_step=16,
        row_step=16 * len(points_N4),
        data=np.ascontiguousarray(points_N4, dtype="<f4").view(np.uint8).reshape(-1),
        is_dense=True,
    )


def odometry(make: MessageFactory, ego: EgoState, child_frame_id: str) -> Any:
    """nav_msgs/Odometry, twist in the body frame."""
    twist = make(
        "geometry_msgs/msg/Twist",
        linear=vector3(make, ego.vx_mps, ego.vy_mps),
        angular=vector3(make, 0.0, 0.0, ego.yaw_rate_radps),
    )
    return make(
        "nav_msgs/msg/Odometry",
        header=header(make, ego.stamp_ns, ego.frame_id),
        child_frame_id=child_frame_id,
        pose=make(
            "geometry_msgs/msg/PoseWithCovariance",
            pose=pose(make, ego.x_m, ego.y_m, ego.heading_rad, ego.z_m),
            covariance=_ZEROS_36,
        ),
        twist=make("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=_ZEROS_36),
    )


def acceleration(make: MessageFactory, value: Acceleration, frame_id: str) -> Any:
    """geometry_msgs/AccelWithCovarianceStamped, body frame."""
    accel = make("geometry_msgs/msg/Accel", linear=vector3(make, value.ax_mps2, value.ay_mps2), angular=vector3(make))
    return make(
        "geometry_msgs/msg/AccelWithCovarianceStamped",
        header=header(make, value.stamp_ns, frame_id),
        accel=make("geometry_msgs/msg/AccelWithCovariance", accel=accel, covariance=_ZEROS_36),
    )


def path(
    make: MessageFactory,
    stamp_ns: int,
    frame_id: str,
    pose_N3: NDArray[np.float64],
    stamps_ns: Sequence[int] | None = None,
) -> Any:
    """nav_msgs/Path from poses (x, y, heading); stamps_ns gives each pose its own time."""
    stamps = [stamp_ns] * len(pose_N3) if stamps_ns is None else stamps_ns
    poses = [
        make("geometry_msgs/msg/PoseStamped", header=header(make, stamp, frame_id), pose=pose(make, x, y, heading))
        for stamp, (x, y, heading) in zip(stamps, pose_N3, strict=True)
    ]
    return make("nav_msgs/msg/Path", header=header(make, stamp_ns, frame_id), poses=poses)


def driving_command(make: MessageFactory, stamp_ns: int, command: DrivingCommand) -> Any:
    """transdiffuser_msgs/DrivingCommand."""
    return make("transdiffuser_msgs/msg/DrivingCommand", header=header(make, stamp_ns, ""), command=int(command))


def traffic_signal(make: MessageFactory, stamp_ns: int, signal: TrafficSignal | None) -> Any:
    """transdiffuser_msgs/TrafficSignal; None is published as UNKNOWN."""
    state, distance = (SignalState.UNKNOWN, 0.0) if signal is None else (signal.state, signal.distance_m)
    return make(
        "transdiffuser_msgs/msg/TrafficSignal",
        header=header(make, stamp_ns, ""),
        state=int(state),
        distance_m=float(distance),
    )


def float32(make: MessageFactory, value: float) -> Any:
    """std_msgs/Float32."""
    return make("std_msgs/msg/Float32", data=float(value))


def object_array(make: MessageFactory, stamp_ns: int, agents: AgentStates) -> Any:
    """derived_object_msgs/ObjectArray: boxes with world-axis twist; brake lights are not part of the message."""
    head = header(make, stamp_ns, agents.frame_id)
    accel = make("geometry_msgs/msg/Accel", linear=vector3(make), angular=vector3(make))
    polygon = make("geometry_msgs/msg/Polygon", points=[])
    zero = vector3(make)
    objects = []
    for i in range(len(agents)):
        heading, speed = float(agents.heading_rad_N[i]), float(agents.speed_mps_N[i])
        height = float(agents.height_m_N[i])
        size = np.asarray([agents.length_m_N[i], agents.width_m_N[i], height])
        velocity = vector3(make, speed * np.cos(heading), speed * np.sin(heading))
        objects.append(
            make(
                "derived_object_msgs/msg/Object",
                header=head,
                id=int(agents.id_N[i]),
                detection_level=1,
                object_classified=True,
                pose=pose(make, agents.x_m_N[i], agents.y_m_N[i], heading, height / 2.0),
                twist=make("geometry_msgs/msg/Twist", linear=velocity, angular=zero),
                accel=accel,
                polygon=polygon,
                shape=make("shape_msgs/msg/SolidPrimitive", type=_BOX, dimensions=size, polygon=polygon),
                classification=OBJECT_CLASS[AgentClass(int(agents.class_N[i]))],
                classification_certainty=255,
                classification_age=0,
            )
        )
    return make("derived_object_msgs/msg/ObjectArray", header=head, objects=objects)


def traffic_light_status(make: MessageFactory, states: Iterable[tuple[int, SignalState]]) -> Any:
    """carla_msgs/CarlaTrafficLightStatusList."""
    lights = [
        make("carla_msgs/msg/CarlaTrafficLightStatus", id=number, state=CARLA_LIGHT[state]) for number, state in states
    ]
    return make("carla_msgs/msg/CarlaTrafficLightStatusList", traffic_lights=lights)


def traffic_light_info(make: MessageFactory, heads: Iterable[tuple[int, float, float, float, float]]) -> Any:
    """carla_msgs/CarlaTrafficLightInfoList from (id, x, y, z, facing heading)."""
    box = make("carla_msgs/msg/CarlaBoundingBox", center=vector3(make), size=vector3(make))
    lights = [
        make(
            "carla_msgs/msg/CarlaTrafficLightInfo",
            id=number,
            transform=pose(make, x, y, facing, z),
            trigger_volume=box,
        )
        for number, x, y, z, facing in heads
    ]
    return make("carla_msgs/msg/CarlaTrafficLightInfoList", traffic_lights=lights)


def collision(make: MessageFactory, stamp_ns: int, other_id: int) -> Any:
    """carla_msgs/CarlaCollisionEvent."""
    return make(
        "carla_msgs/msg/CarlaCollisionEvent",
        header=header(make, stamp_ns, "map"),
        other_actor_id=int(other_id),
        normal_impulse=vector3(make),
    )


def map_polygons(
    make: MessageFactory, stamp_ns: int, name: str, pieces: Iterable[tuple[int, NDArray[np.float64]]]
) -> Any:
    """transdiffuser_msgs/MapPolygons from (kind, vertices (N, 2))."""
    polygons = [
        make(
            "transdiffuser_msgs/msg/MapPolygon",
            kind=int(kind),
            x=xy[:, 0].astype(np.float32),
            y=xy[:, 1].astype(np.float32),
        )
        for kind, xy in pieces
    ]
    return make(
        "transdiffuser_msgs/msg/MapPolygons", header=header(make, stamp_ns, "map"), name=name, polygons=polygons
    )
