"""Perceived surroundings of one cycle: tracked agents and obstacles of an encoded frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.planning.observation.action_token_features import ActionTokenFeatures
from transdiffuser_planner.planning.perception.agent_tracker import AgentTracker, Track, nearest_tracks
from transdiffuser_planner.planning.perception.detection_decoder import decode_detections
from transdiffuser_planner.planning.safety.clearance import ObstacleField
from transdiffuser_planner.runtime.cycle.frame_encoder import EncodedFrame

FloatArray = NDArray[np.float64]
Tensors = dict[str, NDArray[np.float32]]

_MOVING_MPS = 0.5


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
    """Turns encoded frames into scenes; holds the agent tracker.

    Args:
        contract: Sizes of all tensors.
        vehicle: The ego's dimensions.
    """

    def __init__(self, contract: ModelContract, vehicle: VehicleModel) -> None:
        self._contract, self._vehicle = contract, vehicle
        self._tracker = AgentTracker()

    def reset(self) -> None:
        """Discard the tracked agents."""
        self._tracker.reset()

    def perceive(self, frame: EncodedFrame, detection_threshold: float) -> PerceivedScene:
        """Track the agents of a frame and find its obstacles.

        Args:
            frame: In order of stamps.
            detection_threshold: Least score of a detection, 0 to 1.
        """
        ego, features = frame.snapshot.ego, frame.features
        detections = decode_detections(
            features["agent_heatmap"][0], features["agent_box"][0], self._contract, detection_threshold
        )
        tracks, agent_pose_A3 = nearest_tracks(self._tracker.update(detections, ego), ego, self._contract.num_agents)
        moving = [
            [*pose, track.length_m, track.width_m]
            for track, pose in zip(tracks, agent_pose_A3, strict=True)
            if abs(track.speed_mps) > _MOVING_MPS
        ]
        box_A5 = np.asarray(moving, dtype=np.float64).reshape(-1, 5)
        return PerceivedScene(
            observation=frame.observation,
            features=features,
            bev_probability_KLL=_softmax(features["bev_logits"][0]),
            tracks=tracks,
            agent_pose_A3=agent_pose_A3,
            obstacles=ObstacleField.from_points(frame.points_N3, box_A5, self._vehicle),
            token_path=ActionTokenFeatures.of(frame.observation),
        )


def _softmax(logits_KLL: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities over the first axis."""
    shifted = np.exp(logits_KLL - logits_KLL.max(axis=0, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=0, keepdims=True))
