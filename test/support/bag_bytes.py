"""Bags in every layout that recorders and tools leave, written byte by byte, for tests of the reader."""

import random
import sqlite3
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from backports import zstd

from transdiffuser_planner.data.bags.storage.mcap_records import MAGIC
from transdiffuser_planner.messages.definitions import make_message, typestore

STRING = "std_msgs/msg/String"
TOPICS = ("/a", "/b/long/name", "/c")


@dataclass(frozen=True)
class Recorded:
    """One message."""

    topic: str
    log_ns: int
    cdr: bytes


@dataclass(kw_only=True)
class Layout:
    """Layout of a bag; of MCAP files unless stated otherwise.

    Attributes:
        storage: mcap or sqlite3.
        is_chunked, compression, has_crc, has_index: Of chunks; without chunks nothing is compressed or checked.
        has_summary, has_statistics, has_summary_crc, repeats_channels: Of the end of the file.
        profile: Of the header.
        packed: "file", "message" or "" (both storages).
        num_files: Splits (both).
        metadata: Changes of metadata.yaml by key; None leaves the file out (both).
        has_counts: metadata.yaml counts messages (both).
        has_time_index, log: Of sqlite3: index by time, and "wal" where a killed recorder left its write-ahead log.
    """

    storage: str = "mcap"
    is_chunked: bool = True
    compression: str = ""
    has_crc: bool = True
    has_index: bool = True
    has_summary: bool = True
    has_statistics: bool = True
    has_summary_crc: bool = True
    repeats_channels: bool = True
    profile: str = "ros2"
    packed: str = ""
    num_files: int = 1
    metadata: dict | None = field(default_factory=dict)
    has_counts: bool = True
    has_time_index: bool = True
    log: str = ""
    chunk_size: int = 5

    @property
    def detects_changes(self) -> bool:
        """No byte can change without a checksum noticing, apart from those that concern nothing but the order."""
        return (
            self.storage == "mcap"
            and self.is_chunked
            and self.has_crc
            and (not self.has_summary or self.has_summary_crc)
        )


def messages(count: int, rng: random.Random | None = None, length: int = 40) -> list[Recorded]:
    """Distinct messages, 10 ms apart; with a generator of random lengths and a little out of order."""
    found = []
    for i in range(count):
        size = length if rng is None else rng.randrange(0, 3 * length)
        text = make_message(STRING, data=f"message {i} " + "x" * size)
        jitter = 0 if rng is None else rng.choice((0, 0, 0, 25_000_000))
        cdr = bytes(typestore().serialize_cdr(text, STRING))
        found.append(Recorded(TOPICS[i % len(TOPICS)], 1_000_000_000 + i * 10_000_000 - jitter, cdr))
    return found


