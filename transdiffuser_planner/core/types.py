"""Typed sensor values and results, exchanged between adapters, planner and its users.

Stamps are integer nanoseconds of the data's clock. Poses and velocities follow REP-103; base_link is the rear axle's
center on the ground.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import TrackedAgents
from transdiffuser_planner.core.camera_image import CameraImage as CameraImage
from transdiffuser_planner.core.lens_models import Lens

FloatArray = NDArray[np.float64]
LIDAR = "lidar"
"""Name of the LiDAR among a snapshot's sensors."""


class DrivingCommand(IntEnum):
    """Driving command, in the order of the status vector's one-hot part."""

    LEFT = 0
    STRAIGHT = 1
    RIGHT = 2
    UNKNOWN = 3


class SignalState(IntEnum):
    """State of the next traffic signal on the route."""

    UNKNOWN = 0
    RED = 1
    AMBER = 2
    GREEN = 3


class FallbackLevel(IntEnum):
    """Source of the published trajectory; numbers as in the PlannerStatus message."""

    NONE = 0
    LAST_PLAN = 1
    COMFORTABLE_STOP = 2
    EMERGENCY_STOP = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraIntrinsics:
    """A pinhole camera: size and focal lengths and principal point in pixels.

    Attributes:
        distortion_model: Of its lens, as in sensor_msgs/CameraInfo.
        distortion: Coefficients of that model; empty for a lens without distortion.
        is_rectified: Whether the images are free of that distortion: their projection matrix is known.
        lens: Projection of images that are used as the lens made them; None for those of a pinhole camera. fx and fy then
            hold on the optical axis.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion_model: str = ""
    distortion: tuple[float, ...] = ()
    is_rectified: bool = True
    lens: Lens | None = None

    def fit(self, image: CameraImage) -> bool:
        """Whether they describe images of this size."""
        return (image.width, image.height) == (self.width, self.height)


@dataclass(frozen=True, kw_only=True, slots=True)
class PointCloud:
    """One LiDAR sweep in the LiDAR's frame. xyz_N3: meters, float32, finite rows only."""

    stamp_ns: int
    xyz_N3: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class EgoState:
    """Odometry: base_link in frame_id, velocities in base_link."""

    stamp_ns: int
    frame_id: str
    x_m: float
    y_m: float
    heading_rad: float
    vx_mps: float
    vy_mps: float = 0.0
    yaw_rate_radps: float = 0.0
    z_m: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Acceleration:
    """Body-frame acceleration of base_link."""

    stamp_ns: int
    ax_mps2: float
    ay_mps2: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """The path to follow. xy_N2 in frame_id, meters, at least two points, in driving order."""

    stamp_ns: int
    frame_id: str
    xy_N2: FloatArray


@dataclass(frozen=True, kw_only=True, slots=True)
class TrafficSignal:
    """The route's next signal: its state and the distance from the front bumper to its stop line."""

    stamp_ns: int
    state: SignalState
    distance_m: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ActionTokens:
    """Tokens of a vision-language-action model: token numbers (S,), one per plan interval after stamp_ns.

    Attributes:
        codebook_hash: SHA-256 of their codebook, hexadecimal.
        horizon_s: Duration of all S tokens.
    """

    stamp_ns: int
    codebook_hash: str
    token_S: NDArray[np.int64]
    horizon_s: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ActionTokenPath:
    """Decoded path of action tokens: poses (S, 3) in base_link at stamp_ns after each interval."""

    stamp_ns: int
    pose_S3: FloatArray
    interval_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SensorSnapshot:
    """All inputs of one planning cycle, aligned to stamp_ns. Absent optional inputs are None or missing keys.

    Attributes:
        stamp_ns: The data's time: the stamp of the frame's newest camera image or LiDAR sweep.
        ego: State at stamp_ns (interpolated odometry).
        history: Past states in the same frame, oldest first, up to 2 s, not older than the last discontinuity.
        images: By rig camera name.
        intrinsics: By rig camera name, from CameraInfo or the rig.
        action_token_path: Decoded action tokens.
        agents: Agents that replace the planner's own detections; None to detect.
        missing: Names of expected inputs that are missing from this snapshot.
        ages_ns: Per input, stamp_ns minus the input's stamp.
        motion: Sensor -> pose (x, y, heading) of base_link at the sensor's own stamp, in base_link at stamp_ns; only of
            sensors that were measured at another time while the vehicle moved.
    """

    stamp_ns: int
    ego: EgoState
    history: tuple[EgoState, ...]
    images: dict[str, CameraImage] = field(default_factory=dict)
    intrinsics: dict[str, CameraIntrinsics] = field(default_factory=dict)
    cloud: PointCloud | None = None
    acceleration: Acceleration | None = None
    route: Route | None = None
    command: DrivingCommand = DrivingCommand.UNKNOWN
    signal: TrafficSignal | None = None
    speed_limit_mps: float | None = None
    action_token_path: ActionTokenPath | None = None
    agents: TrackedAgents | None = None
    missing: tuple[str, ...] = ()
    ages_ns: dict[str, int] = field(default_factory=dict)
    motion: dict[str, tuple[float, float, float]] = field(default_factory=dict)

    @property
    def cloud_motion(self) -> tuple[float, float, float] | None:
        """Pose of base_link at the point cloud's stamp, in base_link at stamp_ns; None for no motion."""
        return self.motion.get(LIDAR)


