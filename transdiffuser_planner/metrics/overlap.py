"""Intersection over union of class maps, summed over images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Overlap:
    """Counts of a confusion matrix.

    Args:
        num_classes: K.

    Attributes:
        confusion_KK: Number of cells by label and by prediction.
    """

    def __init__(self, num_classes: int) -> None:
        self.confusion_KK = np.zeros((num_classes, num_classes), dtype=np.int64)

    def add(self, label: NDArray[Any], guess: NDArray[Any]) -> None:
        """Count cells; those whose label is no class are left out.

        Args:
            label: Classes of any shape.
            guess: Predicted classes of the same shape, each 0 to K - 1.
        """
        count = len(self.confusion_KK)
        known = (label >= 0) & (label < count)
        pairs = label[known].astype(np.int64) * count + guess[known].astype(np.int64)
        self.confusion_KK += np.bincount(pairs, minlength=count * count).reshape(count, count)

    @property
    def is_filled(self) -> bool:
        """Whether any cell was counted."""
        return bool(self.confusion_KK.any())

    @property
    def iou_K(self) -> NDArray[np.float64]:
        """Intersection over union of each class; 0 of a class that occurs nowhere."""
        inside = np.diag(self.confusion_KK)
        union = self.confusion_KK.sum(axis=0) + self.confusion_KK.sum(axis=1) - inside
        return np.asarray(inside / np.maximum(union, 1), dtype=np.float64)
