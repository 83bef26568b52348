"""Reads which QoS the publishers of a recorded bag offered, from its metadata.yaml.

Versions of rosbag2 write it as text within the text or as a list, and values as numbers or words. Whatever cannot be read is
unknown: a recording does not depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

POLICIES = {
    "reliability": {1: "reliable", 2: "best_effort"},
    "durability": {1: "transient_local", 2: "volatile"},
}
"""Policy -> number in metadata -> name in parameters."""


def offered_qos(bags: Sequence[Path]) -> dict[str, list[dict[str, str]]]:
    """Return the QoS of the publishers of each topic.

    Args:
        bags: Folders of bags; files have no metadata.

    Returns:
        Topic -> policy -> value, for each publisher; without what is unknown.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for bag in bags:
        for topic, profiles in _topics(bag / "metadata.yaml"):
            known = [{name: _value(name, profile.get(name)) for name in POLICIES} for profile in profiles]
            found.setdefault(topic, []).extend(
                {name: value for name, value in profile.items() if value} for profile in known
            )
    return found


def _topics(path: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield (topic, profiles) of a metadata file."""
    data = _parsed(path.read_bytes().decode("utf-8", "replace")) if path.is_file() else None
    info = data.get("rosbag2_bagfile_information") if isinstance(data, dict) else None
    topics = info.get("topics_with_message_count") if isinstance(info, dict) else None
    for entry in topics if isinstance(topics, list) else []:
        described = entry.get("topic_metadata") if isinstance(entry, dict) else None
        if not isinstance(described, dict):
            continue
        profiles = described.get("offered_qos_profiles")
        profiles = _parsed(profiles) if isinstance(profiles, str) else profiles
        if isinstance(profiles, list):
            yield str(described.get("name")), [profile for profile in profiles if isinstance(profile, dict)]


def _parsed(text: str) -> Any:
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError):
        return None


def _value(policy: str, given: Any) -> str:
    """Return the name of a policy's value; "" for an unknown one."""
    names = POLICIES[policy]
    if isinstance(given, int):
        return names.get(given, "")
    return str(given).lower() if str(given).lower() in names.values() else ""
