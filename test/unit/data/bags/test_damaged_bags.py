"""Bags as recorders, tools and bad disks leave them: what can be read is read, the rest is counted and named."""

import os
import resource
import struct
import subprocess
import sys

import pytest

pytest.importorskip("rosbags", reason="bags cannot be read without rosbags")

from bag_bytes import STRING, Layout, messages, write_bag, write_mcap, write_sqlite

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.messages.definitions import make_message

ROWS = messages(30)


def as_rows(rows):
    return sorted((row.log_ns, row.topic, row.cdr) for row in rows)


def read(path, topics=None):
    """Messages, losses by topic, and all lines of the reader."""
    with BagReader(path) as reader:
        found = [(m.log_time_ns, m.topic, bytes(m.raw)) for m in reader.messages(topics, decoded=set())]
        assert found == sorted(found, key=lambda row: row[0]), "not in order of time"
        return sorted(found), {loss.topic: loss.num_lost for loss in reader.losses}, reader.damages, reader.notes


WHOLE = {
    "chunks": Layout(),
    "no message index": Layout(has_index=False),
    "no profile": Layout(profile=""),
    "no chunks": Layout(is_chunked=False),
    "no summary": Layout(has_summary=False),
    "no statistics and no channels in the summary": Layout(has_statistics=False, repeats_channels=False),
    "lz4": Layout(compression="lz4"),
    "splits": Layout(num_files=3, packed="file"),
    "messages packed": Layout(packed="message", num_files=2),
    "reindexed by Humble": Layout(metadata={"storage_identifier": "", "version": 5}),
    "newer rosbag2": Layout(metadata={"version": 10}),
    "sqlite3": Layout(storage="sqlite3"),
    "sqlite3 without index": Layout(storage="sqlite3", has_time_index=False),
    "sqlite3 of a killed recorder": Layout(storage="sqlite3", log="wal"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_every_whole_bag_is_read_completely_and_is_not_changed(name, tmp_path):
    bag = write_bag(tmp_path / "bag #1 100%41 left?", ROWS, WHOLE[name])
    before = {file.name: file.read_bytes() for file in bag.iterdir()}
    found, losses, damages, _ = read(bag)
    assert found == as_rows(ROWS) and not losses and not damages
    assert {file.name: file.read_bytes() for file in bag.iterdir()} == before


def test_messages_out_of_order_without_index_are_read_in_order_of_time(tmp_path):
    rows = ROWS[:]
    rows[3], rows[4], rows[20], rows[25] = rows[4], rows[3], rows[25], rows[20]
    found, losses, damages, _ = read(write_bag(tmp_path / "bag", rows, Layout(is_chunked=False)))
    assert found == as_rows(ROWS) and not losses and not damages


@pytest.mark.parametrize("layout", [Layout(), Layout(compression="zstd"), Layout(has_statistics=False, metadata=None)])
def test_a_damaged_chunk_alone_is_left_out_and_its_messages_are_counted(layout, tmp_path):
    bag = write_bag(tmp_path / "bag", ROWS, layout)
    file = bag / "drive_0.mcap"
    data, at = bytearray(file.read_bytes()), 8
    chunks = []
    while data[at] != 0x0F:
        kind, length = struct.unpack_from("<BQ", data, at)
        chunks += [at + 9 + length - 20] if kind == 6 else []
        at += 9 + length
    data[chunks[2]] ^= 0xFF
    file.write_bytes(data)
    found, losses, damages, _ = read(bag)
    assert found == as_rows(ROWS[:10] + ROWS[15:])
    assert losses == {"/a": 1, "/b/long/name": 2, "/c": 2} and "has a damaged chunk at byte" in damages[0]


def test_losses_of_topics_that_are_not_read_are_not_counted(tmp_path):
    bag = write_bag(tmp_path / "bag", [row for row in ROWS if row.topic != "/a"], Layout(), claimed=ROWS)
    assert read(bag, {"/b/long/name"})[1] == {}
    assert read(bag)[1] == {"/a": 10}


def test_splits_that_are_missing_are_named_with_their_messages_and_renamed_ones_are_read(tmp_path):
    bag = write_bag(tmp_path / "bag", ROWS, Layout(num_files=3))
    (bag / "drive_2.mcap").unlink()
    (bag / "drive_1.mcap").rename(bag / "red_light.mcap")
    found, losses, damages, notes = read(bag)
    assert found == as_rows(ROWS[:20]) and sum(losses.values()) == 10
    assert any("drive_2.mcap is missing" in line for line in damages)
    assert any("red_light.mcap" in line for line in notes)


def test_the_newest_split_of_a_killed_recorder_is_read_though_metadata_does_not_name_it(tmp_path):
    bag = write_bag(
        tmp_path / "bag",
        ROWS,
        Layout(num_files=2, metadata={"relative_file_paths": ["drive_0.mcap"]}, has_counts=False),
    )
    found, losses, _, notes = read(bag)
    assert found == as_rows(ROWS) and not losses and "drive_1.mcap" in notes[0]


def test_one_unreadable_file_leaves_the_others(tmp_path):
    bag = write_bag(tmp_path / "bag", ROWS, Layout(num_files=3))
    (bag / "drive_1.mcap").write_bytes(b"no bag, but long enough to be looked at twice")
    found, losses, damages, _ = read(bag)
    assert found == as_rows(ROWS[:10] + ROWS[20:]) and sum(losses.values()) == 10 and "drive_1.mcap" in damages[0]


@pytest.mark.parametrize(("share", "is_named"), [(1.0, False), (0.6, True), (0.0, False)])
def test_the_write_ahead_log_belongs_to_the_bag_and_its_cut_off_end_is_named(share, is_named, tmp_path):
    bag = write_bag(tmp_path / "bag", ROWS, Layout(storage="sqlite3", log="wal", metadata=None))
    log = bag / "drive_0.db3-wal"
    log.write_bytes(log.read_bytes()[: int(log.stat().st_size * share)])
    found, _, damages, _ = read(bag)
    assert len(found) == (30 if share == 1.0 else 15)
    assert is_named == any("write-ahead log" in line for line in damages)


def test_a_damaged_page_of_a_table_loses_its_rows_only(tmp_path):
    rows = messages(200)
    file = tmp_path / "drive.db3"
    write_sqlite(file, rows, Layout(storage="sqlite3"))
    data = bytearray(file.read_bytes())
    at = data.index(rows[100].cdr) // 1024 * 1024
    data[at : at + 8] = b"\xff" * 8
    file.write_bytes(data)
    found, losses, damages, _ = read(file)
    lost = len(rows) - len(found)
    assert 0 < lost < 30 and (sum(losses.values()) >= lost or any("counted nowhere" in line for line in damages))


def test_topics_that_cannot_be_decoded_are_named_and_the_others_are_read(tmp_path):
    file = tmp_path / "drive.mcap"
    write_mcap(file, ROWS, Layout(is_chunked=False, has_summary=False))
    data = file.read_bytes().replace(b"\x02\x00\x00\x00/c\x03\x00\x00\x00cdr", b"\x02\x00\x00\x00/c\x03\x00\x00\x00xyz")
    file.write_bytes(data)
    with BagReader(file) as reader:
        found = [m.topic for m in reader.messages()]
        assert list(reader.problems) == ["/c"] and "xyz" in reader.problems["/c"] and reader.definition("/c") is None
        assert len(found) == 20 and "/c" not in found and sum(reader.unreadable.values()) == 10
        assert reader.topics()["/c"] == STRING


def test_a_full_temporary_folder_is_named_with_its_remedy(tmp_path):
    rows = messages(300, length=400)
    bag = write_bag(tmp_path / "bag", rows, Layout(packed="file"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(RecordingError, match=r"temporary folder .* is full .*TMPDIR") as error:
            BagReader(bag)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "damaged" not in str(error.value)


def test_metadata_is_read_as_utf_8_whatever_the_locale(tmp_path):
    bag = write_bag(tmp_path / "bag", ROWS, Layout(metadata={"custom_data": {"driver": "Jürgen"}}))
    text = (bag / "metadata.yaml").read_text(encoding="utf-8").replace('"J\\xFCrgen"', "Jürgen")
    (bag / "metadata.yaml").write_bytes(text.encode())
    code = (
        "import sys; from pathlib import Path; from transdiffuser_planner.data.bags.bag_reader import BagReader; "
        "r = BagReader(Path(sys.argv[1])); print(len(list(r.messages())), r.notes, r.damages)"
    )
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code, bag], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "30 [] []", done.stderr


@pytest.mark.parametrize("compression", [None, "BZ2"])
def test_a_ros_1_bag_is_converted_while_it_is_read_and_its_damaged_chunk_is_counted(compression, tmp_path):
    from rosbags.rosbag1 import Writer
    from rosbags.typesys import Stores, get_typestore

    old = get_typestore(Stores.ROS1_NOETIC)
    file, kind = tmp_path / "drive.bag", "geometry_msgs/msg/PointStamped"
    writer = Writer(file)
    if compression:
        writer.set_compression(Writer.CompressionFormat[compression])
    with writer:
        connection = writer.add_connection("/point", kind, typestore=old)
        for i in range(5):
            stamp = make_message("builtin_interfaces/msg/Time", sec=i, nanosec=0)
            header = old.types["std_msgs/msg/Header"](seq=i, stamp=stamp, frame_id="map")
            point = make_message("geometry_msgs/msg/Point", x=float(i), y=0.0, z=0.0)
            writer.write(connection, i, old.serialize_ros1(old.types[kind](header=header, point=point), kind))
    with BagReader(file) as reader:
        found = list(reader.messages())
        assert [(m.message.header.stamp.sec, m.message.point.x) for m in found] == [(i, float(i)) for i in range(5)]
        assert not reader.damages and reader.has_stamp("/point") and bytes(found[0].raw[:4]) == b"\0\1\0\0"
    if compression:
        data = bytearray(file.read_bytes())
        at = data.index(b"BZh")
        data[at + 40] ^= 0xFF
        file.write_bytes(data)
        with BagReader(file) as reader:
            assert not list(reader.messages()) and [loss.num_lost for loss in reader.losses] == [5]


def test_a_read_only_folder_is_read(tmp_path):
    bag = write_bag(tmp_path / "bag", ROWS, Layout(storage="sqlite3"))
    os.chmod(bag, 0o555)
    try:
        assert read(bag)[0] == as_rows(ROWS)
    finally:
        os.chmod(bag, 0o755)
