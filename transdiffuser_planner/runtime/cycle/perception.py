"""Perceived surroundings of one cycle: tracked agents and obstacles of an encoded frame."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.planning.observation.action_token_features import ActionTokenFeatures
from transdiffuser_planner.planning.perception.agent_tracker import AgentTracker, Track, given_tracks, nearest_tracks
from transdiffuser_planner.planning.perception.detection_decoder import decode_detections
from transdiffuser_planner.planning.safety.clearance import ObstacleField
from transdiffuser_planner.runtime.cycle.frame_encoder import EncodedFrame

FloatArray = NDArray[np.float64]
Tensors = dict[str, NDArray[np.float32]]

_MOVING_MPS = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What candidates are checked against, in base_link.

    Attributes:
        bev_probability_KLL: Bird's-eye-view semantics (K, L, L).
        obstacles: Distances to LiDAR points that belong to no moving agent.
    """

    bev_probability_KLL: NDArray[np.float32]
    obstacles: ObstacleField


@dataclass(frozen=True, kw_only=True, slots=True)
class PerceivedScene:
    """Perceived agents and surroundings of one cycle, in base_link.

    Attributes:
        observation: Inputs of the model.
        features: Outputs of its encoder.
        tracks: Agents, nearest first.
        agent_pose_A3: Their poses (m, m, rad).
        token_path: Path of the action tokens; None without tokens.
        computed: Future of the surroundings, which sampling does not need.
    """

    observation: Tensors
    features: Mapping[str, NDArray[np.float32]]
    tracks: list[Track]
    agent_pose_A3: FloatArray
    token_path: ActionTokenFeatures | None
    computed: Future[Surroundings]

    @property
    def bev_probability_KLL(self) -> NDArray[np.float32]:
        """Bird's-eye-view semantics (K, L, L)."""
        return self.computed.result().bev_probability_KLL

    @property
    def obstacles(self) -> ObstacleField:
        """Distances to LiDAR points that belong to no moving agent."""
        return self.computed.result().obstacles


class Perception:
    """Turns encoded frames into scenes; holds the agent tracker.

    A thread of its own computes the surroundings while the samples' condition is computed, which is all on one core.

    Args:
        contract: Sizes of all tensors.
        vehicle: The ego's dimensions.
    """

    def __init__(self, contract: ModelContract, vehicle: VehicleModel) -> None:
        self._contract, self._vehicle = contract, vehicle
        self._tracker = AgentTracker()
        self._helper = ThreadPoolExecutor(max_workers=1, thread_name_prefix="surroundings")

    def reset(self) -> None:
        """Discard the tracked agents."""
        self._tracker.reset()

    def perceive(self, frame: EncodedFrame, detection_threshold: float) -> PerceivedScene:
        """Track the agents of a frame and begin to find its obstacles.

        Args:
            frame: In order of stamps.
            detection_threshold: Least score of a detection, 0 to 1.
        """
        ego, features = frame.snapshot.ego, frame.features
        detections = decode_detections(
            features["agent_heatmap"][0], features["agent_box"][0], self._contract, detection_threshold
        )
        own = self._tracker.update(detections, ego)  # also while not used: tracks go on when the others end
        given = frame.snapshot.agents
        known = own if given is None else given_tracks(given, ego.stamp_ns)
        tracks, agent_pose_A3 = nearest_tracks(known, ego, self._contract.num_agents)
        moving = [
            [*pose, track.length_m, track.width_m]
            for track, pose in zip(tracks, agent_pose_A3, strict=True)
            if abs(track.speed_mps) > _MOVING_MPS
        ]
        box_A5 = np.asarray(moving, dtype=np.float64).reshape(-1, 5)
        return PerceivedScene(
            observation=frame.observation,
            features=features,
            tracks=tracks,
            agent_pose_A3=agent_pose_A3,
            token_path=ActionTokenFeatures.of(frame.observation),
            computed=self._helper.submit(self._surroundings, features["bev_logits"][0], frame.points_N3, box_A5),
        )

    def _surroundings(
        self, logits_KLL: NDArray[np.float32], points_N3: NDArray[np.float32], moving_box_A5: FloatArray
    ) -> Surroundings:
        return Surroundings(
            bev_probability_KLL=_softmax(logits_KLL),
            obstacles=ObstacleField.from_points(points_N3, moving_box_A5, self._vehicle),
        )


def _softmax(logits_KLL: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities over the first axis."""
    shifted = np.exp(logits_KLL - logits_KLL.max(axis=0, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=0, keepdims=True))