@dataclass(frozen=True, kw_only=True, slots=True)
class NotReady:
    """Reason for a missing snapshot or plan: a value, not an exception."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Trajectory:
    """T future poses of base_link in frame_id with times relative to stamp_ns.

    Attributes:
        time_s_T: Strictly increasing, first is 0 (the state at stamp_ns).
        x_m_T, y_m_T, heading_rad_T: Poses in frame_id.
        speed_mps_T, accel_mps2_T, curvature_per_m_T: Along the path; curvature positive to the left.
    """

    stamp_ns: int
    frame_id: str
    time_s_T: FloatArray
    x_m_T: FloatArray
    y_m_T: FloatArray
    heading_rad_T: FloatArray
    speed_mps_T: FloatArray
    accel_mps2_T: FloatArray
    curvature_per_m_T: FloatArray


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictedAgents:
    """The A agents of the model with M joint futures each, in frame_id.

    Attributes:
        id_A: Stable over cycles, uint32.
        class_A: Values of AgentClass.
        existence_A: Probability in 0..1.
        pose_A3: Current box center x, y, heading.
        speed_A: Along the heading; NaN-free, see speed_known_A.
        speed_known_A: Whether the tracker has enough detections of the agent for a speed.
        length_m_A, width_m_A: Box.
        path_MAT3: x, y, heading of each agent in the future drawn with ego candidate m.
        time_s_T: Times of the path relative to the snapshot's stamp.
    """

    frame_id: str
    id_A: NDArray[np.uint32]
    class_A: NDArray[np.int8]
    existence_A: FloatArray
    pose_A3: FloatArray
    speed_A: FloatArray
    speed_known_A: NDArray[np.bool_]
    length_m_A: FloatArray
    width_m_A: FloatArray
    path_MAT3: FloatArray
    time_s_T: FloatArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """All M sampled ego plans, in frame_id, with their costs and probabilities.

    Attributes:
        pose_MT3: x, y, heading.
        time_s_T: Times relative to the snapshot's stamp.
        probability_M: Sums to 1 over the candidates that are not rejected.
        rejected_M: Kinematically infeasible or otherwise not selectable.
        cost_terms: Name -> value per candidate, all "lower is better".
    """

    frame_id: str
    pose_MT3: FloatArray
    time_s_T: FloatArray
    probability_M: FloatArray
    rejected_M: NDArray[np.bool_]
    cost_terms: dict[str, FloatArray]


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """Inputs, model and settings of a plan; published with every plan.

    Attributes:
        snapshot_stamp_ns, ages_ns, missing: The inputs.
        seed: Run seed.
        model_name, model_hash, provider, precision: The model and its execution.
        sampler: How denoise steps are taken.
        num_candidates, num_denoise_steps: Of this cycle; 0 without sampling.
        plan_age_s: Age of the plan that a LAST_PLAN fallback continues, else 0.
        stage_ms: Durations in order.
    """

    snapshot_stamp_ns: int
    ages_ns: dict[str, int]
    missing: tuple[str, ...]
    seed: int
    model_name: str
    model_hash: str
    provider: str
    precision: str
    sampler: str
    num_candidates: int
    num_denoise_steps: int
    plan_age_s: float
    stage_ms: dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanResult:
    """The outcome of one planning cycle. The trajectory has always passed the safety check or is a fallback.

    Attributes:
        trajectory: Trajectory for control, in the odometry's frame.
        chosen: Index of the chosen candidate, or -1 when a fallback was used.
        fallback_level, reason: FallbackLevel.NONE and "" when the model's plan was accepted.
        bev_probability_KLL: Encoder's bird's-eye semantics (classes x cells x cells), for markers and reports.
        intermediate_SMT3: x0 estimates of the candidates after each denoise step, in the odometry's frame; on request.
    """

    trajectory: Trajectory
    candidates: Candidates
    agents: PredictedAgents
    chosen: int
    fallback_level: FallbackLevel
    reason: str
    provenance: Provenance
    bev_probability_KLL: NDArray[np.float32] | None = None
    intermediate_SMT3: list[FloatArray] = field(default_factory=list)
