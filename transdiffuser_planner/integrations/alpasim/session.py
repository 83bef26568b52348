"""One session of the egodriver service: what has been observed, and the planner that drives from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import LidarMount, Rig
from transdiffuser_planner.core.types import Acceleration, CameraImage, EgoState, NotReady, PlanResult, SensorSnapshot
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.integrations.alpasim.egomotion import (
    Egomotion,
    command_of,
    read_waypoints,
    route_in_local,
)
from transdiffuser_planner.integrations.alpasim.poses import RigPose
from transdiffuser_planner.integrations.alpasim.renderer_data import RendererData
from transdiffuser_planner.integrations.alpasim.session_cameras import SessionCamera
from transdiffuser_planner.messages.image_pixels import EncodedPixels
from transdiffuser_planner.runtime.cycle.fallback_planner import FallbackPlanner
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler
from transdiffuser_planner.runtime.planner import Planner

MAX_SEED = 2**31 - 1
_IMAGES_KEPT = 64
_STATES_KEPT = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class DriveAnswer:
    """Answer to a drive call.

    Attributes:
        result: The plan in the local frame.
        anchor: The rig at the time of the call.
        snapshot: What it was planned from.
    """

    result: PlanResult
    anchor: RigPose
    snapshot: SensorSnapshot


def session_rig(cameras: tuple[SessionCamera, ...], vehicle: VehicleModel, *, has_lidar: bool) -> Rig:
    """Return the rig of a session.

    Args:
        cameras: Of its calibration.
        vehicle: Dimensions and limits, which no session states.
        has_lidar: Whether sweeps may come; they are in the rig's frame.
    """
    lidar = LidarMount() if has_lidar else None
    return Rig(cameras=tuple(camera.mount for camera in cameras), lidar=lidar, vehicle=vehicle)


def session_config(config: PlannerConfig, seed: int) -> PlannerConfig:
    """Return the configuration of a session.

    Args:
        config: Of the server.
        seed: Of the session, a whole number of 64 bits.
    """
    return replace(config, run_seed=seed % MAX_SEED)


class Session:
    """Collects observations and plans from them. Observing and planning may take turns in threads, not run at once.

    Args:
        cameras: Of the session's calibration.
        planner: With the session's rig and configuration.
        notice: Receives remarks, one line each.
    """

    def __init__(
        self, cameras: tuple[SessionCamera, ...], planner: Planner, notice: Callable[[str], None] = lambda line: None
    ) -> None:
        self.num_plans = self.num_fallbacks = 0
        self._planner, self._notice = planner, notice
        self._cameras = {camera.mount.name: camera for camera in cameras}
        self._egomotion = Egomotion()
        self._images: deque[CameraImage] = deque(maxlen=_IMAGES_KEPT)
        self._states: deque[tuple[EgoState, Acceleration | None]] = deque(maxlen=_STATES_KEPT)
        self._route: tuple[int, NDArray[np.float64]] | None = None
        self._last_us = 0
        self._assembler = SnapshotAssembler(planner.rig, planner.config)
        self._fallback = FallbackPlanner(planner.contract, planner.rig, planner.memory)
        for camera in cameras:
            self._assembler.add_intrinsics(camera.mount.name, camera.intrinsics)
            if camera.notice:
                notice(camera.notice)

    @property
    def horizon_s(self) -> float:
        """How far plans reach."""
        contract = self._planner.contract
        return contract.num_plan_steps * contract.plan_interval_s

    def add_image(self, message: Any) -> None:
        """Take an image.

        Args:
            message: RolloutCameraImage.CameraImage.

        Raises:
            InputError: The camera is not declared, or the file is no image of its size.
        """
        name = message.logical_id
        if name not in self._cameras:
            raise InputError(f"camera {name!r} is not declared in start_session; known are {', '.join(self._cameras)}")
        begin_us, end_us = int(message.frame_start_us), int(message.frame_end_us)
        if end_us < begin_us:
            raise InputError(f"camera '{name}': frame_end_us {end_us} lies before frame_start_us {begin_us}")
        pixels = EncodedPixels(SimpleNamespace(data=message.image_bytes, format="image_bytes"), name)
        image = CameraImage(stamp_ns=500 * (begin_us + end_us), name=name, pixels=pixels)
        sizes = self._cameras[name].intrinsics
        if not sizes.fit(image):
            raise InputError(
                f"camera '{name}': the image is {image.width}x{image.height}, declared is {sizes.width}x{sizes.height}"
            )
        self._images.append(image)

    def add_egomotion(self, request: Any) -> None:
        """Take poses.

        Args:
            request: RolloutEgoTrajectory.

        Raises:
            InputError: See ``Egomotion.add``.
        """
        self._states.extend(self._egomotion.add(request))

    def add_route(self, request: Any) -> None:
        """Take a route.

        Args:
            request: RouteRequest.

        Raises:
            InputError: See ``read_waypoints``.
        """
        self._route = int(request.route.timestamp_us), read_waypoints(request.route.waypoints)

    def drive(self, time_now_us: int, data: RendererData) -> DriveAnswer | None:
        """Plan.

        Args:
            time_now_us: Time of the plan's first pose.
            data: Other inputs of this call.

        Returns:
            The answer; None before the first egomotion and the first images.

        Raises:
            InputError: The time lies before that of the last call.
            ModelError: The model failed.
        """
        if time_now_us < self._last_us:
            raise InputError(f"drive: time_now_us {time_now_us} lies before that of the last call, {self._last_us}")
        self._last_us = time_now_us
        self._feed(time_now_us, data)
        if not self._egomotion.is_known:
            return None
        stamp_ns = 1000 * time_now_us
        found = self._assembler.without_plan(stamp_ns)
        reason = found.reason if isinstance(found, NotReady) else self._why_no_plan(found)
        snapshot = self._assembler.last_known(stamp_ns) if isinstance(found, NotReady) else found
        if snapshot is None or (reason and not self.num_plans):
            return None
        result = self._fall_back(snapshot, reason) if reason else self._plan(snapshot)
        self.num_plans += 1
        self.num_fallbacks += result.chosen < 0
        for line in (*self._assembler.pop_warnings(), *self._planner.pop_refused()):
            self._notice(line)
        return DriveAnswer(result=result, anchor=self._egomotion.pose_at(time_now_us), snapshot=snapshot)

    def _plan(self, snapshot: SensorSnapshot) -> PlanResult:
        try:
            return self._planner.plan(snapshot)
        except InputError as error:
            return self._fall_back(snapshot, str(error))

    def _fall_back(self, snapshot: SensorSnapshot, reason: str) -> PlanResult:
        planner = self._planner
        self._notice(f"fallback: {reason}")
        return self._fallback.plan(snapshot, reason, planner.config, planner.source(), is_stopping=False)

    def _why_no_plan(self, snapshot: SensorSnapshot) -> str:
        """What is missing for a plan of the model, or ""."""
        if len(snapshot.images) < self._planner.config.min_cameras:
            absent = ", ".join(name for name in self._cameras if name not in snapshot.images)
            return f"{len(snapshot.images)} cameras, need {self._planner.config.min_cameras}; missing {absent}"
        return "; ".join(self._assembler.plausibility.reasons())

    def _feed(self, time_now_us: int, data: RendererData) -> None:
        """Pass all that was observed to the assembler, in the order of the stamps."""
        assembler, stamp_ns = self._assembler, 1000 * time_now_us
        for state, acceleration in self._states:
            assembler.add_odometry(state)
            if acceleration is not None:
                assembler.add_acceleration(acceleration)
        for image in sorted(self._images, key=lambda image: image.stamp_ns):
            assembler.add_image(image)
        self._states.clear()
        self._images.clear()
        if data.cloud is not None:
            refusal = assembler.add_cloud(data.cloud)
            if refusal:
                self._notice(refusal)
        if data.signal is not None:
            assembler.add_signal(data.signal)
        if data.speed_limit_mps is not None:
            assembler.add_speed_limit(stamp_ns, data.speed_limit_mps)
        if self._route is not None and self._egomotion.is_known:
            route_us, waypoint_N3 = self._route
            assembler.add_route(route_in_local(route_us, waypoint_N3, self._egomotion.pose_at(route_us)))
            if len(waypoint_N3):
                assembler.add_command(stamp_ns, command_of(waypoint_N3))
            self._route = None
