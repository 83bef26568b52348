"""Detections and road in single LiDAR sweeps of a drive with boxes and map, no camera: what the encoder sees in real points.

Vehicles: recall of cars and lorries within RANGE_M that have MIN_POINTS or more, a detection being right within MATCH_M of a center
(as in nuScenes' detection task, Caesar et al. 2020). Road: intersection over union of the bird's-eye cells within RANGE_M whose
class lies on the road with the map's drivable area. D detections, G boxes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.contract import ENCODER_INPUTS, BevClass, ModelContract, observation_specs
from transdiffuser_planner.core.geometry import local_from_global
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.planning.observation.lidar_bev import histogram
from transdiffuser_planner.planning.perception.detection_decoder import Detections, decode_detections
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend

RANGE_M = 25.0
MIN_POINTS = 10
MATCH_M = 2.0
LOWEST_SCORE = 0.02
RUNTIME_SCORE = 0.2
WANTED_PRECISION = 0.5
VEHICLES = (int(AgentClass.CAR), int(AgentClass.TRUCK))
ON_ROAD = (int(BevClass.ROAD), int(BevClass.CENTER_LINE), int(BevClass.VEHICLE))
"""Classes of cells that count as road; a vehicle hides what is below it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """One sweep with its ground truth.

    Attributes:
        name: For drawings.
        points_N3: Points in base_link without those of the ego, m.
        boxes: All agents in base_link, m and rad, with class, length and width.
        road_LL: True in cells (L, L) of the bird's-eye grid that the map calls drivable; None without a map.
    """

    name: str
    points_N3: NDArray[np.float32]
    boxes: AgentStates
    road_LL: NDArray[np.bool_] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What the model sees in a sweep: detections from LOWEST_SCORE on, the class (L, L) of every cell, and the cells that are road.

    A cell is road where the classes ``ON_ROAD`` are together more probable than all others.
    """

    detections: Detections
    bev_LL: NDArray[np.uint8]
    road_LL: NDArray[np.bool_]


def boxes_in_base(agents: AgentStates, ego: EgoState) -> AgentStates:
    """Move agents into base_link.

    Args:
        agents: In the ego's frame_id.
        ego: Pose of base_link.
    """
    origin = np.asarray([ego.x_m, ego.y_m, ego.heading_rad])
    pose = local_from_global(origin, np.stack([agents.x_m_N, agents.y_m_N, agents.heading_rad_N], axis=-1))
    return replace(agents, frame_id="base_link", x_m_N=pose[:, 0], y_m_N=pose[:, 1], heading_rad_N=pose[:, 2])


def see(backend: OnnxBackend, points_N3: NDArray[np.float32]) -> Seen:
    """Run the encoder on a point cloud alone.

    Args:
        backend: The model.
        points_N3: In base_link, m.
    """
    contract = backend.manifest.contract
    specs = observation_specs(contract)
    values = {name: np.zeros((1, *specs[name].shape), dtype=np.float32) for name in ENCODER_INPUTS}
    values["lidar"][0] = histogram(points_N3, contract) / np.float32(contract.lidar_clip_points)
    values["lidar_valid"][:] = 1.0
    outputs = backend.encode(values)
    detections = decode_detections(outputs["agent_heatmap"][0], outputs["agent_box"][0], contract, LOWEST_SCORE)
    logits_KLL = outputs["bev_logits"][0]
    probability_KLL = np.exp(logits_KLL - logits_KLL.max(axis=0))
    road_LL = probability_KLL[list(ON_ROAD)].sum(axis=0) > 0.5 * probability_KLL.sum(axis=0)
    return Seen(detections=detections, bev_LL=logits_KLL.argmax(axis=0).astype(np.uint8), road_LL=road_LL)


def points_in_boxes(points_N3: NDArray[np.float32], boxes: AgentStates) -> NDArray[np.int64]:
    """Count the points above the ground in each box (G,), grown by 0.1 m.

    Args:
        points_N3: In base_link, m.
        boxes: In base_link.
    """
    raised = points_N3[points_N3[:, 2] > 0.2]
    counts = np.zeros(len(boxes), dtype=np.int64)
    for i in range(len(boxes)):
        dx, dy = raised[:, 0] - boxes.x_m_N[i], raised[:, 1] - boxes.y_m_N[i]
        cos, sin = np.cos(boxes.heading_rad_N[i]), np.sin(boxes.heading_rad_N[i])
        along, across = np.abs(dx * cos + dy * sin), np.abs(dy * cos - dx * sin)
        inside = (along < boxes.length_m_N[i] / 2.0 + 0.1) & (across < boxes.width_m_N[i] / 2.0 + 0.1)
        counts[i] = int(inside.sum())
    return counts


@dataclass(kw_only=True, slots=True)
class SweepScores:
    """Sums over sweeps.

    Attributes:
        sweeps: Number of sweeps.
        vehicles: Number of vehicles to find.
        scores, right: Score of each counted detection, and whether it is a vehicle.
        road: Cells: in both, in the prediction, in the map, compared.
    """

    sweeps: int = 0
    vehicles: int = 0
    scores: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    road: NDArray[np.int64] = field(default_factory=lambda: np.zeros(4, dtype=np.int64))

    def add(self, sweep: Sweep, seen: Seen, contract: ModelContract) -> NDArray[np.int8]:
        """Count a sweep.

        Args:
            sweep: Ground truth.
            seen: Result of the model.
            contract: Its sizes.

        Returns:
            Verdict of each detection (D,): 1 right, 0 false, -1 not counted (other class or range, or an object that need not
            be found).
        """
        verdict_D, num_vehicles = match(sweep, seen.detections)
        counted = verdict_D >= 0
        self.sweeps += 1
        self.vehicles += num_vehicles
        self.scores += seen.detections.score_D[counted].tolist()
        self.right += (verdict_D[counted] == 1).tolist()
        if sweep.road_LL is not None:
            near = cells_within(contract, RANGE_M)
            found, truth = seen.road_LL[near], sweep.road_LL[near]
            self.road += [int((found & truth).sum()), int(found.sum()), int(truth.sum()), len(truth)]
        return verdict_D

    def precision_recall(self, threshold: float) -> tuple[float, float]:
        """Return precision and recall of detections with at least this score."""
        kept = [right for score, right in zip(self.scores, self.right, strict=True) if score >= threshold]
        return sum(kept) / max(len(kept), 1), sum(kept) / max(self.vehicles, 1)

    def recall_at_precision(self, precision: float) -> tuple[float, float]:
        """Return the largest recall at no less than this precision, and its threshold; 0 and 1 if there is none."""
        order = np.argsort(-np.asarray(self.scores), kind="stable")
        hits = np.cumsum(np.asarray(self.right, dtype=np.int64)[order])
        good = np.flatnonzero(hits >= precision * np.arange(1, len(hits) + 1))
        if not len(good):
            return 0.0, 1.0
        last = good[-1]
        return float(hits[last] / max(self.vehicles, 1)), float(self.scores[order[last]])

    def to_json(self) -> dict[str, float]:
        """Return the measured values by name."""
        recall, threshold = self.recall_at_precision(WANTED_PRECISION)
        precision, runtime_recall = self.precision_recall(RUNTIME_SCORE)
        both, found, truth, compared = (int(value) for value in self.road)
        return {
            "sweeps": self.sweeps,
            "vehicles": self.vehicles,
            "recall_at_half_precision": recall,
            "its_threshold": threshold,
            "recall_at_runtime_threshold": runtime_recall,
            "precision_at_runtime_threshold": precision,
            "road_iou": both / max(found + truth - both, 1),
            "road_found": found / max(compared, 1),
            "road_true": truth / max(compared, 1),
        }


def match(sweep: Sweep, detections: Detections) -> tuple[NDArray[np.int8], int]:
    """Match detections to boxes, best score first, each box once.

    Args:
        sweep: Ground truth.
        detections: In base_link, best score first.

    Returns:
        Verdicts as of ``SweepScores.add``, and the number of vehicles to find.
    """
    boxes = sweep.boxes
    center_G2 = np.stack([boxes.x_m_N, boxes.y_m_N], axis=-1)
    is_vehicle = np.isin(boxes.class_N, VEHICLES)
    within = np.hypot(*center_G2.T) <= RANGE_M
    wanted = is_vehicle & within & (points_in_boxes(sweep.points_N3, boxes) >= MIN_POINTS)
    verdict = np.full(len(detections), -1, dtype=np.int8)
    free = np.ones(len(boxes), dtype=np.bool_)
    for d in range(len(detections)):
        pose = detections.pose_D3[d]
        if int(detections.class_D[d]) not in VEHICLES or np.hypot(pose[0], pose[1]) > RANGE_M:
            continue
        gap_G = np.hypot(center_G2[:, 0] - pose[0], center_G2[:, 1] - pose[1])
        for chosen, value in ((wanted & free, 1), (is_vehicle & ~wanted, -1)):
            near = np.flatnonzero(chosen & (gap_G <= MATCH_M))
            if len(near):
                verdict[d] = value
                free[near[gap_G[near].argmin()]] = False
                break
        else:
            verdict[d] = 0
    return verdict, int(wanted.sum())


def cells_within(contract: ModelContract, range_m: float) -> NDArray[np.bool_]:
    """Return the cells (L, L) of the bird's-eye grid whose center is within a distance of the ego."""
    axis = contract.range_m - (np.arange(contract.bev_cells) + 0.5) * contract.bev_cell_m
    return np.asarray(np.hypot(axis[:, None], axis[None]) <= range_m)
