"""Arrays of one sample: what the model reads, and what it learns from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import CONDITION_INPUTS, ModelContract
from transdiffuser_planner.core.types import SensorSnapshot, SignalState
from transdiffuser_planner.data.logs.tracks import AgentTracks, EgoTrack
from transdiffuser_planner.data.samples.bev_labels import BevPainter
from transdiffuser_planner.data.samples.labels import MATCH_S, agent_labels, plan_label
from transdiffuser_planner.planning.observation.feature_builder import FeatureBuilder

Row = dict[str, NDArray[Any]]

SIGNAL_LABEL_RANGE_M = 50.0


def observation_row(snapshot: SensorSnapshot, builder: FeatureBuilder, points_N3: NDArray[np.float32]) -> Row:
    """Return the stored inputs of a sample: images and LiDAR counts as bytes.

    Args:
        snapshot: Aligned inputs.
        builder: Of the sample's rig.
        points_N3: Its LiDAR points in base_link, m.
    """
    tensors = builder.build(snapshot, points_N3)
    return {name: tensors[name][0] for name in (*CONDITION_INPUTS, "camera_valid", "lidar_valid")} | {
        "image": np.rint(tensors["image"][0] * 255.0).astype(np.uint8),
        "lidar": np.rint(tensors["lidar"][0] * builder.contract.lidar_clip_points).astype(np.uint8),
    }


def plan_row(track: EgoTrack, snapshot: SensorSnapshot, contract: ModelContract) -> Row | str:
    """Return the logged trajectory after a snapshot, or the reason why there is none.

    Args:
        track: Odometry of the drive.
        snapshot: Start.
        contract: Times of the plan.
    """
    plan = plan_label(track, snapshot.ego, contract)
    return plan if isinstance(plan, str) else {"plan": plan, "plan_valid": np.ones(len(plan), dtype=np.bool_)}


def label_row(
    snapshot: SensorSnapshot,
    contract: ModelContract,
    points_N3: NDArray[np.float32],
    tracks: AgentTracks,
    painter: BevPainter | None,
) -> Row:
    """Return the stored labels of a sample but the plan.

    Args:
        snapshot: Aligned inputs.
        contract: Sizes of the tensors.
        points_N3: LiDAR points in base_link, m.
        tracks: Ground truth of the agents, in the odometry's frame.
        painter: Draws the map; None without one.
    """
    agents_now = tracks.nearest(snapshot.stamp_ns, MATCH_S)
    labels = agent_labels(tracks, snapshot.ego, points_N3, contract)
    has_bev = painter is not None and agents_now is not None
    bev = (
        painter.paint(snapshot.ego, agents_now)
        if painter is not None and agents_now is not None
        else np.zeros((contract.bev_cells,) * 2, dtype=np.uint8)
    )
    signal = snapshot.signal
    near = signal is not None and -1.0 <= signal.distance_m <= SIGNAL_LABEL_RANGE_M
    return {
        "gt_agents_known": np.asarray(agents_now is not None),
        "gt_agents": labels.features,
        "gt_agents_valid": labels.valid,
        "gt_agents_points": labels.points,
        "gt_agents_id": labels.ids,
        "gt_agents_future": labels.future,
        "gt_agents_future_valid": labels.future_valid,
        "bev": bev,
        "bev_valid": np.asarray(has_bev),
        "signal_label": np.asarray(int(signal.state) if signal is not None and near else int(SignalState.UNKNOWN)),
        "signal_label_valid": np.asarray(signal is not None),
    }
