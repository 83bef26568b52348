"""Write a rig file and a topic map from the camera_info and transforms of a recorded drive."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.rig import CameraMount, LidarMount
from transdiffuser_planner.messages.topic_map import TopicMap

_HEAD = """\
# Written by `transdiffuser rig` from camera_info, frames and transforms of {bag}.
# Positions in '{base}' (rear axle's center on the ground; x ahead, y left, z up), meters and radians; positive pitch is nose down.
# Cameras are rectified pinholes that look along their x axis.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "bag", type=Path, metavar="BAG", help="rosbag2 folder, .mcap or .db3 file with camera_info and /tf_static"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="rig YAML to write")
    parser.add_argument("--topics", type=Path, metavar="FILE", help="also write the topic map that goes with it")
    parser.add_argument(
        "--base", default="base_link", help="frame of the rear axle's center on the ground (default: %(default)s)"
    )
    parser.add_argument(
        "--cameras", nargs="+", default=(), metavar="NAME", help="only these cameras, from left to right"
    )
    parser.add_argument("--lidar", default="", metavar="TOPIC", help="point cloud to use where there are several")
    parser.add_argument("--odometry", default="", metavar="TOPIC", help="odometry to use where there are several")


def run(args: argparse.Namespace) -> int:
    """Read the bag, write the files, print what needs a look."""
    from transdiffuser_planner.data.bags.bag_reader import BagReader
    from transdiffuser_planner.doctor.rig_from_bag import SensorSelection, draft_rig

    selection = SensorSelection(base=args.base, cameras=tuple(args.cameras), lidar=args.lidar, odometry=args.odometry)
    with BagReader(args.bag) as bag:
        draft = draft_rig(bag, selection)
    lines = _HEAD.format(bag=args.bag.name, base=args.base).splitlines()
    lines += ["cameras:" if draft.rig.cameras else "cameras: []"]
    lines += [f"  - {_flow(camera, CameraMount)}" for camera in draft.rig.cameras]
    lines += [f"lidar: {_flow(draft.rig.lidar, LidarMount, ('name', 'own_margin_m'))}"] if draft.rig.lidar else []
    lines += [f"base_from_odometry_child_x_m: {draft.rig.base_from_odometry_child_x_m}"]
    _write(args.out, lines)
    sensors = [f"camera {camera.name}" for camera in draft.rig.cameras] + (["lidar"] if draft.rig.lidar else [])
    print(f"rig    {args.out}: {', '.join(sensors)}")
    if args.topics is not None:
        _write(args.topics, list(_topic_lines(draft.topics)))
        print(f"topics {args.topics}")
    for note in draft.notes:
        print(f"look at {note}")
    return 0


def _flow(mount: Any, kind: type, left_out: tuple[str, ...] = ()) -> str:
    """A mount as one line of YAML."""
    names = [item.name for item in fields(kind) if item.name not in left_out]
    order: list[str] = [name for name in ("name", "width", "height", "fx", "fy", "cx", "cy") if name in names]
    order += [name for name in names if name not in order]
    return "{" + ", ".join(f"{name}: {getattr(mount, name)}" for name in order) + "}"


def _topic_lines(topics: TopicMap) -> Iterator[str]:
    for item in fields(TopicMap):
        value = getattr(topics, item.name)
        if isinstance(value, dict):
            yield f"{item.name}: {{{', '.join(f'{name}: {topic}' for name, topic in value.items())}}}"
        elif value:
            yield f"{item.name}: {value}"


def _write(path: Path, lines: list[str]) -> None:
    try:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); give another file") from None
