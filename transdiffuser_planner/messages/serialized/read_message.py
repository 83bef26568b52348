"""Serialized messages (CDR, as DDS carries and bags record them) -> the planner's inputs, at a few microseconds each.

Large arrays are views of the serialized bytes, and a route is read without an object for every pose
(``path.py``), so the cost of a message hardly depends on its size. Strings that are no UTF-8 have the wrong
letters replaced, as in rclpy. Objects have the attributes of rclpy's and rosbags' messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.messages.serialized.cdr_reader import CdrReader
from transdiffuser_planner.messages.serialized.path import PATH, read_path

Fields = tuple[tuple[str, str], ...]

# "type", "type[]" a sequence, "type[9]" an array; in the order of the .msg files.
NESTED: dict[str, Fields] = {
    "Time": (("sec", "int32"), ("nanosec", "uint32")),
    "Header": (("stamp", "Time"), ("frame_id", "string")),
    "Vector3": (("x", "float64"), ("y", "float64"), ("z", "float64")),
    "Quaternion": (("x", "float64"), ("y", "float64"), ("z", "float64"), ("w", "float64")),
    "Pose": (("position", "Vector3"), ("orientation", "Quaternion")),
    "PoseWithCovariance": (("pose", "Pose"), ("covariance", "float64[36]")),
    "Twist": (("linear", "Vector3"), ("angular", "Vector3")),
    "TwistWithCovariance": (("twist", "Twist"), ("covariance", "float64[36]")),
    "AccelWithCovariance": (("accel", "Twist"), ("covariance", "float64[36]")),
    "PointField": (("name", "string"), ("offset", "uint32"), ("datatype", "uint8"), ("count", "uint32")),
    "RegionOfInterest": (
        ("x_offset", "uint32"),
        ("y_offset", "uint32"),
        ("height", "uint32"),
        ("width", "uint32"),
        ("do_rectify", "bool"),
    ),
}
FIELDS: dict[str, Fields] = {
    "sensor_msgs/msg/Image": (
        ("header", "Header"),
        ("height", "uint32"),
        ("width", "uint32"),
        ("encoding", "string"),
        ("is_bigendian", "uint8"),
        ("step", "uint32"),
        ("data", "uint8[]"),
    ),
    "sensor_msgs/msg/CompressedImage": (("header", "Header"), ("format", "string"), ("data", "uint8[]")),
    "sensor_msgs/msg/CameraInfo": (
        ("header", "Header"),
        ("height", "uint32"),
        ("width", "uint32"),
        ("distortion_model", "string"),
        ("d", "float64[]"),
        ("k", "float64[9]"),
        ("r", "float64[9]"),
        ("p", "float64[12]"),
        ("binning_x", "uint32"),
        ("binning_y", "uint32"),
        ("roi", "RegionOfInterest"),
    ),
    "sensor_msgs/msg/PointCloud2": (
        ("header", "Header"),
        ("height", "uint32"),
        ("width", "uint32"),
        ("fields", "PointField[]"),
        ("is_bigendian", "bool"),
        ("point_step", "uint32"),
        ("row_step", "uint32"),
        ("data", "uint8[]"),
        ("is_dense", "bool"),
    ),
    "nav_msgs/msg/Odometry": (
        ("header", "Header"),
        ("child_frame_id", "string"),
        ("pose", "PoseWithCovariance"),
        ("twist", "TwistWithCovariance"),
    ),
    "geometry_msgs/msg/AccelWithCovarianceStamped": (("header", "Header"), ("accel", "AccelWithCovariance")),
    "std_msgs/msg/Float32": (("data", "float32"),),
    "transdiffuser_msgs/msg/DrivingCommand": (("header", "Header"), ("command", "uint8")),
    "transdiffuser_msgs/msg/TrafficSignal": (("header", "Header"), ("state", "uint8"), ("distance_m", "float32")),
    "transdiffuser_msgs/msg/ActionTokens": (
        ("header", "Header"),
        ("codebook_hash", "string"),
        ("tokens", "uint16[]"),
        ("horizon_s", "float32"),
    ),
}
"""Message type -> its fields, of every input but the route; a test compares them with the definitions."""

Read = Callable[[CdrReader], Any]


def _reader_of(kind: str, types: Mapping[str, Fields]) -> Read:
    """Return the reader of one field."""
    if kind == "string":
        return CdrReader.text
    if kind.endswith("[]"):
        element = kind.removesuffix("[]")
        if element in types:
            return _objects(_reader_of(element, types))
        return lambda reader: reader.numbers(element, reader.count())
    if kind.endswith("]"):
        element, _, length = kind.removesuffix("]").partition("[")
        count = int(length)
        return lambda reader: reader.numbers(element, count)
    if kind in types:
        return object_reader(types[kind], types)
    return lambda reader: reader.number(kind)


def object_reader(fields: Fields, types: Mapping[str, Fields] = NESTED) -> Read:
    """Return the reader of a message type.

    Args:
        fields: Its fields, as in ``FIELDS``.
        types: Types that fields are made of, by name.
    """
    readers = [(name, _reader_of(kind, types)) for name, kind in fields]

    def read(reader: CdrReader) -> Any:
        return SimpleNamespace(**{name: read_field(reader) for name, read_field in readers})

    return read


def _objects(read_one: Read) -> Read:
    return lambda reader: [read_one(reader) for _ in range(reader.count())]


_READERS: dict[str, Read] = {name: object_reader(fields) for name, fields in FIELDS.items()} | {PATH: read_path}


def read_message(data: bytes | memoryview, type_name: str) -> Any:
    """Read a serialized message of an input.

    Args:
        data: As it came from the middleware, with its four bytes of encapsulation.
        type_name: A message type of the planner's inputs.

    Returns:
        An object with the message's attributes; arrays of numbers are read-only numpy arrays.

    Raises:
        InputError: The bytes are no message of this type.
    """
    try:
        return _READERS[type_name](CdrReader(data))
    except ValueError as error:
        raise InputError(f"the bytes are no {type_name}: {error}") from None
