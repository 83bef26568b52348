"""Perception of one cycle: features, encoder, tracked agents, obstacles. The first half of ``Planner.plan``."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract, auxiliary_specs, check_tensors, observation_specs
from transdiffuser_planner.core.errors import InputError, ModelError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import SensorSnapshot
from transdiffuser_planner.planning.observation.action_token_features import ActionTokenFeatures
from transdiffuser_planner.planning.observation.feature_builder import FeatureBuilder
from transdiffuser_planner.planning.observation.lidar_bev import histogram
from transdiffuser_planner.planning.perception.agent_tracker import AgentTracker, Track, nearest_tracks
from transdiffuser_planner.planning.perception.detection_decoder import decode_detections
from transdiffuser_planner.planning.safety.clearance import ObstacleField
from transdiffuser_planner.runtime.cycle.stage_timer import StageTimes
from transdiffuser_planner.runtime.inference.backend import InferenceBackend

FloatArray = NDArray[np.float64]
Tensors = dict[str, NDArray[np.float32]]

_MOVING_MPS = 0.5
_IMAGE_THREADS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class LidarInput:
    """A point cloud in base_link (N, 3), meters, and its bird's-eye histogram (C, L, L)."""

    points_N3: NDArray[np.float32]
    counts_CLL: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class PerceivedScene:
    """Perceived surroundings of one cycle, in base_link.

    Attributes:
        observation: Inputs of the model.
        features: Outputs of its encoder.
        bev_probability_KLL: Bird's-eye-view semantics (K, L, L).
        tracks: Agents, nearest first.
        agent_pose_A3: Their poses (m, m, rad).
        obstacles: Distances to LiDAR points that belong to no moving agent.
        token_path: Path of the action tokens; None without tokens.
    """

    observation: Tensors
    features: Mapping[str, NDArray[np.float32]]
    bev_probability_KLL: NDArray[np.float32]
    tracks: list[Track]
    agent_pose_A3: FloatArray
    obstacles: ObstacleField
    token_path: ActionTokenFeatures | None


class Perception:
    """Turns snapshots into scenes; holds the agent tracker.

    Args:
        backend: Executes the encoder.
        rig: The vehicle and its sensors.
        contract: Sizes of all tensors.
    """

    def __init__(self, backend: InferenceBackend, rig: Rig, contract: ModelContract) -> None:
        self._backend, self._contract, self._vehicle = backend, contract, rig.vehicle
        self._features = FeatureBuilder(contract, rig)
        self._tracker = AgentTracker()
        self._refused: list[str] = []
        # Its threads start with the first images; decoding leaves the interpreter to others.
        self._helpers = ThreadPoolExecutor(max_workers=_IMAGE_THREADS, thread_name_prefix="images")

    def reset(self) -> None:
        """Discard the tracked agents and the place on the route."""
        self._tracker.reset()
        self._features.reset()

    def pop_refused(self) -> list[str]:
        """Return and clear why images could not be decoded since the last call."""
        refused, self._refused = self._refused, []
        return refused

    def unpack(self, snapshot: SensorSnapshot, min_cameras: int) -> tuple[SensorSnapshot, LidarInput]:
        """Unpack the images, several at once, and the point cloud meanwhile.

        Args:
            snapshot: Aligned inputs.
            min_cameras: How many are needed.

        Returns:
            The snapshot without images that cannot be decoded, and what the LiDAR has measured.

        Raises:
            InputError: Too few images are left.
        """
        known = {name for name, image in snapshot.images.items() if image.failure}
        jobs = {name: self._helpers.submit(self._failure, snapshot, name) for name in snapshot.images}
        lidar = self._lidar(snapshot)
        failed = {name: reason for name, job in jobs.items() if (reason := job.result())}
        self._refused += [reason for name, reason in failed.items() if name not in known]
        num_left = len(snapshot.images) - len(failed)
        if failed and num_left < min_cameras:
            raise InputError(f"{num_left} cameras, need {min_cameras}; {next(iter(failed.values()))}")
        return _without_cameras(snapshot, set(failed)) if failed else snapshot, lidar

    def _lidar(self, snapshot: SensorSnapshot) -> LidarInput:
        points = self._features.points(snapshot)
        return LidarInput(points_N3=points, counts_CLL=histogram(points, self._contract))

    def _failure(self, snapshot: SensorSnapshot, name: str) -> str:
        """Why the image of a camera cannot be unpacked, or ""."""
        try:
            self._features.unpack_image(snapshot, name)
        except InputError as error:
            return str(error)
        return ""

    def perceive(
        self, snapshot: SensorSnapshot, detection_threshold: float, times: StageTimes, lidar: LidarInput | None = None
    ) -> PerceivedScene:
        """Compute features, encoder outputs, agents and obstacles of a snapshot.

        Args:
            snapshot: Aligned inputs.
            detection_threshold: Least score of a detection, 0 to 1.
            times: Receives the duration of each stage.
            lidar: What ``unpack`` returned with the snapshot; None to compute it.

        Raises:
            ModelError: The encoder failed or returned numbers that are not finite.
        """
        lidar = self._lidar(snapshot) if lidar is None else lidar
        observation = self._features.build(snapshot, lidar.points_N3, lidar.counts_CLL)
        check_tensors(observation, observation_specs(self._contract), "observation")
        times.lap("features")
        encoded = self._backend.encode(observation)
        # Features stay where the backend has them; what is wrong in them shows in the samples.
        if not all(np.isfinite(encoded[name].sum()) for name in auxiliary_specs(self._contract)):
            raise ModelError(f"model {self._backend.manifest.name}: the encoder returned NaN or infinite values")
        times.lap("encode")
        detections = decode_detections(
            encoded["agent_heatmap"][0], encoded["agent_box"][0], self._contract, detection_threshold
        )
        tracks, agent_pose_A3 = nearest_tracks(
            self._tracker.update(detections, snapshot.ego), snapshot.ego, self._contract.num_agents
        )
        moving = [
            [*pose, track.length_m, track.width_m]
            for track, pose in zip(tracks, agent_pose_A3, strict=True)
            if abs(track.speed_mps) > _MOVING_MPS
        ]
        box_A5 = np.asarray(moving, dtype=np.float64).reshape(-1, 5)
        obstacles = ObstacleField.from_points(lidar.points_N3, box_A5, self._vehicle)
        times.lap("agents")
        return PerceivedScene(
            observation=observation,
            features=encoded,
            bev_probability_KLL=_softmax(encoded["bev_logits"][0]),
            tracks=tracks,
            agent_pose_A3=agent_pose_A3,
            obstacles=obstacles,
            token_path=ActionTokenFeatures.of(observation),
        )


def _without_cameras(snapshot: SensorSnapshot, names: set[str]) -> SensorSnapshot:
    """A snapshot in which these cameras are missing."""
    return replace(
        snapshot,
        images={name: image for name, image in snapshot.images.items() if name not in names},
        intrinsics={name: value for name, value in snapshot.intrinsics.items() if name not in names},
        ages_ns={name: age_ns for name, age_ns in snapshot.ages_ns.items() if name not in names},
        missing=(*(name for name in snapshot.images if name in names), *snapshot.missing),
    )


def _softmax(logits_KLL: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities over the first axis."""
    shifted = np.exp(logits_KLL - logits_KLL.max(axis=0, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=0, keepdims=True))
