"""Bird's-eye drawings of a sweep: what the model saw next to the ground truth. Up is ahead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from transdiffuser_planner.core.contract import BevClass, ModelContract
from transdiffuser_planner.core.geometry import box_corners
from transdiffuser_planner.evaluation.real_data.sweeps import RANGE_M, RUNTIME_SCORE, Seen, Sweep

SIDE_PX = 640
CELLS = {
    BevClass.BACKGROUND: (20, 20, 24),
    BevClass.ROAD: (70, 70, 84),
    BevClass.WALKWAY: (88, 60, 88),
    BevClass.CENTER_LINE: (120, 120, 70),
    BevClass.VEHICLE: (40, 70, 150),
    BevClass.PERSON: (150, 50, 60),
}
TRUTH, RIGHT, FALSE, OTHER = (90, 220, 90), (90, 180, 255), (255, 80, 60), (150, 150, 150)


def draw_sweep(path: Path, sweep: Sweep, seen: Seen, verdict_D: NDArray[np.int8], contract: ModelContract) -> None:
    """Write a drawing: ground truth on the left, the model's classes and boxes on the right, points on both.

    Boxes: green the truth, blue right, red false alarms, gray not counted; thin below the score that the planner uses.

    Args:
        path: PNG to write.
        sweep: Ground truth.
        seen: Result of the model.
        verdict_D: Of ``SweepScores.add``.
        contract: Sizes of the grid.
    """
    road = np.where(sweep.road_LL, BevClass.ROAD, BevClass.BACKGROUND) if sweep.road_LL is not None else seen.bev_LL * 0
    left, right = _canvas(road.astype(np.uint8), sweep, contract), _canvas(seen.bev_LL, sweep, contract)
    boxes, found = sweep.boxes, seen.detections
    truth = box_corners(boxes.x_m_N, boxes.y_m_N, boxes.heading_rad_N, boxes.length_m_N, boxes.width_m_N)
    for image in (left, right):
        pen = ImageDraw.Draw(image)
        for corners in truth:
            pen.polygon(_pixels(corners, contract), outline=TRUTH)
        radius = RANGE_M * SIDE_PX / (2.0 * contract.range_m)
        middle = SIDE_PX / 2.0
        pen.ellipse((middle - radius, middle - radius, middle + radius, middle + radius), outline=(60, 60, 60))
    pen = ImageDraw.Draw(right)
    pose = found.pose_D3
    drawn = box_corners(pose[:, 0], pose[:, 1], pose[:, 2], found.length_m_D, found.width_m_D)
    for corners, verdict, score in zip(drawn, verdict_D, found.score_D, strict=True):
        if score >= 0.1:
            color = {1: RIGHT, 0: FALSE}.get(int(verdict), OTHER)
            pen.polygon(_pixels(corners, contract), outline=color, width=3 if score >= RUNTIME_SCORE else 1)
    both = Image.new("RGB", (2 * SIDE_PX + 8, SIDE_PX))
    both.paste(left, (0, 0))
    both.paste(right, (SIDE_PX + 8, 0))
    both.save(path)


def _canvas(class_LL: NDArray[np.uint8], sweep: Sweep, contract: ModelContract) -> Image.Image:
    table = np.zeros((256, 3), dtype=np.uint8)
    for kind, color in CELLS.items():
        table[int(kind)] = color
    image = Image.fromarray(table[class_LL]).resize((SIDE_PX, SIDE_PX), Image.Resampling.NEAREST)
    pixels = np.array(image)
    points = sweep.points_N3
    at = (contract.range_m - points[:, :2]) * (SIDE_PX / (2.0 * contract.range_m))
    inside = ((at >= 0) & (at < SIDE_PX)).all(axis=1) & (points[:, 2] < 4.0)
    row, column = at[inside].astype(int).T
    pixels[row, column] = np.where((points[inside, 2] > 0.3)[:, None], (230, 230, 230), (110, 110, 120))
    return Image.fromarray(pixels)


def _pixels(corners_42: NDArray[np.float64], contract: ModelContract) -> list[tuple[float, float]]:
    at = (contract.range_m - corners_42) * (SIDE_PX / (2.0 * contract.range_m))
    return [(float(y), float(x)) for x, y in at]
