"""Collects sensor values as they arrive and assembles snapshots of frames that fit together.

Frames are matched by stamp, not by arrival (``frame_matcher``). Inputs whose stamps do not fit the others' are masked and named
(``clock_check``). Optional inputs that are absent or old are masked; insufficient inputs give NotReady with the reason. A
clock that jumps back (a bag that loops) resets all inputs, physically impossible odometry resets the ego history.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import (
    LIDAR,
    ActionTokens,
    CameraImage,
    CameraIntrinsics,
    EgoState,
    NotReady,
    PointCloud,
    SensorSnapshot,
)
from transdiffuser_planner.planning.observation.ego_history import (
    base_motion,
    odometry_in_base,
)
from transdiffuser_planner.runtime.inputs.clock_check import ClockLimits
from transdiffuser_planner.runtime.inputs.frame_buffer import SensorFrame
from transdiffuser_planner.runtime.inputs.frame_matcher import FrameMatcher
from transdiffuser_planner.runtime.inputs.input_plausibility import InputPlausibility
from transdiffuser_planner.runtime.inputs.odometry_buffer import CLOCK_RESET_NS, FOREIGN_NS, OdometryBuffer
from transdiffuser_planner.runtime.inputs.optional_inputs import OptionalInputs
from transdiffuser_planner.runtime.inputs.sensor_clocks import ODOMETRY, SensorClocks
from transdiffuser_planner.runtime.inputs.sweep_joiner import SweepJoiner

_WARNINGS_KEPT = 20


class SnapshotAssembler(OptionalInputs):
    """Assembles the snapshots of one vehicle. Not thread-safe.

    Args:
        rig: The vehicle's sensors.
        config: Tolerances and required inputs; may be replaced.

    Attributes:
        now_ns: Time of arrival of the messages added next, on the data's clock; None where it is not measured, as in most
            recordings: arrivals then are placed at the newest stamp of odometry.
    """

    def __init__(self, rig: Rig, config: PlannerConfig) -> None:
        super().__init__()
        self._rig = rig
        self.config = config
        self.now_ns: int | None = None
        self._cameras = {camera.name: camera for camera in rig.cameras}
        self.plausibility = InputPlausibility(rig)
        self._clocks = SensorClocks(rig)
        self._sweeps = None if rig.lidar is None else SweepJoiner(rig.lidar)
        self.num_resets = 0
        self._warnings: deque[str] = deque(maxlen=_WARNINGS_KEPT)
        self._clear()

    def _clear(self) -> None:
        names = list(self._cameras) + ([LIDAR] if self._rig.lidar is not None else [])
        self._clocks.reset()
        if self._sweeps is not None:
            self._sweeps.reset()
        self._matcher = FrameMatcher(names, self._clocks.timing)
        self._intrinsics: dict[str, CameraIntrinsics] = {
            c.name: CameraIntrinsics(width=c.width, height=c.height, fx=c.fx, fy=c.fy, cx=c.cx, cy=c.cy)
            for c in self._rig.cameras
        }
        self._odometry = OdometryBuffer()

    def reset(self) -> None:
        """Discard everything but the route and intrinsics, as after a clock jump."""
        intrinsics = self._intrinsics
        self._clear()
        self.plausibility.reset()
        self.reset_optional()
        self._intrinsics = intrinsics
        self.num_resets += 1
        self._warnings.append("the clock jumped; all inputs start over")

    def pop_warnings(self) -> list[str]:
        """Return and clear the warnings about accepted messages since the last call."""
        warnings = [*self._warnings, *self.plausibility.pop_notices()]
        self._warnings.clear()
        return warnings

    def delays_s(self) -> dict[str, float]:
        """Return the usual time from stamp to arrival of every sensor and odometry."""
        return {name: delay * 1e-9 for name, delay in self._clocks.timing.delays_ns().items()}

    @property
    def route_notice(self) -> str:
        """Why the present route is masked; "" if it is used, or there is none."""
        ego = self._odometry.newest
        return "" if ego is None else self.masked_route(ego.frame_id)

    def add_image(self, image: CameraImage) -> str | None:
        """Take an image; returns why it was refused, or None."""
        if image.name not in self._cameras:
            return f"camera '{image.name}' is not in the rig"
        intrinsics = self._intrinsics[image.name]
        if not intrinsics.fit(image):
            return (
                f"camera '{image.name}': image is {image.width}x{image.height}, "
                f"its camera_info is {intrinsics.width}x{intrinsics.height}"
            )
        return self.plausibility.why_masked(image.name) or self._add_frame(image.name, image)

    def add_intrinsics(self, name: str, intrinsics: CameraIntrinsics) -> str | None:
        """Take a camera's intrinsics; returns why they were refused, or None."""
        if name not in self._cameras:
            return f"camera '{name}' is not in the rig"
        refusal = self.plausibility.intrinsics(name, intrinsics)
        if refusal is None:
            self._intrinsics[name] = intrinsics
            if self.plausibility.why_masked(name):
                self._matcher.forget(name)
        return refusal

    def add_cloud(self, cloud: PointCloud) -> str | None:
        """Take a LiDAR sweep; returns why it was refused, or None."""
        if self._rig.lidar is None:
            return "the rig has no lidar"
        return self.plausibility.cloud(cloud) or self._add_frame(LIDAR, cloud)

    def _add_frame(self, name: str, frame: SensorFrame) -> str | None:
        stamp_ns = self._clocks.corrected_ns(name, frame.stamp_ns)
        if stamp_ns != frame.stamp_ns:
            frame = replace(frame, stamp_ns=stamp_ns)
        ego_ns = self._odometry.newest_ns
        if ego_ns is not None and abs(stamp_ns - ego_ns) > FOREIGN_NS:
            return f"{name}: stamp is hours away from the odometry's; all inputs need one clock"
        newest = self._matcher.newest(name)
        if newest is not None and stamp_ns <= newest.stamp_ns:
            if newest.stamp_ns - stamp_ns < CLOCK_RESET_NS:
                word = "repeated" if stamp_ns == newest.stamp_ns else "out-of-order"
                return f"{name}: {word} stamp"
            self.reset()
        if self._has_arrived(name, stamp_ns):
            self._matcher.add(name, frame)
            if isinstance(frame, PointCloud) and self._sweeps is not None:
                notice = self._sweeps.update(frame)
                self._warnings.extend([notice] if notice else [])
        return None

    def add_odometry(self, ego: EgoState) -> str | None:
        """Take odometry (moved to base_link by the rig's offset); returns why it was refused, or None."""
        ego = odometry_in_base(ego, self._rig.base_from_odometry_child_x_m)
        stamp_ns = self._clocks.corrected_ns(ODOMETRY, ego.stamp_ns)
        if stamp_ns != ego.stamp_ns:
            ego = replace(ego, stamp_ns=stamp_ns)
        refusal = self._odometry.refusal(stamp_ns)
        if refusal:
            return refusal
        if self._odometry.is_clock_jump(stamp_ns, self._matcher.newest_stamps_ns()):
            self.reset()
        if self._has_arrived(ODOMETRY, stamp_ns):
            self.plausibility.odometry(ego)
            warning = self._odometry.add(ego)
            self._warnings.extend([warning] if warning else [])
        return None

    def _has_arrived(self, name: str, stamp_ns: int) -> bool:
        """Record an arrival; returns False when it showed that the input's stamps, this one too, count in another time."""
        now_ns = self.now_ns
        if now_ns is None:
            ego_ns = self._odometry.newest_ns
            now_ns = stamp_ns if ego_ns is None or name == ODOMETRY else ego_ns
        limits = ClockLimits(max_age_ns=round(self.config.max_sensor_age_s * 1e9), is_timed=self.now_ns is not None)
        change = self._clocks.record(name, stamp_ns, now_ns, limits)
        self._warnings.extend(change.notices)
        self._matcher.masked = frozenset(self._clocks.misfits)
        if not change.is_corrected:
            return True
        if name == ODOMETRY:
            self._odometry = OdometryBuffer()
        else:
            self._matcher.forget(name)
        return False

    def add_action_tokens(self, tokens: ActionTokens) -> str | None:
        """Take action tokens that are recent enough; returns why they were refused, or None."""
        ego_ns = self._odometry.newest_ns
        now_ns = tokens.stamp_ns if ego_ns is None else ego_ns
        age_s, limit_s = (now_ns - tokens.stamp_ns) * 1e-9, self.config.max_tokens_age_s
        if abs(age_s) > limit_s:
            word = "old" if age_s > 0.0 else "ahead of the odometry"
            return f"action tokens: {abs(age_s):.2f} s {word} (limit {limit_s} s)"
        return super().add_action_tokens(tokens)

    @property
    def newest_ego(self) -> EgoState | None:
        """The newest odometry, in base_link, its stamp corrected; None without odometry."""
        return self._odometry.newest

    def latest_stamp_ns(self) -> int | None:
        """Newest stamp of any camera or LiDAR frame in use."""
        return self._matcher.latest_stamp_ns()

    def complete_stamp_ns(self, earliest_ns: int | None = None, wait: tuple[int, int] | None = None) -> int | None:
        """Return the newest stamp for which odometry and every sensor that is still publishing have arrived.

        Args:
            earliest_ns: Stamps before this are not considered.
            wait: Time now, and since when a frame has been waited for: what is overdue then is not waited for. None to
                wait for all.
        """
        return self._matcher.complete_stamp_ns(self._odometry.newest_ns, self.config, earliest_ns, wait)

    @property
    def _tolerance_ns(self) -> int:
        return round(self.config.sync_tolerance_s * 1e9)

    def _frames_at(self, stamp_ns: int) -> dict[str, SensorFrame]:
        """The frames of the sensors at a stamp, aligned or at least young enough when frames usually are planned from."""
        # Not by the present time: node and replay would then differ in what is too old.
        oldest_ns = stamp_ns + self._matcher.usual_age_ns() - round(self.config.max_sensor_age_s * 1e9)
        frames = self._matcher.at(stamp_ns, self._tolerance_ns, oldest_ns)
        for name in [n for n, f in frames.items() if isinstance(f, CameraImage) and not self._intrinsics[n].fit(f)]:
            del frames[name]  # its camera_info has changed since
        if LIDAR in frames and self._sweeps is not None and self._sweeps.num_parts > 1:
            parts = self._matcher.last_clouds(LIDAR, frames.pop(LIDAR).stamp_ns, self._sweeps.num_parts)
            whole = self._sweeps.joined(parts, self._odometry.states)
            frames |= {} if whole is None else {LIDAR: whole}
        return frames

    def assemble(
        self, now_ns: int, earliest_ns: int | None = None, due_ns: int | None = None
    ) -> SensorSnapshot | NotReady:
        """Assemble the best snapshot available.

        Args:
            now_ns: Current time on the data's clock.
            earliest_ns: Frames before this stamp have been used and are not used again.
            due_ns: Frames after this stamp are still incomplete and not used yet.

        Returns:
            The snapshot, or NotReady with the reason.
        """
        newest_ns = self.latest_stamp_ns() if due_ns is None else due_ns
        if newest_ns is None:
            return NotReady(reason=self._explained(f"no frame yet of {', '.join(self._matcher.names)}"))
        stamp_ns = self._matcher.best_stamp_ns(newest_ns, earliest_ns, self._tolerance_ns)
        age_s = (now_ns - stamp_ns) * 1e-9
        if age_s > self.config.max_sensor_age_s:
            reason = f"newest sensor frame is {age_s:.2f} s old (limit {self.config.max_sensor_age_s} s)"
            return NotReady(reason=self._explained(reason))
        frames = self._frames_at(stamp_ns)
        reason = self._missing_sensors(frames)
        if reason:
            return NotReady(reason=self._explained(reason))
        ego = self._odometry.at(stamp_ns, self.config.max_odometry_age_s)
        if isinstance(ego, NotReady):
            return ego
        reasons = [*self.plausibility.reasons(), *([self.awaited] if self.awaited else [])]
        return NotReady(reason="; ".join(reasons)) if reasons else self._snapshot(stamp_ns, ego, frames)

    def _explained(self, reason: str) -> str:
        """A reason with the inputs that are masked for their stamps."""
        return "; ".join([reason, *(f"{name} is masked: {why}" for name, why in self._clocks.misfits.items())])

    def without_plan(self, stamp_ns: int) -> SensorSnapshot | NotReady:
        """Assemble a snapshot for a fallback when the inputs do not suffice for a plan.

        Args:
            stamp_ns: Time of the fallback.

        Returns:
            The ego's state with any available frames; NotReady when odometry is too old.
        """
        ego = self._odometry.at(stamp_ns, self.config.max_odometry_age_s)
        return ego if isinstance(ego, NotReady) else self._snapshot(stamp_ns, ego, self._frames_at(stamp_ns))

    def last_known(self, now_ns: int) -> SensorSnapshot | None:
        """The last ego state, extrapolated by at most ``max_odometry_age_s`` and stamped with now; None without odometry.

        Args:
            now_ns: Current time on the data's clock.
        """
        ego = self._odometry.last_known(now_ns, self.config.max_odometry_age_s)
        return None if ego is None else self._snapshot(now_ns, ego, {})

    def _missing_sensors(self, frames: dict[str, CameraImage | PointCloud]) -> str:
        """Reason that these frames do not suffice, or the empty string."""
        num_cameras = sum(name in self._cameras for name in frames)
        absent = [name for name in self._matcher.names if name not in frames]
        if num_cameras < self.config.min_cameras:
            return f"{num_cameras} cameras, need {self.config.min_cameras}; missing {', '.join(absent)}"
        if self.config.require_lidar and LIDAR not in frames:
            return "lidar is missing and require_lidar is set"
        return ""

    def _snapshot(self, stamp_ns: int, ego: EgoState, frames: dict[str, CameraImage | PointCloud]) -> SensorSnapshot:
        ego = self.plausibility.state_for_fallback(ego)
        limits_s = (self.config.max_optional_age_s, self.config.max_tokens_age_s)
        optional = self.optional_at(stamp_ns, ego.frame_id, *limits_s)
        ages = {name: stamp_ns - frame.stamp_ns for name, frame in frames.items()}
        ages["odometry"] = max(0, stamp_ns - (self._odometry.newest_ns or stamp_ns))
        if optional.action_token_path is not None:
            ages["action_tokens"] = stamp_ns - optional.action_token_path.stamp_ns
        missing = [name for name in self._matcher.names if name not in frames]
        motion = {name: base_motion(ego, self._odometry.states, frame.stamp_ns) for name, frame in frames.items()}
        images = {name: frame for name, frame in frames.items() if isinstance(frame, CameraImage)}
        cloud = frames.get(LIDAR)
        return SensorSnapshot(
            stamp_ns=stamp_ns,
            ego=ego,
            history=tuple(state for state in self._odometry.states if state.stamp_ns <= stamp_ns),
            images=images,
            intrinsics={name: self._intrinsics[name] for name in images},
            cloud=cloud if isinstance(cloud, PointCloud) else None,
            acceleration=optional.acceleration,
            route=optional.route,
            command=optional.command,
            signal=optional.signal,
            speed_limit_mps=optional.speed_limit_mps,
            action_token_path=optional.action_token_path,
            agents=optional.agents,
            missing=(*missing, *optional.missing),
            ages_ns=ages,
            motion={name: pose for name, pose in motion.items() if pose is not None},
        )
