"""Serialized messages are read like their objects, and anything else is refused in the same few words."""

import copy
import tracemalloc

import numpy as np
import pytest

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.messages import decode_inputs
from transdiffuser_planner.messages.definitions import make_message as make
from transdiffuser_planner.messages.definitions import typestore
from transdiffuser_planner.messages.input_registry import INPUTS
from transdiffuser_planner.messages.serialized.path import PATH
from transdiffuser_planner.messages.serialized.read_message import FIELDS, NESTED, read_message

ARRAYS = {"float64": "float64", "uint8": "uint8", "uint16": "uint16"}
NAME = "camera_äöü"


def header(frame_id="map"):
    return make("std_msgs/msg/Header", stamp=make("builtin_interfaces/msg/Time", sec=-7, nanosec=5), frame_id=frame_id)


def filled(kind, seed=0):
    """A message with another value in every field; sequences have three elements."""
    rng = np.random.default_rng(seed)

    def value(node):
        tag, inner = int(node[0]), node[1]
        if tag == 2:
            return header() if inner == "std_msgs/msg/Header" else filled(inner, int(rng.integers(1 << 30)))
        if tag == 1:
            return scalar(inner[0])
        element, count = inner[0], inner[1] or 3
        if int(element[0]) == 1 and element[1][0] != "string":
            return (100 * rng.random(count)).astype(ARRAYS[element[1][0]])
        return [value(element) for _ in range(count)]

    def scalar(name):
        if name == "string":
            return NAME[: int(rng.integers(len(NAME)))]
        if name == "bool":
            return bool(rng.integers(2))
        return float(np.float32(rng.random())) if name.startswith("float") else int(rng.integers(100))

    return make(kind, **{name: value(node) for name, node in typestore().fielddefs[kind][1]})


