"""Rig file and topic map that describe a bag, as YAML lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.files import write_text
from transdiffuser_planner.core.rig import CameraMount, LidarMount, Rig
from transdiffuser_planner.messages.topic_map import TopicMap

_HEAD = """\
# Positions in '{base}' (rear axle's center on the ground; x ahead, y left, z up), meters and radians; positive pitch is nose down.
# Cameras are rectified pinholes that look along their x axis.
"""


def write_rig(path: Path, rig: Rig, *, head: Sequence[str], base: str = "base_link") -> None:
    """Write a rig file.

    Args:
        path: File to write.
        rig: Sensors and mounts.
        head: Comments for the head of the file: where the rig comes from.
        base: Frame of the rear axle's center on the ground.

    Raises:
        OutputError: The file cannot be written.
    """
    lines = [*(f"# {line}" for line in head), *_HEAD.format(base=base).splitlines()]
    lines += ["cameras:" if rig.cameras else "cameras: []"]
    lines += [f"  - {_flow(camera, CameraMount)}" for camera in rig.cameras]
    if rig.lidar is not None:
        skipped = ("name",) if rig.lidar.own_margin_m else ("name", "own_margin_m")
        lines += [f"lidar: {_flow(rig.lidar, LidarMount, skipped)}"]
    lines += [f"base_from_odometry_child_x_m: {rig.base_from_odometry_child_x_m}"]
    if rig.odometry_clock_offset_s:
        lines += [f"odometry_clock_offset_s: {rig.odometry_clock_offset_s}"]
    if rig.vehicle.differences():
        values = ", ".join(f"{name}: {value}" for name, value in rig.vehicle.to_dict().items())
        lines += [f"vehicle: {{{values}}}"]
    write_text(path, "\n".join(lines) + "\n")


def write_topic_map(path: Path, topics: TopicMap) -> None:
    """Write a topic map.

    Args:
        path: File to write.
        topics: The planner's inputs.

    Raises:
        OutputError: The file cannot be written.
    """
    write_text(path, "\n".join(_topic_lines(topics)) + "\n")


def _flow(mount: Any, kind: type, skipped: tuple[str, ...] = ()) -> str:
    """A mount as one line of YAML."""
    names = [item.name for item in fields(kind) if item.name not in skipped]
    order: list[str] = [name for name in ("name", "width", "height", "fx", "fy", "cx", "cy") if name in names]
    order += [name for name in names if name not in order]
    return "{" + ", ".join(f"{name}: {getattr(mount, name)}" for name in order) + "}"


def _topic_lines(topics: TopicMap) -> Iterator[str]:
    """Lines of a topic map, without the inputs that it has no topic for.

    Yields:
        One line per input.
    """
    for item in fields(TopicMap):
        value = getattr(topics, item.name)
        if isinstance(value, dict):
            yield f"{item.name}: {{{', '.join(f'{name}: {topic}' for name, topic in value.items())}}}"
        elif value:
            yield f"{item.name}: {value}"
