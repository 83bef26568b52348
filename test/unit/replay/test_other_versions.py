"""Bags with the message definitions of another version are replayed, and topics that cannot be kept are reported."""

import dataclasses
import sqlite3
from types import MappingProxyType

import pytest
from replay_bags import RIG, TOPICS, as_it_is, rewritten
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.messages.definitions import definition_files
from transdiffuser_planner.messages.encode_outputs import OUTPUT_NAMESPACE
from transdiffuser_planner.replay.output.result_files import write_jsonl
from transdiffuser_planner.replay.runner import ReplayJob, replay

pytestmark = pytest.mark.slow

STATUS, COMMAND, OBJECT = "PlannerStatus", "DrivingCommand", "Object"
OUTPUT_STATUS = f"{OUTPUT_NAMESPACE}/status"


def other_version(change):
    """A typestore with this project's types, each definition's text as change(name, text) gives it."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types = {}
    for path in definition_files():
        types |= get_types_from_msg(change(path.stem, path.read_text()), f"{path.parent.parent.name}/msg/{path.stem}")
    store.register({name: definition for name, definition in types.items() if name not in store.types})
    return store


def converted(message, store, renamed):
    """A message in a store's definition; new fields hold a marker."""
    if isinstance(message, list):
        return [converted(item, store, renamed) for item in message]
    kind = getattr(message, "__msgtype__", None)
    if kind is None:
        return message
    cls = store.types[kind]
    fields = [field.name for field in dataclasses.fields(cls) if field.name != "__msgtype__"]
    return cls(**{
        name: converted(getattr(message, name, getattr(message, renamed.get(name, ""), "new")), store, renamed)
        for name in fields
    })  # fmt: skip


def recorded_with(store, bag, out, renamed=MappingProxyType({})):
    """A copy of a bag as the other version would have recorded it; renamed is its name of a field -> ours."""
    with BagReader(bag) as reader, Writer(out, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {}
        for item in reader.messages():
            if item.topic not in connections:
                connections[item.topic] = writer.add_connection(item.topic, item.type_name, typestore=store)
            data = bytes(store.serialize_cdr(converted(item.message, store, renamed), item.type_name))
            writer.write(connections[item.topic], item.log_time_ns, data)
    return out


def replayed_as(planner, path, **options):
    return replay(ReplayJob(bag=path, topics=TOPICS, rig=RIG, **options), planner)


@pytest.fixture(scope="module")
def planned(short_bag, planner, tmp_path_factory):
    """One second with recorded plans."""
    folder = tmp_path_factory.mktemp("planned")
    brief = rewritten(short_bag, folder / "brief", lambda item, s: as_it_is(item) if s <= 1.0 else [])
    return replayed_as(planner, brief, out=folder / "planned").out


def test_added_fields_change_no_plan_and_stay_in_the_output(planned, planner, tmp_path):
    store = other_version(lambda name, text: f"{text}\nstring note\n" if name in (COMMAND, OBJECT) else text)
    old = recorded_with(store, planned, tmp_path / "old")
    result = replayed_as(planner, old, out=tmp_path / "out")
    assert result.plan_hash == replayed_as(planner, planned).plan_hash and not result.refused and not result.not_copied
    assert result.metrics.values("agent_recall").size
    with BagReader(tmp_path / "out") as reader:
        assert {item.message.note for item in reader.messages({TOPICS.command})} == {"new"}


def test_recorded_plans_of_another_version_are_not_copied_with_a_reason_and_the_output_opens(
    planned, planner, tmp_path
):
    store = other_version(lambda name, text: f"{text}\nstring note\n" if name == STATUS else text)
    old = recorded_with(store, planned, tmp_path / "old")
    result = replayed_as(planner, old, out=tmp_path / "out")
    (reason,) = result.not_copied
    assert reason.startswith(f"{OUTPUT_STATUS}: the bag's definition of transdiffuser_msgs/msg/{STATUS} differs")
    assert result.not_copied[reason] == result.num_plans > 0
    with BagReader(tmp_path / "out") as reader:
        topics = reader.topics()
        assert len(list(reader.messages({OUTPUT_STATUS}))) == result.num_plans
    assert f"/reference{OUTPUT_STATUS}" not in topics and f"/reference{OUTPUT_NAMESPACE}/trajectory" in topics
    assert not replayed_as(planner, old).not_copied, "nothing is copied where nothing is written"


def test_a_missing_field_masks_its_input_and_is_counted(planned, planner, tmp_path):
    def change(name, text):
        if name == OBJECT:
            return text.replace("geometry_msgs/Pose pose", "geometry_msgs/Pose place")
        return text.replace("uint8 command", "uint8 wish") if name == COMMAND else text

    renamed = {"place": "pose", "wish": "command"}
    old = recorded_with(other_version(change), planned, tmp_path / "old", renamed)
    result = replayed_as(planner, old)
    assert result.num_plans >= 5 and not result.violations
    reasons = " | ".join(result.refused)
    assert (
        f"{TOPICS.command}: the bag's definition of transdiffuser_msgs/msg/{COMMAND} has no field 'command'" in reasons
    )
    assert f"{TOPICS.objects}: the bag's definition of derived_object_msgs/msg/{OBJECT} has no field 'pose'" in reasons


def test_a_type_that_is_defined_nowhere_is_not_copied_with_a_reason(planned, planner, tmp_path):
    bag = rewritten(planned, tmp_path / "bag", storage="sqlite3")
    file = next(bag.glob("*.db3"))
    with sqlite3.connect(file) as database:  # old recorders wrote no definitions, and this type is unknown here
        topics = [*database.execute("SELECT id, name FROM topics")]
        (path,) = (number for number, name in topics if name == f"{OUTPUT_NAMESPACE}/path")
        database.execute(
            "UPDATE topics SET name = '/vendor/oddity', type = 'vendor_msgs/msg/Oddity' WHERE id = ?", (path,)
        )
        database.execute("DELETE FROM message_definitions")
    (bag / "metadata.yaml").unlink()
    result = replayed_as(planner, bag, out=tmp_path / "out")
    (reason,) = result.not_copied
    assert reason == "/vendor/oddity: its type vendor_msgs/msg/Oddity is defined neither in the bag nor here"
    assert result.not_copied[reason] == result.num_plans > 0


def test_topics_that_are_not_copied_are_in_the_result(planned, planner, tmp_path):
    from transdiffuser_planner.replay.drive_check import DriveTester, Expectations, Setup
    from transdiffuser_planner.replay.output.console import drive_lines

    store = other_version(lambda name, text: f"{text}\nstring note\n" if name == STATUS else text)
    old = recorded_with(store, planned, tmp_path / "old")
    tester = DriveTester(Setup(), Expectations())
    verdict = tester.run([old], tester.choose([old]), tmp_path / "out")
    write_jsonl(tmp_path / "r.jsonl", [verdict])
    assert '"not_copied": {"' in (tmp_path / "r.jsonl").read_text()
    assert any(line.startswith("not copied ") for line in drive_lines(verdict))
