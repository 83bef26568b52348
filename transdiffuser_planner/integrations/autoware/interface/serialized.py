"""Serialized messages of Autoware, read without rclpy's classes; a test compares the layouts with the definitions."""

from __future__ import annotations

from typing import Any

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.integrations.autoware.interface import versions
from transdiffuser_planner.integrations.autoware.interface.tracked_objects import read_tracked_objects
from transdiffuser_planner.messages.serialized.cdr_reader import CdrReader
from transdiffuser_planner.messages.serialized.read_message import NESTED, Fields, Read, object_reader

_ELEMENT: Fields = (("color", "uint8"), ("shape", "uint8"), ("status", "uint8"), ("confidence", "float32"))
_GROUP: Fields = (("traffic_light_group_id", "int64"), ("elements", "TrafficLightElement[]"))
TYPES: dict[str, Fields] = {
    **NESTED,
    "UUID": (("uuid", "uint8[16]"),),
    "Point32": (("x", "float32"), ("y", "float32"), ("z", "float32")),
    "Polygon": (("points", "Point32[]"),),
    "LaneletPrimitive": (("id", "int64"), ("primitive_type", "string")),
    "LaneletSegment": (("preferred_primitive", "LaneletPrimitive"), ("primitives", "LaneletPrimitive[]")),
    "ObjectClassification": (("label", "uint8"), ("probability", "float32")),
    "Shape": (("type", "uint8"), ("footprint", "Polygon"), ("dimensions", "Vector3")),
    "TrackedObjectKinematics": (
        ("pose_with_covariance", "PoseWithCovariance"),
        ("twist_with_covariance", "TwistWithCovariance"),
        ("acceleration_with_covariance", "AccelWithCovariance"),
        ("orientation_availability", "uint8"),
        ("is_stationary", "bool"),
    ),
    "TrackedObject": (
        ("object_id", "UUID"),
        ("existence_probability", "float32"),
        ("classification", "ObjectClassification[]"),
        ("kinematics", "TrackedObjectKinematics"),
        ("shape", "Shape"),
    ),
    "TrafficLightElement": _ELEMENT,
    "PredictedTrafficLightState": (
        ("predicted_stamp", "Time"),
        ("simultaneous_elements", "TrafficLightElement[]"),
        ("reliability", "float32"),
        ("information_source", "string"),
    ),
    "TrafficLightGroup": (*_GROUP, ("predictions", "PredictedTrafficLightState[]")),
    "VelocityLimitConstraints": (
        ("max_acceleration", "float32"),
        ("min_acceleration", "float32"),
        ("max_jerk", "float32"),
        ("min_jerk", "float32"),
    ),
}
"""Type without its package -> its fields."""
FIELDS: dict[str, Fields] = {
    versions.ROUTE: (
        ("header", "Header"),
        ("start_pose", "Pose"),
        ("goal_pose", "Pose"),
        ("segments", "LaneletSegment[]"),
        ("uuid", "UUID"),
        ("allow_modification", "bool"),
    ),
    versions.TRACKED_OBJECTS: (("header", "Header"), ("objects", "TrackedObject[]")),
    versions.TRAFFIC_LIGHTS: (("stamp", "Time"), ("traffic_light_groups", "TrafficLightGroup[]")),
    versions.VELOCITY_LIMIT: (
        ("stamp", "Time"),
        ("max_velocity", "float32"),
        ("use_constraints", "bool"),
        ("constraints", "VelocityLimitConstraints"),
        ("sender", "string"),
    ),
}
"""Message type -> its fields."""
TRAFFIC_LIGHTS_BEFORE_1_8 = next(
    digest for digest, name in versions.PUBLISHED[versions.TRAFFIC_LIGHTS].items() if name.endswith("before 1.8")
)
"""Hash of the definition without predictions."""

_READERS: dict[str, Read] = {name: object_reader(fields, TYPES) for name, fields in FIELDS.items()} | {
    versions.TRACKED_OBJECTS: read_tracked_objects
}
_LIGHTS_BEFORE_1_8 = object_reader(FIELDS[versions.TRAFFIC_LIGHTS], TYPES | {"TrafficLightGroup": _GROUP})


def read_autoware(data: bytes | memoryview, type_name: str, peer_hash: str = "") -> Any:
    """Read a serialized message.

    Args:
        data: As it came from the middleware, with its four bytes of encapsulation.
        type_name: A key of ``FIELDS``.
        peer_hash: Of the publisher's definition; distinguishes both versions of traffic lights.

    Raises:
        InputError: The bytes are no message of this type.
    """
    is_old = peer_hash.removeprefix(versions.PREFIX) == TRAFFIC_LIGHTS_BEFORE_1_8
    reader = _LIGHTS_BEFORE_1_8 if is_old and type_name == versions.TRAFFIC_LIGHTS else _READERS[type_name]
    try:
        return reader(CdrReader(data))
    except ValueError as error:
        raise InputError(f"the bytes are no {type_name}: {error}") from None
