"""Snapshot -> observation tensors. The same function serves training, node, simulator and replay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract, SignalIndex, StatusIndex
from transdiffuser_planner.core.driving_style import NO_STYLE, wanted_scores
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import SensorSnapshot, SignalState, TrafficSignal
from transdiffuser_planner.planning.observation.action_token_features import token_tensors
from transdiffuser_planner.planning.observation.ego_history import history_tensor
from transdiffuser_planner.planning.observation.lidar_bev import cloud_in_base, histogram
from transdiffuser_planner.planning.observation.route_features import RouteMemory, route_tensor
from transdiffuser_planner.planning.observation.stitched_view import ImageView

SIGNAL_SCALE_M = 50.0
SIGNAL_RANGE_M = 60.0


class FeatureBuilder:
    """Builds observation tensors for one rig and one model contract.

    Args:
        contract: Sizes of all tensors.
        rig: Cameras, LiDAR and vehicle.
    """

    def __init__(self, contract: ModelContract, rig: Rig) -> None:
        self.contract = contract
        self._view = ImageView(contract, rig.cameras)
        self._rig = rig
        self._route_memory = RouteMemory()

    def reset(self) -> None:
        """Forget where on its route the ego was, as after a clock jump."""
        self._route_memory.reset()

    def points(self, snapshot: SensorSnapshot) -> NDArray[np.float32]:
        """Return the point cloud (N, 3) in base_link at the snapshot's stamp, without the ego; (0, 3) without a cloud."""
        return cloud_in_base(snapshot.cloud, self._rig, snapshot.cloud_motion)

    def unpack_image(self, snapshot: SensorSnapshot, name: str) -> None:
        """Unpack the image of a camera in the size that ``build`` needs.

        Args:
            snapshot: Holds the image.
            name: The camera.

        Raises:
            InputError: The image cannot be decoded.
        """
        heading_rad = snapshot.motion[name][2] if name in snapshot.motion else 0.0
        self._view.unpack(snapshot.images[name], snapshot.intrinsics[name], heading_rad)

    def build(
        self,
        snapshot: SensorSnapshot,
        points_N3: NDArray[np.float32] | None = None,
        counts_CLL: NDArray[np.uint8] | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        """Build all tensors of ``core.contract.observation_specs`` with a batch axis of 1.

        Args:
            snapshot: Aligned inputs.
            points_N3: Result of ``points(snapshot)`` if already computed.
            counts_CLL: Their ``histogram`` if already computed.
        """
        contract = self.contract
        headings_rad = {name: pose[2] for name, pose in snapshot.motion.items()}
        view, camera_valid = self._view.stitch(snapshot.images, snapshot.intrinsics, headings_rad)
        points = self.points(snapshot) if points_N3 is None else points_N3
        counts = histogram(points, contract) if counts_CLL is None else counts_CLL
        history, history_valid = history_tensor(snapshot.ego, snapshot.history, contract)
        route, route_valid = route_tensor(snapshot.route, snapshot.ego, contract, self._route_memory)
        signal, signal_valid = signal_tensor(snapshot.signal)
        limit = snapshot.speed_limit_mps
        tensors = {
            "image": view.transpose(2, 0, 1).astype(np.float32) * np.float32(1.0 / 255.0),
            "camera_valid": camera_valid,
            "lidar": counts.astype(np.float32) * np.float32(1.0 / contract.lidar_clip_points),
            "lidar_valid": np.asarray([snapshot.cloud is not None], dtype=np.float32),
            "history": history,
            "history_valid": history_valid,
            "status": status_tensor(snapshot),
            "acceleration_valid": np.asarray([snapshot.acceleration is not None], dtype=np.float32),
            "route": route,
            "route_valid": route_valid,
            "signal": signal,
            "signal_valid": signal_valid,
            "speed_limit": np.asarray([0.0 if limit is None else limit], dtype=np.float32),
            "speed_limit_valid": np.asarray([limit is not None], dtype=np.float32),
        }
        if contract.codebook_size:
            tokens, tokens_valid = token_tensors(snapshot.action_token_path, snapshot.ego, snapshot.history, contract)
            tensors["action_tokens"], tensors["action_tokens_valid"] = tokens, tokens_valid
        batch = {name: tensor[None] for name, tensor in tensors.items()}
        return batch | (wanted_scores(NO_STYLE) if contract.score_condition else {})


def status_tensor(snapshot: SensorSnapshot) -> NDArray[np.float32]:
    """One-hot driving command, velocity (m/s) and acceleration (m/s2, zeros when absent) in base_link, shape (8,)."""
    status = np.zeros(8, dtype=np.float32)
    status[StatusIndex.COMMAND + snapshot.command] = 1.0
    status[StatusIndex.VX_MPS], status[StatusIndex.VY_MPS] = snapshot.ego.vx_mps, snapshot.ego.vy_mps
    if snapshot.acceleration is not None:
        status[StatusIndex.AX_MPS2] = snapshot.acceleration.ax_mps2
        status[StatusIndex.AY_MPS2] = snapshot.acceleration.ay_mps2
    return status


def signal_tensor(signal: TrafficSignal | None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """State (one-hot red, amber, green) and scaled distance, shape (4,), and validity (1,).

    A signal farther than 60 m, already passed by more than 2 m, or of unknown state counts as absent.
    """
    tensor = np.zeros(4, dtype=np.float32)
    if signal is None or signal.state == SignalState.UNKNOWN or not -2.0 <= signal.distance_m <= SIGNAL_RANGE_M:
        return tensor, np.zeros(1, dtype=np.float32)
    tensor[int(signal.state) - 1] = 1.0
    tensor[SignalIndex.DISTANCE] = max(signal.distance_m, 0.0) / SIGNAL_SCALE_M
    return tensor, np.ones(1, dtype=np.float32)