def write_bag(folder: Path, rows: list[Recorded], layout: Layout, claimed: list[Recorded] | None = None) -> Path:
    """Write a bag; its metadata counts ``claimed`` where that is given."""
    folder.mkdir(parents=True)
    share = max(1, -(-len(rows) // layout.num_files))
    names = []
    for number in range(layout.num_files):
        part = rows[number * share : (number + 1) * share]
        if layout.packed == "message":
            part = [Recorded(row.topic, row.log_ns, zstd.compress(row.cdr)) for row in part]
        file = folder / f"drive_{number}.{'mcap' if layout.storage == 'mcap' else 'db3'}"
        (write_mcap if layout.storage == "mcap" else write_sqlite)(file, part, layout)
        if layout.packed == "file":
            packed = file.with_name(file.name + ".zstd")
            packed.write_bytes(zstd.compress(file.read_bytes()))
            file.unlink()
            file = packed
        names.append(file.name)
    if layout.metadata is not None:
        _write_metadata(folder, rows if claimed is None else claimed, layout, names)
    return folder


def _write_metadata(folder: Path, rows: list[Recorded], layout: Layout, names: list[str]) -> None:
    times = [row.log_ns for row in rows] or [0]
    topics = [
        {
            "topic_metadata": {
                "name": topic, "type": STRING, "serialization_format": "cdr", "offered_qos_profiles": "",
                "type_description_hash": "",
            },
            "message_count": sum(row.topic == topic for row in rows) if layout.has_counts else 0,
        }
        for topic in TOPICS
    ]  # fmt: skip
    info = {
        "version": 9,
        "storage_identifier": layout.storage,
        "relative_file_paths": names,
        "duration": {"nanoseconds": max(times) - min(times)},
        "starting_time": {"nanoseconds_since_epoch": min(times)},
        "message_count": len(rows),
        "topics_with_message_count": topics,
        "compression_format": "zstd" if layout.packed else "",
        "compression_mode": layout.packed.upper(),
    } | (layout.metadata or {})
    (folder / "metadata.yaml").write_text(yaml.safe_dump({"rosbag2_bagfile_information": info}), encoding="utf-8")


def _text(value: str) -> bytes:
    return struct.pack("<I", len(value.encode())) + value.encode()


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("<BQ", kind, len(content)) + content


def _descriptions() -> bytes:
    schema = _record(3, struct.pack("<H", 1) + _text(STRING) + _text("ros2msg") + _text("string data\n"))
    channels = (struct.pack("<HH", i + 1, 1) + _text(name) + _text("cdr") + _text("") for i, name in enumerate(TOPICS))
    return schema + b"".join(_record(4, channel) for channel in channels)


def _message(row: Recorded) -> bytes:
    head = struct.pack("<HIQQ", TOPICS.index(row.topic) + 1, 7, row.log_ns, row.log_ns)
    return _record(5, head + row.cdr)


def write_mcap(path: Path, rows: list[Recorded], layout: Layout) -> None:
    """Write an MCAP file."""
    out = bytearray(MAGIC + _record(1, _text(layout.profile) + _text("test")))
    index = b""
    if layout.is_chunked:
        for first in range(0, len(rows), layout.chunk_size):
            index += _add_chunk(out, rows[first : first + layout.chunk_size], layout, is_first=first == 0)
    else:
        out += _descriptions() + b"".join(map(_message, rows))
    out += _record(0x0F, bytes(4))
    start = len(out)
    summary = _descriptions() if layout.repeats_channels else b""
    if layout.has_statistics:
        counts = [(i + 1, sum(row.topic == name for row in rows)) for i, name in enumerate(TOPICS)]
        pairs = b"".join(struct.pack("<HQ", *pair) for pair in counts if pair[1])
        head = struct.pack("<QHIIIIQQ", len(rows), 1, len(TOPICS), 0, 0, 0, 0, 0)
        summary += _record(0x0B, head + struct.pack("<I", len(pairs)) + pairs)
    summary = summary + index if layout.has_summary else b""
    footer = struct.pack("<BQQQ", 2, 20, start if summary else 0, 0)
    crc = zlib.crc32(summary + footer) if layout.has_summary_crc and summary else 0
    path.write_bytes(bytes(out) + summary + footer + struct.pack("<I", crc) + MAGIC)


def _add_chunk(out: bytearray, rows: list[Recorded], layout: Layout, *, is_first: bool) -> bytes:
    """Append a chunk and its message index; return its record of the summary."""
    content, places = bytearray(_descriptions() if is_first else b""), {}
    for row in rows:
        places.setdefault(TOPICS.index(row.topic) + 1, []).append((row.log_ns, len(content)))
        content += _message(row)
    data = _packed(bytes(content), layout.compression)
    times = [row.log_ns for row in rows]
    start, crc = len(out), zlib.crc32(bytes(content)) if layout.has_crc else 0
    head = struct.pack("<QQQI", min(times), max(times), len(content), crc) + _text(layout.compression)
    out += _record(6, head + struct.pack("<Q", len(data)) + data)
    length, offsets = len(out) - start, b""
    for number, found in places.items() if layout.has_index else ():
        offsets += struct.pack("<HQ", number, len(out))
        pairs = b"".join(struct.pack("<QQ", *pair) for pair in found)
        out += _record(7, struct.pack("<HI", number, len(pairs)) + pairs)
    place = struct.pack("<QQQQI", min(times), max(times), start, length, len(offsets)) + offsets
    place += (
        struct.pack("<Q", len(out) - start - length)
        + _text(layout.compression)
        + struct.pack("<QQ", len(data), len(content))
    )
    return _record(8, place)


def _packed(content: bytes, compression: str) -> bytes:
    if compression == "lz4":
        import lz4.frame

        return lz4.frame.compress(content)
    return zstd.compress(content) if compression == "zstd" else content


def write_sqlite(path: Path, rows: list[Recorded], layout: Layout) -> None:
    """Write a sqlite3 file as ROS 2 Humble does; with log "wal" the second half of it lies in the write-ahead log."""
    base = sqlite3.connect(path)
    base.execute("PRAGMA page_size = 1024")
    if layout.log:
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA wal_autocheckpoint = 0")
    base.execute(
        "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT, offered_qos_profiles TEXT)"
    )
    base.execute(
        "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, timestamp INTEGER NOT NULL, data BLOB NOT NULL)"
    )
    if layout.has_time_index:
        base.execute("CREATE INDEX timestamp_idx ON messages (timestamp ASC)")
    base.executemany(
        "INSERT INTO topics VALUES (?, ?, ?, 'cdr', '')", [(i + 1, name, STRING) for i, name in enumerate(TOPICS)]
    )
    half = len(rows) // 2 if layout.log else 0
    for part in (rows[:half], rows[half:]):
        base.commit()
        if layout.log:
            base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        base.executemany(
            "INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)",
            [(TOPICS.index(row.topic) + 1, row.log_ns, row.cdr) for row in part],
        )
    base.commit()
    if layout.log:  # as they are while the recorder runs; closing it would apply the log
        log = path.with_name(path.name + "-wal")
        kept = path.read_bytes(), log.read_bytes()
        base.close()
        path.write_bytes(kept[0])
        log.write_bytes(kept[1])
    base.close()