def equal(found, expected):
    """Whether all attributes agree, in depth."""
    if isinstance(expected, np.ndarray):
        return np.array_equal(found, expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(equal(*pair) for pair in zip(found, expected, strict=True))
    if hasattr(expected, "__msgtype__"):
        names = {name for name, _ in typestore().fielddefs[expected.__msgtype__][1]}
        return set(vars(found)) == names and all(equal(getattr(found, n), getattr(expected, n)) for n in names)
    return type(found) is type(expected) and found == expected


def serialized(message, kind, *, little_endian=True):
    return bytes(typestore().serialize_cdr(message, kind, little_endian=little_endian))


def leaves(kind):
    """The names and types of all numbers and texts of a message, in order."""
    found = []
    for name, node in typestore().fielddefs[kind][1]:
        tag, inner = int(node[0]), node[1]
        if tag == 1:
            found.append((name, inner[0]))
        elif tag == 2:
            found += [(f"{name}.{part}", leaf) for part, leaf in leaves(inner)]
        else:
            suffix = "[]" if tag == 4 else f"[{inner[1]}]"
            element = inner[0]
            parts = leaves(element[1]) if int(element[0]) == 2 else [("", element[1][0])]
            found += [(f"{name}{suffix}.{part}".rstrip("."), leaf) for part, leaf in parts]
    return found


def own_leaves(fields):
    found = []
    for name, kind in fields:
        element, bracket, count = kind.partition("[")
        path = f"{name}{bracket}{count}"
        found += (
            [(f"{path}.{p}", leaf) for p, leaf in own_leaves(NESTED[element])]
            if element in NESTED
            else [(path, element)]
        )
    return found


def test_every_type_of_an_input_can_be_read():
    assert {kind for spec in INPUTS for kind in spec.message_types} == set(FIELDS) | {PATH}


@pytest.mark.parametrize("kind", FIELDS)
def test_the_fields_are_those_of_the_definition(kind):
    assert own_leaves(FIELDS[kind]) == leaves(kind)


@pytest.mark.parametrize("little_endian", [True, False])
@pytest.mark.parametrize("kind", FIELDS)
def test_a_serialized_message_has_the_values_of_its_object(kind, little_endian):
    for seed in range(8):
        message = filled(kind, seed)
        assert equal(read_message(serialized(message, kind, little_endian=little_endian), kind), message)


def test_large_arrays_are_views_of_the_message():
    data = serialized(filled("sensor_msgs/msg/Image"), "sensor_msgs/msg/Image")
    assert np.shares_memory(read_message(data, "sensor_msgs/msg/Image").data, np.frombuffer(data, dtype=np.uint8))


@pytest.mark.parametrize("kind", [*FIELDS, PATH])
def test_a_message_that_is_cut_off_anywhere_is_refused_for_one_reason(kind):
    data = serialized(filled(kind), kind)
    reasons = set()
    for size in range(len(data)):
        with pytest.raises(InputError) as error:
            read_message(data[:size], kind)
        reasons.add(str(error.value))
    assert reasons == {f"the bytes are no {kind}: the message ends early"}


def test_another_encoding_is_refused():
    with pytest.raises(InputError, match="the encoding is not plain CDR"):
        read_message(b"\x00\x07\x00\x00" + bytes(40), "std_msgs/msg/Float32")


def test_a_claimed_length_costs_no_memory():
    data = bytearray(serialized(make(PATH, header=header("m"), poses=[]), PATH))
    tracemalloc.start()
    try:
        for count in (2**32 - 1, 900_000):
            data[-4:] = count.to_bytes(4, "little")
            with pytest.raises(InputError, match="more than 1000000 poses" if count > 1e6 else "ends early"):
                read_message(bytes(data), PATH)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_a_name_that_is_no_utf8_has_the_letter_replaced():
    message = filled("nav_msgs/msg/Odometry")
    message.child_frame_id = "base_link"
    data = serialized(message, "nav_msgs/msg/Odometry").replace(b"base_link", b"base_\xfcink")
    assert read_message(data, "nav_msgs/msg/Odometry").child_frame_id == "base_\ufffdink"


def path_of(xy, frames=("map",), frame="map"):
    poses = []
    for index, (x, y) in enumerate(xy):
        turn = make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
        pose = make(
            "geometry_msgs/msg/Pose", position=make("geometry_msgs/msg/Point", x=x, y=y, z=9.0), orientation=turn
        )
        poses.append(make("geometry_msgs/msg/PoseStamped", header=header(frames[index % len(frames)]), pose=pose))
    return make(PATH, header=header(frame), poses=poses)


@pytest.mark.parametrize("little_endian", [True, False])
@pytest.mark.parametrize(
    "frames", [("",), ("m",), ("map",), ("odometry",), ("map", "odom_combined"), ("map", "", "abcdefgh")]
)
@pytest.mark.parametrize("frame", ["", "map", "odom", "abcde", "world_frame"])
def test_a_serialized_route_is_the_route_of_its_objects(frames, frame, little_endian):
    for count in (0, 2, 3, 40):
        message = path_of(np.random.default_rng(count).normal(0.0, 50.0, (count, 2)).tolist(), frames, frame)
        found = decode_inputs.route(read_message(serialized(message, PATH, little_endian=little_endian), PATH))
        expected = decode_inputs.route(message)
        assert (found.stamp_ns, found.frame_id) == (expected.stamp_ns, expected.frame_id)
        np.testing.assert_array_equal(found.xy_N2, expected.xy_N2)


def test_a_long_route_is_read_without_an_object_for_every_pose():
    data = serialized(path_of([(0.1 * i, 0.0) for i in range(20_000)]), PATH)
    tracemalloc.start()
    try:
        route = decode_inputs.route(read_message(data, PATH))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000  # objects of all poses take fifty
    assert len(route.xy_N2) <= 5000 and route.xy_N2[0, 0] == 0.0 and route.xy_N2[-1, 0] == 0.1 * 19_999


def test_a_route_with_one_pose_that_is_not_finite_is_refused_in_either_form():
    message = path_of([(0.0, 0.0), (float("nan"), 1.0), (2.0, 0.0)])
    for form in (copy.deepcopy(message), read_message(serialized(message, PATH), PATH)):
        with pytest.raises(InputError, match="finite poses"):
            decode_inputs.route(form)
