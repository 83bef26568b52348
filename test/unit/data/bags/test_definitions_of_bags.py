"""Messages are read by the definitions stored in the bag: those of another version, and unknown types."""

import dataclasses

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from transdiffuser_planner.core.types import DrivingCommand, SignalState
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.messages import decode_inputs
from transdiffuser_planner.messages.definitions import fields_of, make_message, typestore
from transdiffuser_planner.messages.input_router import InputRouter
from transdiffuser_planner.messages.topic_map import TopicMap

HEADER = {"stamp": {"sec": 7, "nanosec": 0}, "frame_id": "map"}
STAMPED = make_message(
    "std_msgs/msg/Header", stamp=make_message("builtin_interfaces/msg/Time", sec=7, nanosec=0), frame_id="map"
)
COMMAND, SIGNAL, ODDITY = (
    "transdiffuser_msgs/msg/DrivingCommand",
    "transdiffuser_msgs/msg/TrafficSignal",
    "vendor_msgs/msg/Oddity",
)
OTHERS = {
    COMMAND: "float32 confidence\nstd_msgs/Header header\nstring[] reasons\nuint8 command\n",  # more, and in another order
    SIGNAL: "std_msgs/Header header\nuint8 state\nfloat64 distance\nbool is_arrow\n",
    ODDITY: "uint8[3] a\nvendor_msgs/Part[] parts\n",
    "vendor_msgs/msg/Part": "string name\n",
}


@pytest.fixture(scope="module")
def other():
    """A typestore of another version: the same names, other fields."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types = {}
    for name, text in OTHERS.items():
        types |= get_types_from_msg(text, name)
    store.register(types)
    return store


def made(store, name, values):
    """A message of a store from plain values."""
    kinds = dict(store.fielddefs[name][1])
    return store.types[name](**{
        field: made(store, kinds[field][1], value) if isinstance(value, dict) else value for field, value in values.items()
    })  # fmt: skip


@pytest.fixture(params=["MCAP", "SQLITE3"])
def bag(request, tmp_path, other):
    command = made(other, COMMAND, {"confidence": 0.5, "header": HEADER, "reasons": ["a", "b"], "command": 2})
    part = made(other, "vendor_msgs/msg/Part", {"name": "left"})
    oddity = other.types[ODDITY](a=np.asarray([1, 2, 3], dtype=np.uint8), parts=[part])
    signal = made(other, SIGNAL, {"header": HEADER, "state": int(SignalState.RED), "distance": 12.5, "is_arrow": True})
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin[request.param]) as writer:
        for i, (kind, message) in enumerate(((COMMAND, command), (SIGNAL, signal), (ODDITY, oddity))):
            connection = writer.add_connection(f"/topic{i}", kind, typestore=other)
            writer.write(connection, i, bytes(other.serialize_cdr(message, kind)))
    return tmp_path / "bag"


def test_fields_are_those_of_the_bags_definition_not_of_ours(bag):
    with BagReader(bag) as reader:
        command, signal, oddity = (item.message for item in reader.messages())
        assert not reader.unreadable
    assert command.confidence == 0.5 and command.reasons == ["a", "b"]
    assert decode_inputs.driving_command(command) == DrivingCommand(2) and decode_inputs.stamp_ns(command) == 7 * 10**9
    assert signal.is_arrow and not hasattr(signal, "distance_m")
    assert oddity.a.tolist() == [1, 2, 3] and oddity.parts[0].name == "left"


def test_a_message_without_a_needed_field_is_refused_in_one_line(bag):
    class Sink:
        def add_signal(self, signal):
            raise AssertionError("a signal without distance was taken")

    feeder = InputRouter(TopicMap(traffic_signal="/topic1"), Sink())
    with BagReader(bag) as reader:
        (item,) = reader.messages({"/topic1"})
    reason = feeder.feed(item.topic, item.log_time_ns, item.message)
    assert reason == f"/topic1: the bag's definition of {SIGNAL} has no field 'distance_m'"
    with pytest.raises(AttributeError):  # our own bugs are not swallowed
        InputRouter(TopicMap(command="/topic0"), object()).feed(
            "/topic0", 0, make_message(COMMAND, header=STAMPED, command=1)
        )


def test_copied_messages_keep_the_bags_definition(bag, tmp_path):
    with BagReader(bag) as reader, BagWriter(tmp_path / "copy") as writer:
        for item in reader.messages(decoded=set()):
            writer.write_raw(item.topic, item.type_name, item.log_time_ns, item.raw, reader.definition(item.topic))
    with BagReader(tmp_path / "copy") as reader:
        command, _, oddity = (item.message for item in reader.messages())
    assert command.reasons == ["a", "b"] and oddity.parts[0].name == "left"


def test_reading_such_a_bag_keeps_our_own_definitions(bag):
    before = {name: fields_of(typestore(), name) for name in (COMMAND, SIGNAL)}
    with BagReader(bag) as reader:
        assert fields_of(typestore(), COMMAND) != reader.fields("/topic0")
        list(reader.messages())
    assert {name: fields_of(typestore(), name) for name in (COMMAND, SIGNAL)} == before
    assert ODDITY not in typestore().fielddefs
    assert "confidence" not in {field.name for field in dataclasses.fields(typestore().types[COMMAND])}


def test_fields_of_a_type_include_nested_types(bag):
    with BagReader(bag) as reader:
        assert set(reader.fields("/topic2")) == {ODDITY, "vendor_msgs/msg/Part"}
        assert "builtin_interfaces/msg/Time" in reader.fields("/topic0")
