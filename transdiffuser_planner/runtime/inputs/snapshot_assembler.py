"""Collects sensor values as they arrive and assembles time-aligned snapshots.

Frames are aligned by stamp, not by arrival. Optional inputs that are absent or old are masked; insufficient inputs give
NotReady with the reason. A clock that jumps back (a bag that loops) resets all inputs, physically impossible odometry
resets the ego history.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import (
    ActionTokens,
    CameraImage,
    CameraIntrinsics,
    EgoState,
    NotReady,
    PointCloud,
    SensorSnapshot,
)
from transdiffuser_planner.planning.observation.ego_history import (
    extrapolate,
    interpolate,
    is_discontinuity,
    jump_text,
    odometry_in_base,
)
from transdiffuser_planner.runtime.inputs.optional_inputs import OptionalInputs

LIDAR = "lidar"
_FRAMES_KEPT = 4
_HISTORY_NS = 2_500_000_000
_FRAME_WAIT_NS = 150_000_000
_CLOCK_RESET_NS = 1_000_000_000
_SILENT_NS = 1_000_000_000
_WARNINGS_KEPT = 20
_FOREIGN_NS = 3_600_000_000_000  # stamps this far from the odometry's belong to another clock


class SnapshotAssembler(OptionalInputs):
    """Assembles the snapshots of one vehicle. Not thread-safe.

    Args:
        rig: The vehicle's sensors.
        config: Tolerances and required inputs; may be replaced.
    """

    def __init__(self, rig: Rig, config: PlannerConfig) -> None:
        super().__init__()
        self._rig = rig
        self.config = config
        self._cameras = {camera.name: camera for camera in rig.cameras}
        self.num_resets = 0
        self._warnings: deque[str] = deque(maxlen=_WARNINGS_KEPT)
        self._clear()

    def _clear(self) -> None:
        self._frames: dict[str, deque[CameraImage | PointCloud]] = {
            name: deque(maxlen=_FRAMES_KEPT) for name in self._sensor_names()
        }
        self._intrinsics: dict[str, CameraIntrinsics] = {
            c.name: CameraIntrinsics(width=c.width, height=c.height, fx=c.fx, fy=c.fy, cx=c.cx, cy=c.cy)
            for c in self._rig.cameras
        }
        self._first_ns: int | None = None
        self._ego: deque[EgoState] = deque()
        self._stray_ns: int | None = None

    def _sensor_names(self) -> list[str]:
        return list(self._cameras) + ([LIDAR] if self._rig.lidar is not None else [])

    def reset(self) -> None:
        """Discard everything but the route and intrinsics, as after a clock jump."""
        intrinsics = self._intrinsics
        self._clear()
        self.reset_optional()
        self._intrinsics = intrinsics
        self.num_resets += 1
        self._warnings.append("the clock jumped; all inputs start over")

    def pop_warnings(self) -> list[str]:
        """Return and clear the warnings about accepted messages since the last call."""
        warnings = list(self._warnings)
        self._warnings.clear()
        return warnings

    @property
    def route_notice(self) -> str:
        """Why the present route is masked; "" if it is used, or there is none."""
        return self.masked_route(self._ego[-1].frame_id) if self._ego else ""

    def add_image(self, image: CameraImage) -> str | None:
        """Take an image; returns why it was refused, or None."""
        if image.name not in self._cameras:
            return f"camera '{image.name}' is not in the rig"
        intrinsics = self._intrinsics[image.name]
        if image.rgb_HW3.shape != (intrinsics.height, intrinsics.width, 3):
            height, width = image.rgb_HW3.shape[:2]
            return (
                f"camera '{image.name}': image is {width}x{height}, "
                f"its camera_info is {intrinsics.width}x{intrinsics.height}"
            )
        return self._add_frame(image.name, image)

    def add_intrinsics(self, name: str, intrinsics: CameraIntrinsics) -> str | None:
        """Take a camera's intrinsics; returns why they were refused, or None."""
        if name not in self._cameras:
            return f"camera '{name}' is not in the rig"
        if intrinsics.fx <= 0 or intrinsics.fy <= 0 or intrinsics.width < 1 or intrinsics.height < 1:
            return f"camera '{name}': camera_info is not calibrated (fx {intrinsics.fx}, width {intrinsics.width})"
        self._intrinsics[name] = intrinsics
        return None

    def add_cloud(self, cloud: PointCloud) -> str | None:
        """Take a LiDAR sweep; returns why it was refused, or None."""
        if self._rig.lidar is None:
            return "the rig has no lidar"
        if len(cloud.xyz_N3) == 0:
            return "lidar: point cloud is empty"
        return self._add_frame(LIDAR, cloud)

    def _add_frame(self, name: str, frame: CameraImage | PointCloud) -> str | None:
        if self._ego and abs(frame.stamp_ns - self._ego[-1].stamp_ns) > _FOREIGN_NS:
            return f"{name}: stamp is hours away from the odometry's; all inputs need one clock"
        frames = self._frames[name]
        if frames and frame.stamp_ns <= frames[-1].stamp_ns:
            if frames[-1].stamp_ns - frame.stamp_ns < _CLOCK_RESET_NS:
                word = "repeated" if frame.stamp_ns == frames[-1].stamp_ns else "out-of-order"
                return f"{name}: {word} stamp"
            self.reset()
            frames = self._frames[name]
        frames.append(frame)
        if self._first_ns is None:
            self._first_ns = frame.stamp_ns
        return None

    def add_odometry(self, ego: EgoState) -> str | None:
        """Take odometry (moved to base_link by the rig's offset); returns why it was refused, or None."""
        ego = odometry_in_base(ego, self._rig.base_from_odometry_child_x_m)
        if self._is_stray(ego.stamp_ns):
            return "odometry: stamp is hours away from the last; used when the next one agrees"
        if self._ego:
            behind_ns = self._ego[-1].stamp_ns - ego.stamp_ns
            if 0 <= behind_ns < _CLOCK_RESET_NS:
                return f"odometry: {'repeated' if behind_ns == 0 else 'out-of-order'} stamp"
            if behind_ns >= _CLOCK_RESET_NS or behind_ns < -_FOREIGN_NS:
                self.reset()
            elif is_discontinuity(self._ego[-1], ego):
                self._warnings.append(jump_text(self._ego[-1], ego))
                self._ego.clear()
        elif any(abs(frames[-1].stamp_ns - ego.stamp_ns) > _FOREIGN_NS for frames in self._frames.values() if frames):
            self.reset()
        self._ego.append(ego)
        while self._ego[-1].stamp_ns - self._ego[0].stamp_ns > _HISTORY_NS:
            self._ego.popleft()
        return None

    def add_action_tokens(self, tokens: ActionTokens) -> str | None:
        """Take action tokens that are recent enough; returns why they were refused, or None."""
        now_ns = self._ego[-1].stamp_ns if self._ego else tokens.stamp_ns
        age_s, limit_s = (now_ns - tokens.stamp_ns) * 1e-9, self.config.max_tokens_age_s
        if abs(age_s) > limit_s:
            word = "old" if age_s > 0.0 else "ahead of the odometry"
            return f"action tokens: {abs(age_s):.2f} s {word} (limit {limit_s} s)"
        return super().add_action_tokens(tokens)

    def _is_stray(self, stamp_ns: int) -> bool:
        """Whether one odometry message alone has a stamp hours away from the last; a second one confirms the jump."""
        first_ns, self._stray_ns = self._stray_ns, None
        near = not self._ego or abs(stamp_ns - self._ego[-1].stamp_ns) <= _FOREIGN_NS
        if near or (first_ns is not None and 0 < stamp_ns - first_ns <= _CLOCK_RESET_NS):
            return False
        self._stray_ns = stamp_ns
        return True

    def latest_stamp_ns(self) -> int | None:
        """Newest stamp of any camera or LiDAR frame."""
        stamps = [frames[-1].stamp_ns for frames in self._frames.values() if frames]
        return max(stamps) if stamps else None

    def is_complete(self, stamp_ns: int) -> bool:
        """Whether odometry and every sensor that is still publishing have arrived for a frame stamp.

        A sensor without messages for a second is not waited for until it publishes again.
        """
        have_ego = bool(self._ego) and self._ego[-1].stamp_ns >= stamp_ns
        found = self._frames_at(stamp_ns)
        return have_ego and all(name in found or self._is_silent(name, stamp_ns) for name in self._frames)

    def _is_silent(self, name: str, stamp_ns: int) -> bool:
        frames = self._frames[name]
        since_ns = frames[-1].stamp_ns if frames else self._first_ns
        return since_ns is not None and stamp_ns - since_ns > _SILENT_NS

    def _frames_at(self, stamp_ns: int) -> dict[str, CameraImage | PointCloud]:
        """The frame of each sensor nearest to a stamp, if within the tolerance."""
        tolerance_ns = self.config.sync_tolerance_s * 1e9
        found = {}
        for name, frames in self._frames.items():
            nearest = min(frames, key=lambda frame: abs(frame.stamp_ns - stamp_ns), default=None)
            if nearest is not None and abs(nearest.stamp_ns - stamp_ns) <= tolerance_ns:
                found[name] = nearest
        return found

    def _choose_stamp(self, newest_ns: int, earliest_ns: int | None) -> int:
        """The recent frame stamp, not before the earliest, with frames of most sensors; the newest of equals."""
        stamps = {frame.stamp_ns for frames in self._frames.values() for frame in frames}
        oldest_ns = newest_ns - _FRAME_WAIT_NS
        if earliest_ns is not None:
            oldest_ns = max(oldest_ns, min(earliest_ns, newest_ns))
        recent = [stamp for stamp in stamps if stamp >= oldest_ns]
        return max(recent, key=lambda stamp: (len(self._frames_at(stamp)), stamp))

    def assemble(self, now_ns: int, earliest_ns: int | None = None) -> SensorSnapshot | NotReady:
        """Assemble the best snapshot available.

        Args:
            now_ns: Current time on the data's clock.
            earliest_ns: Frames before this stamp have been used and are not used again.

        Returns:
            The snapshot, or NotReady with the reason.
        """
        newest_ns = self.latest_stamp_ns()
        if newest_ns is None:
            return NotReady(reason=f"no frame yet of {', '.join(self._sensor_names())}")
        stamp_ns = self._choose_stamp(newest_ns, earliest_ns)
        age_s = (now_ns - stamp_ns) * 1e-9
        if age_s > self.config.max_sensor_age_s:
            return NotReady(reason=f"newest sensor frame is {age_s:.2f} s old (limit {self.config.max_sensor_age_s} s)")
        frames = self._frames_at(stamp_ns)
        reason = self._missing_sensors(frames)
        if reason:
            return NotReady(reason=reason)
        ego = self._ego_at(stamp_ns)
        if isinstance(ego, NotReady):
            return ego
        return self._snapshot(stamp_ns, ego, frames)

    def without_plan(self, stamp_ns: int) -> SensorSnapshot | NotReady:
        """Assemble a snapshot for a fallback when the inputs do not suffice for a plan.

        Args:
            stamp_ns: Time of the fallback.

        Returns:
            The ego's state with any available frames; NotReady when odometry is too old.
        """
        ego = self._ego_at(stamp_ns)
        return ego if isinstance(ego, NotReady) else self._snapshot(stamp_ns, ego, self._frames_at(stamp_ns))

    def last_known(self, now_ns: int) -> SensorSnapshot | None:
        """The last ego state, extrapolated by at most ``max_odometry_age_s`` and stamped with now; None without odometry.

        Args:
            now_ns: Current time on the data's clock.
        """
        if not self._ego:
            return None
        last = self._ego[-1]
        until_ns = min(now_ns, last.stamp_ns + round(self.config.max_odometry_age_s * 1e9))
        ego = replace(extrapolate(last, max(until_ns, last.stamp_ns)), stamp_ns=now_ns)
        return self._snapshot(now_ns, ego, {})

    def _missing_sensors(self, frames: dict[str, CameraImage | PointCloud]) -> str:
        """Reason that these frames do not suffice, or the empty string."""
        num_cameras = sum(name in self._cameras for name in frames)
        absent = [name for name in self._sensor_names() if name not in frames]
        if num_cameras < self.config.min_cameras:
            return f"{num_cameras} cameras, need {self.config.min_cameras}; missing {', '.join(absent)}"
        if self.config.require_lidar and LIDAR not in frames:
            return "lidar is missing and require_lidar is set"
        return ""

    def _ego_at(self, stamp_ns: int) -> EgoState | NotReady:
        if not self._ego:
            return NotReady(reason="no odometry yet")
        ego = interpolate(self._ego, stamp_ns)
        if ego is not None:
            return ego
        gap_s = (stamp_ns - self._ego[-1].stamp_ns) * 1e-9
        if 0.0 < gap_s <= self.config.max_odometry_age_s:
            return extrapolate(self._ego[-1], stamp_ns)
        if gap_s > 0.0:
            return NotReady(reason=f"odometry is {gap_s:.2f} s older than the frame")
        return NotReady(reason="odometry begins after the frame")

    def _snapshot(self, stamp_ns: int, ego: EgoState, frames: dict[str, CameraImage | PointCloud]) -> SensorSnapshot:
        limits_s = (self.config.max_optional_age_s, self.config.max_tokens_age_s)
        optional = self.optional_at(stamp_ns, ego.frame_id, *limits_s)
        ages = {name: stamp_ns - frame.stamp_ns for name, frame in frames.items()}
        ages["odometry"] = max(0, stamp_ns - self._ego[-1].stamp_ns)
        if optional.action_token_path is not None:
            ages["action_tokens"] = stamp_ns - optional.action_token_path.stamp_ns
        missing = [name for name in self._sensor_names() if name not in frames]
        images = {name: frame for name, frame in frames.items() if isinstance(frame, CameraImage)}
        cloud = frames.get(LIDAR)
        return SensorSnapshot(
            stamp_ns=stamp_ns,
            ego=ego,
            history=tuple(state for state in self._ego if state.stamp_ns <= stamp_ns),
            images=images,
            intrinsics={name: self._intrinsics[name] for name in images},
            cloud=cloud if isinstance(cloud, PointCloud) else None,
            acceleration=optional.acceleration,
            route=optional.route,
            command=optional.command,
            signal=optional.signal,
            speed_limit_mps=optional.speed_limit_mps,
            action_token_path=optional.action_token_path,
            missing=(*missing, *optional.missing),
            ages_ns=ages,
        )
