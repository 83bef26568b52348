"""Sweeps with ground truth out of a recorded drive. L: cells of the bird's-eye grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.errors import EvaluationError, InputError
from transdiffuser_planner.core.geometry import local_from_global
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import EgoState, PointCloud
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogMessage, LogRequest, MapPiece
from transdiffuser_planner.data.logs.log_sources import read_log
from transdiffuser_planner.data.logs.map_elements import PieceKind
from transdiffuser_planner.data.samples.labels import MATCH_S
from transdiffuser_planner.evaluation.real_data.sweeps import Sweep, boxes_in_base
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.planning.observation.lidar_bev import cloud_in_base

NEAREST_NS = 60_000_000
_FINE = 4


def read_sweeps(
    path: Path, topics: TopicMap, rig: Rig, source: str, contract: ModelContract, every: int = 1
) -> list[Sweep]:
    """Read the sweeps of a drive for which boxes are recorded.

    Args:
        path: Bag, or log of another source.
        topics: Its topics.
        rig: Its LiDAR's mount and the vehicle.
        source: Name of the log source.
        contract: Sizes of the grid.
        every: Every how many sweeps to take.

    Raises:
        EvaluationError: There is no sweep with boxes.
    """
    log, clouds = read_clouds(path, topics, rig, source, every)
    states = sorted(log.ego.states, key=lambda state: state.stamp_ns)
    stamps = np.asarray([state.stamp_ns for state in states], dtype=np.int64)
    sweeps = []
    for cloud in clouds:
        agents = log.agents.nearest(cloud.stamp_ns, MATCH_S)
        index = int(np.abs(stamps - cloud.stamp_ns).argmin()) if len(stamps) else -1
        if agents is None or index < 0 or abs(int(stamps[index]) - cloud.stamp_ns) > NEAREST_NS:
            continue
        ego = states[index]
        sweeps.append(
            Sweep(
                name=f"{log.name}_{cloud.stamp_ns}",
                points_N3=cloud_in_base(cloud, rig),
                boxes=boxes_in_base(agents, ego),
                road_LL=drivable_cells(log.map_pieces, ego, contract) if log.map_pieces else None,
            )
        )
    if not sweeps:
        raise EvaluationError(
            f"{path}: no sweep with boxes of agents at its time ({len(clouds)} sweeps, {len(states)} odometry messages); "
            "the recording needs LiDAR, odometry and ground truth of the agents"
        )
    return sweeps


def read_clouds(
    path: Path, topics: TopicMap, rig: Rig, source: str, every: int = 1
) -> tuple[DriveLog, list[PointCloud]]:
    """Read a drive with its point clouds, those that cannot be decoded left out.

    Args:
        path: Bag, or log of another source.
        topics: Its topics.
        rig: Its LiDAR's mount and the vehicle.
        source: Name of the log source.
        every: Every how many sweeps to take.

    Returns:
        The drive, and clouds in the LiDAR's frame in order of recording.
    """
    clouds: list[PointCloud] = []
    count = 0

    def take(message: LogMessage) -> None:
        nonlocal count
        if message.name != "lidar":
            return
        count += 1
        if (count - 1) % every == 0:
            try:
                clouds.append(message.decode())
            except InputError:
                return

    log = read_log(LogRequest(path=path, topics=topics, rig=rig, on_input=take, any_ground_truth=True), source)
    return log, clouds


def drivable_cells(pieces: list[MapPiece], ego: EgoState, contract: ModelContract) -> NDArray[np.bool_]:
    """Draw what a map calls drivable into the bird's-eye grid (L, L).

    Args:
        pieces: Of the map, in the ego's frame_id.
        ego: Pose of base_link.
        contract: Sizes of the grid.
    """
    kinds = {int(kind) for kind, _ in pieces} & {PieceKind.DRIVABLE_AREA} or {
        PieceKind.DRIVING_LANE,
        PieceKind.JUNCTION,
    }
    grid = Image.new("L", (contract.bev_cells * _FINE,) * 2, 0)
    draw = ImageDraw.Draw(grid)
    origin = np.asarray([ego.x_m, ego.y_m, ego.heading_rad])
    for kind, xy_C2 in pieces:
        if kind in kinds and len(xy_C2) >= 3:
            local = local_from_global(origin, np.column_stack([xy_C2, np.zeros(len(xy_C2))]))
            pixels = (contract.range_m - local[:, :2]) * (_FINE / contract.bev_cell_m) - 0.5
            draw.polygon([(float(y), float(x)) for x, y in pixels], fill=1)
    return np.asarray(grid)[_FINE // 2 :: _FINE, _FINE // 2 :: _FINE].astype(np.bool_)
