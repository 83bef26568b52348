"""Passes the inputs of a data set's log on in the order of their stamps, as a bag's are passed on while it is read."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Any

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.types import CameraImage, CameraIntrinsics, PointCloud
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogMessage, LogRequest
from transdiffuser_planner.data.logs.sensor_frames import ImageFrame, SensorFrame
from transdiffuser_planner.messages.image_pixels import EncodedPixels
from transdiffuser_planner.messages.input_registry import BY_NAME, SnapshotSink


class ImageFile:
    """An image file in the form of a sensor_msgs/CompressedImage.

    Attributes:
        data, format: As in the message; the format is read from the data.
    """

    def __init__(self, data: bytes) -> None:
        self.data, self.format = data, "png" if data.startswith(b"\x89PNG") else "jpeg"


def pass_on(log: DriveLog, request: LogRequest) -> DriveLog:
    """Pass all inputs of a log on, sensor frames included, if that was requested.

    Args:
        log: A log with frames.
        request: Its ``on_input`` is called.

    Returns:
        The same log.
    """
    if request.on_input is not None:
        streams = (_values(log), _frames(log))
        for message in heapq.merge(*streams, key=lambda item: item.stamp_ns):
            request.on_input(message)
    return log


def _values(log: DriveLog) -> Iterator[LogMessage]:
    """Yield all inputs but sensor frames.

    Yields:
        Messages in order of stamps.
    """
    found: list[LogMessage] = [_message("odometry", state.stamp_ns, state) for state in log.ego.states]
    found += [_message("acceleration", value.stamp_ns, value) for value in log.acceleration]
    found += [_message("route", stamp_ns, route) for stamp_ns, route in log.routes]
    found += [_message("command", stamp_ns, (stamp_ns, command)) for stamp_ns, command in log.commands]
    found += [_message("speed_limit", stamp_ns, limit_mps) for stamp_ns, limit_mps in log.speed_limits]
    found += [_message("traffic_signal", signal.stamp_ns, signal) for signal in log.signals]
    yield from sorted(found, key=lambda item: item.stamp_ns)


def _message(name: str, stamp_ns: int, value: Any, camera: str = "") -> LogMessage:
    return _lazy(name, camera, stamp_ns, lambda: value)


def _frames(log: DriveLog) -> Iterator[LogMessage]:
    """Yield the sensor frames, each camera's first one after its intrinsics where those are not the rig's.

    Yields:
        Messages in order of stamps.
    """
    known: dict[str, CameraIntrinsics] = {}
    for frame in log.frames:
        own = frame.intrinsics if isinstance(frame, ImageFrame) else None
        if isinstance(frame, ImageFrame) and own is not None and known.get(frame.camera) != own:
            known[frame.camera] = own
            yield _message("camera_info", frame.stamp_ns, own, frame.camera)
        name, camera = ("camera", frame.camera) if isinstance(frame, ImageFrame) else ("lidar", "")
        yield _lazy(name, camera, frame.stamp_ns, _decoder(frame))


def _decoder(frame: SensorFrame) -> Callable[[], CameraImage | PointCloud]:
    def decode() -> CameraImage | PointCloud:
        if isinstance(frame, ImageFrame):
            made = frame.pixels
            pixels = EncodedPixels(ImageFile(frame.read()), frame.camera) if made is None else made()
            return CameraImage(stamp_ns=frame.stamp_ns, name=frame.camera, pixels=pixels)
        return PointCloud(stamp_ns=frame.stamp_ns, xyz_N3=frame.read()[:, :3])

    return decode


def _lazy(name: str, camera: str, stamp_ns: int, decode: Callable[[], Any]) -> LogMessage:
    """A message that is decoded when it is used."""
    spec = BY_NAME[name]

    def deliver(sink: SnapshotSink) -> str | None:
        try:
            return spec.add(sink, decode(), stamp_ns, camera)
        except InputError as error:
            return str(error)

    return LogMessage(name=name, camera=camera, stamp_ns=stamp_ns, decode=decode, deliver=deliver)
