"""A recorded drive as plain values that its report is made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.types import CameraIntrinsics, DrivingCommand, SignalState, Trajectory
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.data.logs.drive_log import TrafficLight
from transdiffuser_planner.messages.decode_outputs import RecordedAgents, RecordedCandidates, RecordedStatus
from transdiffuser_planner.reports.drive.thinning import ThinCloud, Thumbnail

FloatArray = NDArray[np.float64]


@dataclass(kw_only=True, slots=True)
class PlanCycle:
    """What was published about one planning cycle; parts that are not recorded are None."""

    trajectory: Trajectory | None = None
    candidates: RecordedCandidates | None = None
    agents: RecordedAgents | None = None
    status: RecordedStatus | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraView:
    """A rectified camera on the vehicle.

    Attributes:
        intrinsics: Pinhole; the image may be shown in another size.
        camera_from_base_34: From base_link to the camera's frame (x ahead, y left, z up).
    """

    intrinsics: CameraIntrinsics
    camera_from_base_34: FloatArray


@dataclass(kw_only=True, slots=True)
class Drive:
    """Lists of pairs are (stamp_ns, value), in order of stamps; positions are in the odometry's frame.

    Attributes:
        bag, damage: Where it was read from, and why reading ended early, or "".
        vehicle: Dimensions of the ego; the default car without a rig.
        frame_id: The odometry's frame.
        stamp_ns_F, pose_F3, speed_F: base_link over time; x, y, heading (unwrapped); m/s.
        map_name, map_pieces: Ground truth of the road as (kind, vertices (N, 2)), if any.
        routes, objects, light_states, signals, limits_mps, commands: Inputs and ground truth over time.
        lights: Signal heads.
        clouds, images: Thinned sensor data; images by camera, left to right.
        views: Camera models, where the rig has them.
        cycles: Planner output by stamp.
        collisions: Contacts as (stamp_ns, other one's id).
        can_report_collisions: Whether collisions would be in the bag.
        unread: Messages that could not be used, by reason.
    """

    bag: Path
    vehicle: VehicleModel
    damage: str = ""
    frame_id: str = ""
    stamp_ns_F: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    pose_F3: FloatArray = field(default_factory=lambda: np.zeros((0, 3)))
    speed_F: FloatArray = field(default_factory=lambda: np.zeros(0))
    map_name: str = ""
    map_pieces: list[tuple[int, FloatArray]] = field(default_factory=list)
    routes: list[tuple[int, FloatArray]] = field(default_factory=list)
    objects: list[tuple[int, AgentStates]] = field(default_factory=list)
    lights: list[TrafficLight] = field(default_factory=list)
    light_states: list[tuple[int, dict[int, SignalState]]] = field(default_factory=list)
    signals: list[tuple[int, tuple[SignalState, int]]] = field(default_factory=list)
    limits_mps: list[tuple[int, float]] = field(default_factory=list)
    commands: list[tuple[int, DrivingCommand]] = field(default_factory=list)
    clouds: list[tuple[int, ThinCloud]] = field(default_factory=list)
    images: dict[str, list[tuple[int, Thumbnail]]] = field(default_factory=dict)
    views: dict[str, CameraView] = field(default_factory=dict)
    cycles: dict[int, PlanCycle] = field(default_factory=dict)
    collisions: list[tuple[int, int]] = field(default_factory=list)
    can_report_collisions: bool = False
    unread: Counter[str] = field(default_factory=Counter)

    @property
    def duration_s(self) -> float:
        """From the first to the last odometry."""
        return float(self.stamp_ns_F[-1] - self.stamp_ns_F[0]) * 1e-9

    @property
    def distance_m(self) -> float:
        """Length of the driven path."""
        step = np.diff(self.pose_F3[:, :2], axis=0)
        return float(np.hypot(step[:, 0], step[:, 1]).sum())

    def plans(self) -> Iterator[tuple[int, PlanCycle]]:
        """Yield cycles with a published trajectory, in order of stamps.

        Yields:
            Stamp in ns and cycle.
        """
        for stamp in sorted(self.cycles):
            if self.cycles[stamp].trajectory is not None:
                yield stamp, self.cycles[stamp]

    def statuses(self) -> list[RecordedStatus]:
        """All planner statuses in order of stamps."""
        found = (self.cycles[stamp].status for stamp in sorted(self.cycles))
        return [status for status in found if status is not None]

    def pose_at(self, stamp_ns: int) -> FloatArray:
        """base_link (3,) at a stamp, interpolated and held at the ends."""
        # Nanoseconds since 1970 do not fit a double exactly; relative ones do.
        since_start = self.stamp_ns_F - self.stamp_ns_F[0]
        at = stamp_ns - int(self.stamp_ns_F[0])
        return np.asarray([np.interp(at, since_start, self.pose_F3[:, i]) for i in range(3)])

    def sort(self) -> None:
        """Put every list in order of stamps; a bag is in order of arrival."""
        timed: list[Any] = [self.routes, self.objects, self.light_states, self.signals, self.limits_mps, self.commands]
        for values in (*timed, self.clouds, self.collisions, *self.images.values()):
            values.sort(key=_stamp)


def _stamp(pair: tuple[int, object]) -> int:
    return pair[0]
