"""Agents from the encoder's detection head: peaks of the center heat-map with their boxes (CenterNet, Zhou et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import BoxIndex, ModelContract

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Detections:
    """D boxes in one frame: class, score in 0..1, center x, y, heading, length and width (m, rad)."""

    class_D: NDArray[np.int8]
    score_D: FloatArray
    pose_D3: FloatArray
    length_m_D: FloatArray
    width_m_D: FloatArray

    def __len__(self) -> int:
        return len(self.score_D)


def decode_detections(
    heatmap_CNN: NDArray[np.float32], box_BNN: NDArray[np.float32], contract: ModelContract, threshold: float
) -> Detections:
    """Decode boxes from the head outputs of one sample.

    Args:
        heatmap_CNN: Logits per class and cell; row 0 ahead, column 0 left.
        box_BNN: Regressions per cell, channels of BoxIndex.
        contract: Grid size and range.
        threshold: Smallest score of a box.

    Returns:
        Boxes in base_link, best score first, at most one per 3 x 3 cells over all classes.
    """
    best_NN = heatmap_CNN.max(axis=0)
    peak = (best_NN == _largest_around(best_NN)) & (best_NN > np.log(threshold / (1.0 - threshold)))
    row, column = np.nonzero(peak)
    order = np.argsort(-best_NN[row, column], kind="stable")
    row, column = row[order], column[order]
    cell_m = contract.bev_cell_m
    box = box_BNN[:, row, column].astype(np.float64)
    x = contract.range_m - (row + 0.5) * cell_m + box[BoxIndex.OFFSET_X] * cell_m
    y = contract.range_m - (column + 0.5) * cell_m + box[BoxIndex.OFFSET_Y] * cell_m
    heading = np.arctan2(box[BoxIndex.SIN], box[BoxIndex.COS])
    return Detections(
        class_D=heatmap_CNN[:, row, column].argmax(axis=0).astype(np.int8),
        score_D=1.0 / (1.0 + np.exp(-best_NN[row, column].astype(np.float64))),
        pose_D3=np.stack([x, y, heading], axis=-1),
        length_m_D=np.exp(np.clip(box[BoxIndex.LOG_LENGTH], -1.5, 3.0)),
        width_m_D=np.exp(np.clip(box[BoxIndex.LOG_WIDTH], -1.5, 1.5)),
    )


def _largest_around(value_NN: NDArray[np.float32]) -> NDArray[np.float32]:
    """Largest value of the 3 x 3 cells around every cell."""
    largest = value_NN.copy()
    np.maximum(largest[1:], value_NN[:-1], out=largest[1:])
    np.maximum(largest[:-1], value_NN[1:], out=largest[:-1])
    in_column = largest.copy()
    np.maximum(largest[:, 1:], in_column[:, :-1], out=largest[:, 1:])
    np.maximum(largest[:, :-1], in_column[:, 1:], out=largest[:, :-1])
    return np.asarray(largest)
