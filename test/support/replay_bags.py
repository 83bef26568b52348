"""Bags for the tests of replays: a simulated drive, and modified copies of it."""

from collections.abc import Callable
from pathlib import Path

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.data.bags.bag_reader import BagMessage, BagReader
from transdiffuser_planner.messages.definitions import typestore
from transdiffuser_planner.messages.topic_map import TopicMap, preset_files

TOPICS, RIG = (kind.load(path) for kind, path in zip((TopicMap, Rig), preset_files("carla"), strict=True))
CAMERAS = set(TOPICS.images.values())

Change = Callable[[BagMessage, float], list[tuple[str, str, int, bytes]]]
"""A message and its seconds since the first -> replacement, as (topic, type, log time, CDR)."""


def as_it_is(item: BagMessage, since_start_s: float = 0.0) -> list[tuple[str, str, int, bytes]]:
    return [(item.topic, item.type_name, item.log_time_ns, bytes(item.raw))]


def encoded(item: BagMessage, message: object, topic: str = "", type_name: str = "") -> tuple[str, str, int, bytes]:
    """Encode a replacement of a message."""
    kind = type_name or item.type_name
    return (topic or item.topic, kind, item.log_time_ns, bytes(typestore().serialize_cdr(message, kind)))


def rewritten(
    bag: Path,
    out: Path,
    change: Change = as_it_is,
    *,
    storage: str = "mcap",
    compression: str = "none",
    num_files: int = 1,
) -> Path:
    """A copy of a bag as rosbag2 might have written it.

    Args:
        change: Gives what stands for each message.
        storage: mcap or sqlite3.
        compression: none, file, message or storage.
        num_files: More than one makes a split bag.
    """
    with BagReader(bag) as reader:
        rows = []
        start_ns = None
        for item in reader.messages():
            start_ns = item.log_time_ns if start_ns is None else start_ns
            rows += change(item, (item.log_time_ns - start_ns) * 1e-9)
    share = max(-(-len(rows) // num_files), 1)
    parts = [rows[i : i + share] for i in range(0, len(rows), share)] or [[]]
    folders = [out] if num_files == 1 else [out.with_name(f"{out.name}_part{i}") for i in range(len(parts))]
    for folder, part in zip(folders, parts, strict=True):
        _write(folder, part, storage, compression)
    if num_files > 1:
        _join(folders, out)
    return out


def _write(folder: Path, rows: list[tuple[str, str, int, bytes]], storage: str, compression: str) -> None:
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    writer = Writer(folder, version=9, storage_plugin=StoragePlugin[storage.upper()])
    if compression != "none":
        writer.set_compression(CompressionMode[compression.upper()], CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, kind, log_ns, data in rows:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=typestore())
            writer.write(connections[topic], log_ns, data)


def _join(folders: list[Path], out: Path) -> None:
    """Join bags into one split bag: their files with merged metadata, as written by rosbag2's splitting recorder."""
    import yaml

    out.mkdir()
    whole = None
    for i, folder in enumerate(folders):
        data = yaml.safe_load((folder / "metadata.yaml").read_text())
        info = data["rosbag2_bagfile_information"]
        file = folder / info["relative_file_paths"][0]
        name = f"{out.name}_{i}{''.join(file.suffixes)}"
        file.rename(out / name)
        info["relative_file_paths"] = [name]
        info["files"][0]["path"] = name
        whole = data if whole is None else _added(whole, info)
    (out / "metadata.yaml").write_text(yaml.safe_dump(whole))


def _added(whole: dict, info: dict) -> dict:
    sums = whole["rosbag2_bagfile_information"]
    begin = sums["starting_time"]["nanoseconds_since_epoch"]
    end = info["starting_time"]["nanoseconds_since_epoch"] + info["duration"]["nanoseconds"]
    sums["duration"]["nanoseconds"] = end - begin
    sums["message_count"] += info["message_count"]
    sums["relative_file_paths"] += info["relative_file_paths"]
    sums["files"] += info["files"]
    known = {topic["topic_metadata"]["name"]: topic for topic in sums["topics_with_message_count"]}
    for topic in info["topics_with_message_count"]:
        name = topic["topic_metadata"]["name"]
        if name in known:
            known[name]["message_count"] += topic["message_count"]
        else:
            sums["topics_with_message_count"].append(topic)
    return whole
