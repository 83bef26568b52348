"""Puts a salvaged MCAP file into order of time.

Without the index that is lost with a file's end, the reader library reads messages as they lie in the file and stops at the first
one that is older than the one before. Recorders write a little out of order all the time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.messages.definitions import typestore


def in_order(path: Path) -> Path:
    """The file itself when its messages are in order of time, else an indexed copy in a folder next to it.

    Args:
        path: A salvaged .mcap file. A file that cannot be opened is returned unchanged: opening it again gives the reason.
    """
    from rosbags.highlevel import AnyReader

    try:
        with AnyReader([path], default_typestore=typestore()) as reader:
            first: Any = reader.readers[0]
            storage = first.storage
            if _is_ordered(storage):
                return path
            copy = path.with_name(path.name + "_in_order")
            _rewrite(storage, reader.typestore, copy)
            return copy
    except Exception:  # whatever wrong bytes do to the reader library
        return path


def _is_ordered(storage: Any) -> bool:
    last_ns = 0
    for _, log_time_ns, _ in storage.messages_scan(storage.connections):
        if log_time_ns < last_ns:
            return False
        last_ns = log_time_ns
    return True


def _rewrite(storage: Any, store: Any, out: Path) -> None:
    """Copy every message that can be read into a bag with an index; a damaged chunk ends it."""
    definitions = {
        name: (store.generate_msgdef(name, ros_version=2)[0], store.hash_rihs01(name))
        for name in {connection.msgtype for connection in storage.connections}
        if name in store.fielddefs
    }
    known = [connection for connection in storage.connections if connection.msgtype in definitions]
    with BagWriter(out) as writer:
        messages = storage.messages_scan(known)
        while True:
            try:
                connection, log_time_ns, data = next(messages)
            except Exception:  # the end, or see in_order
                return
            kind = connection.msgtype
            writer.write_raw(connection.topic, kind, log_time_ns, data, definitions[kind])
