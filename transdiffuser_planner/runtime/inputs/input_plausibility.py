"""Whether well-formed inputs can be true: one judge for node, replay and ``doctor --live``.

Cheap enough for every message: about 20 us for odometry, 1 ms for a cloud of 200 000 points.
"""

from __future__ import annotations

import math
from dataclasses import replace

from transdiffuser_planner.core.lens import largest_shift
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import CameraIntrinsics, EgoState, PointCloud
from transdiffuser_planner.planning.observation.cloud_content import StuckCheck, unusable
from transdiffuser_planner.planning.observation.odometry_motion import MotionCheck
from transdiffuser_planner.planning.observation.supported_motion import SupportedMotion

MAX_LENS_SHIFT = 0.02
"""Images whose pixels are farther from a pinhole camera's, in image widths, are not used."""

_RAW_NAME = "image_raw"
_STANDING_MPS = 0.5


class InputPlausibility:
    """Judges the inputs of one vehicle as they are accepted. Deterministic; not thread-safe.

    Attributes:
        motion: Twist against pose.
        supported: Driving backward, and speeds beyond the model's.
    """

    def __init__(self, rig: Rig) -> None:
        """Start without inputs.

        Args:
            rig: The vehicle's sensors.
        """
        self.motion, self.supported = MotionCheck(), SupportedMotion()
        self._stuck = None if rig.lidar is None else StuckCheck(rig.lidar.base_from_sensor())
        self._position_2 = (0.0, 0.0)
        self._intrinsics: dict[str, CameraIntrinsics] = {}
        self._masked: dict[str, str] = {}
        self._notices: list[str] = []

    def reset(self) -> None:
        """Forget all but the cameras' lenses, as after a clock jump."""
        self.motion.reset()
        self.supported.reset()
        if self._stuck is not None:
            self._stuck.reset()

    def odometry(self, ego: EgoState) -> None:
        """Take an accepted state.

        Args:
            ego: Of base_link, later than the one before.
        """
        before = self.reasons()
        self.motion.update(ego)
        self._notice(self.supported.update(ego), *(reason for reason in self.reasons() if reason not in before))
        self._position_2 = (ego.x_m, ego.y_m)

    def cloud(self, cloud: PointCloud) -> str | None:
        """Take a cloud.

        Args:
            cloud: In the LiDAR's frame.

        Returns:
            Why it shows nothing of the surroundings and must be refused, or None.
        """
        reason = unusable(cloud.xyz_N3) if len(cloud.xyz_N3) else "lidar: point cloud is empty"
        if reason:
            return reason
        if self._stuck is not None:
            self._notice(self._stuck.update(cloud.xyz_N3, self._position_2))
        return None

    def intrinsics(self, name: str, intrinsics: CameraIntrinsics) -> str | None:
        """Take the intrinsics of a camera's images.

        Args:
            name: The camera.
            intrinsics: From its camera_info.

        Returns:
            Why they must be refused, or None.
        """
        if intrinsics.fx <= 0 or intrinsics.fy <= 0 or intrinsics.width < 1 or intrinsics.height < 1:
            return f"camera '{name}': camera_info is not calibrated (fx {intrinsics.fx}, width {intrinsics.width})"
        if self._intrinsics.get(name) != intrinsics:
            self._intrinsics[name] = intrinsics
            text = lens_text(name, intrinsics)
            self._masked.pop(name, None)
            if is_beyond_pinhole(intrinsics):
                self._masked[name] = text
            self._notice(text)
        return None

    def reasons(self) -> tuple[str, ...]:
        """Return why there is no state to plan from; texts stay equal as long as they hold."""
        return tuple(reason for reason in (self.motion.reason, self.supported.reason) if reason)

    def why_masked(self, name: str) -> str:
        """Return why the images of a camera must not be used, or "".

        Args:
            name: The camera.
        """
        return self._masked.get(name, "")

    def state_for_fallback(self, ego: EgoState) -> EgoState:
        """Return the state to stop from: with the motion of the pose where the twist contradicts it and the pose moves.

        Args:
            ego: From the odometry.
        """
        motion = self.motion.pose_motion
        if not self.motion.reason or motion is None or math.hypot(*motion[:2]) < _STANDING_MPS:
            return ego
        return replace(ego, vx_mps=motion[0], vy_mps=motion[1], yaw_rate_radps=motion[2])

    def pop_notices(self) -> list[str]:
        """Return and clear what has been noticed since the last call, in one line each."""
        notices, self._notices = self._notices, []
        return notices

    def _notice(self, *texts: str) -> None:
        self._notices += filter(None, texts)


def is_beyond_pinhole(intrinsics: CameraIntrinsics) -> bool:
    """Whether images are not rectified and too distorted to be used as a pinhole camera's.

    Args:
        intrinsics: Of the images.
    """
    return not intrinsics.is_rectified and largest_shift(intrinsics) > MAX_LENS_SHIFT


def lens_text(name: str, intrinsics: CameraIntrinsics) -> str:
    """Describe a camera whose images are not rectified, with the effect; "" for rectified ones.

    Args:
        name: The camera.
        intrinsics: Of its images.
    """
    if intrinsics.is_rectified:
        return ""
    shift = largest_shift(intrinsics)
    model = intrinsics.distortion_model or "without a name"
    size = f"up to {shift:.1%} of the width" if shift < 10.0 else "without bounds"
    effect = f"more than {MAX_LENS_SHIFT:.0%}: masked" if shift > MAX_LENS_SHIFT else "used as they are"
    return f"camera '{name}': its images are not rectified: distortion model {model} shifts pixels {size}; {effect}"


def hidden_distortion_text(topic: str, intrinsics: CameraIntrinsics) -> str:
    """Describe images that by their topic's name are raw, although their camera_info has a projection matrix; or "".

    Args:
        topic: Of the images.
        intrinsics: Of its camera_info.
    """
    shift = largest_shift(intrinsics) if intrinsics.is_rectified and _RAW_NAME in topic.split("/") else 0.0
    if shift <= MAX_LENS_SHIFT:
        return ""
    return f"{topic}: its lens shifts pixels up to {min(shift, 10.0):.1%} of the width; by its name its images are not rectified"
