"""Reads metadata.yaml of a bag as a hint: the storage files give what it does not state, or states wrongly."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

METADATA: Final = "metadata.yaml"
_NEWEST = 9
_STORAGES = ("mcap", "sqlite3")


@dataclass(kw_only=True, slots=True)
class BagMetadata:
    """What metadata.yaml states.

    Attributes:
        files: Names of the storage files; empty when unknown.
        counts: Topic -> number of messages.
        types, hashes: Topic -> type name, and hash of the type.
        num_by_file: File -> number of messages.
        compression: Format, for messages.
        notes: One line per entry that is not used.
    """

    files: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    num_by_file: dict[str, int] = field(default_factory=dict)
    compression: str = ""
    notes: list[str] = field(default_factory=list)


def read_metadata(folder: Path) -> BagMetadata:
    """Read what can be used.

    Args:
        folder: The bag; its metadata.yaml may be missing or damaged.

    Returns:
        The entries, and a note on what is missing.
    """
    found = BagMetadata()
    try:
        data = (folder / METADATA).read_bytes()
        info = yaml.load(_text(data, found), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))[
            "rosbag2_bagfile_information"
        ]
    except FileNotFoundError:
        found.notes.append(f"{METADATA} is missing, its files are read one by one")
        return found
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError) as error:
        reason = (str(error).strip().splitlines() or [""])[0] or type(error).__name__
        found.notes.append(f"{METADATA} cannot be read ({reason}), its files are read one by one")
        return found
    if not isinstance(info, dict):
        found.notes.append(f"{METADATA} is empty, its files are read one by one")
        return found
    _take(info, found)
    return found


def _text(data: bytes, found: BagMetadata) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        found.notes.append(f"{METADATA} is not in UTF-8; names in it may be wrong")
        return data.decode("latin-1")


def _take(info: dict[str, Any], found: BagMetadata) -> None:
    storage, version = info.get("storage_identifier"), info.get("version")
    if storage not in _STORAGES:
        found.notes.append(f"{METADATA} names storage '{storage or ''}'; its files are read by their content")
    if not isinstance(version, int) or version > _NEWEST:
        found.notes.append(
            f"{METADATA} has version {version}, known are versions up to {_NEWEST}; its files are read one by one"
        )
    found.compression = str(info.get("compression_format") or "")
    found.files = [Path(str(name)).name for name in _entries(info, "relative_file_paths")]
    for entry in _dicts(info, "topics_with_message_count"):
        topic = entry.get("topic_metadata")
        if not isinstance(topic, dict) or not isinstance(topic.get("name"), str):
            continue
        name = topic["name"]
        if isinstance(topic.get("type"), str):
            found.types[name] = topic["type"]
        if isinstance(topic.get("type_description_hash"), str):
            found.hashes[name] = topic["type_description_hash"]
        if _is_count(entry.get("message_count")):
            found.counts[name] = found.counts.get(name, 0) + entry["message_count"]
    for entry in _dicts(info, "files"):
        if isinstance(entry.get("path"), str) and _is_count(entry.get("message_count")):
            found.num_by_file[Path(entry["path"]).name] = entry["message_count"]


def _entries(info: dict[str, Any], key: str) -> list[Any]:
    entries = info.get(key)
    return entries if isinstance(entries, list) else []


def _dicts(info: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return [entry for entry in _entries(info, key) if isinstance(entry, dict)]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53
