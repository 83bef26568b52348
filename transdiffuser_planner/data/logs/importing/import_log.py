"""Writes a drive as a bag: messages, rig file, topic map, and a file that names data set and license."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from transdiffuser_planner.core.errors import ConfigError, OutputError, RecordingError
from transdiffuser_planner.core.files import PARTIAL, write_text, writing
from transdiffuser_planner.core.rig import BAG_RIG_NAME, CameraMount, Rig
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.data.bags.rig_files import write_rig, write_topic_map
from transdiffuser_planner.data.logs.drive_log import DriveLog
from transdiffuser_planner.data.logs.importing.log_messages import bag_items, frames_of, topics_of
from transdiffuser_planner.data.logs.sensor_frames import ImageFrame
from transdiffuser_planner.messages.topic_map import OWN_TOPICS
from transdiffuser_planner.params import RIGS

ORIGIN_FILE: Final = "log.json"
ALL_CAMERAS: Final = "all"
FRONT_VIEW_RAD: Final = 1.2
"""The model's stitched view ends this far to both sides of the direction ahead."""
MIN_SEEN_RAD: Final = 0.17
"""Cameras that see less of that view are left out."""


@dataclass(kw_only=True, slots=True)
class ImportResult:
    """What was written.

    Attributes:
        rig: Sensors of the bag.
        num_images, num_sweeps: Sensor frames.
        unread: Sensor frames that could not be read, by reason.
    """

    rig: Rig
    num_images: int = 0
    num_sweeps: int = 0
    unread: Counter[str] = field(default_factory=Counter)


def import_log(
    log: DriveLog, out: Path, cameras: Sequence[str] = (), on_frame: Callable[[], object] | None = None
) -> ImportResult:
    """Write a drive as a bag.

    Args:
        log: The drive, of any source.
        out: Folder of the bag; must not exist.
        cameras: Names of the cameras to write; none: those that look ahead; "all".
        on_frame: Called after each sensor frame.

    Raises:
        ConfigError: A camera does not exist.
        RecordingError: The drive has no odometry.
        OutputError: The bag exists already or cannot be written.
    """
    if not len(log.ego):
        raise RecordingError(f"{log.path}: holds no odometry, so there is no drive to import")
    if out.exists():
        raise OutputError(f"bag {out}: exists already; give a new path")
    result = ImportResult(rig=rig_for_bag(log, cameras))
    topics = topics_of(log, result.rig)
    partial = out.with_name(out.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    folder = partial / out.name  # the bag's file is named after its folder
    with writing(out, partial):
        partial.mkdir(parents=True)
        with BagWriter(folder, is_fast=True) as bag:
            for item in bag_items(log, result.rig, topics):
                if item.message is None:
                    result.unread[item.reason] += 1
                else:
                    bag.write(item.topic, item.type_name, item.stamp_ns, item.message)
                result.num_images += item.type_name == "sensor_msgs/msg/CompressedImage"
                result.num_sweeps += item.type_name == "sensor_msgs/msg/PointCloud2"
                is_frame = item.message is None or item.topic in (topics.lidar, *topics.images.values())
                if is_frame and on_frame is not None:
                    on_frame()
        write_rig(folder / BAG_RIG_NAME, result.rig, head=_rig_head(log))
        write_topic_map(folder / OWN_TOPICS, topics)
        write_text(folder / ORIGIN_FILE, json.dumps(_origin(log, result), indent=1) + "\n")
        folder.rename(out)
        partial.rmdir()
    return result


def rig_for_bag(log: DriveLog, cameras: Sequence[str]) -> Rig:
    """Return the sensors of a drive that go into its bag.

    Args:
        log: The drive; without sensors its bag gets the sensors of the shipped model and its own vehicle.
        cameras: See ``import_log``.

    Raises:
        ConfigError: A camera does not exist.
    """
    if log.rig is None:
        return Rig.load(RIGS / "carla.yaml")
    known = {camera.name: camera for camera in log.rig.cameras}
    unknown = [name for name in cameras if name not in known and name != ALL_CAMERAS]
    if unknown:
        listed = ", ".join(known) or "none"
        raise ConfigError(f"--cameras: {log.path.name} has no camera {', '.join(unknown)}; it has {listed}")
    with_images = {frame.camera for frame in log.frames if isinstance(frame, ImageFrame)}
    if not log.frames:
        return log.rig
    chosen = tuple(
        camera
        for camera in log.rig.cameras
        if camera.name in with_images
        and (camera.name in cameras or ALL_CAMERAS in cameras or (not cameras and looks_ahead(camera)))
    )
    return replace(log.rig, cameras=chosen)


def looks_ahead(camera: CameraMount) -> bool:
    """Whether a camera sees enough of the model's view ahead.

    Args:
        camera: A camera of the rig.
    """
    inner_rad = abs(math.atan2(math.sin(camera.yaw_rad), math.cos(camera.yaw_rad)))
    inner_rad -= math.atan(camera.width / 2.0 / camera.fx)
    return inner_rad < FRONT_VIEW_RAD - MIN_SEEN_RAD


def count_frames(log: DriveLog, cameras: Sequence[str]) -> int:
    """Number of sensor frames that the import will write.

    Args:
        log: The drive.
        cameras: See ``import_log``.
    """
    return len(frames_of(log, rig_for_bag(log, cameras)))


def _rig_head(log: DriveLog) -> tuple[str, ...]:
    source = "a drive" if log.data_set is None else log.data_set.name
    return (f"Written by `transdiffuser import` from the calibration of {source}, {log.name}.",)


def _origin(log: DriveLog, result: ImportResult) -> dict[str, object]:
    """What messages do not hold: where the drive comes from, under which license, where its origin lies."""
    license_ = {}
    if log.data_set is not None:
        license_ = {
            "data_set": log.data_set.name,
            "license": log.data_set.license,
            "license_stated_at": log.data_set.stated_at,
        }
    return {
        **license_,
        "log": log.name,
        "map_frame_origin_xyz_m": list(log.origin_xyz_m),
        "drives_on_left": log.drives_on_left,
        "notes": log.notes + [f"{count} x {reason}" for reason, count in result.unread.items()],
    }
