"""Semantics of the stitched view: what its pixels show, as a label and as the output of the view head."""

from __future__ import annotations

from enum import IntEnum

from transdiffuser_planner.core.contract import ModelContract, TensorSpec


class ViewClass(IntEnum):
    """Classes of the pixels of the stitched view."""

    REST = 0
    ROAD = 1
    MARKING = 2
    SIDEWALK = 3
    VEHICLE = 4
    PERSON = 5  # pedestrians and cyclists
    LAMP = 6  # head of a traffic light


VIEW_STRIDE = 4
"""Pixels of the stitched view per cell of its semantics, along each axis."""
VIEW_UNKNOWN = 255
"""Label of cells that no camera covers or that have no ground truth."""


LAMP_CROP = (64, 32)
"""Height and width in pixels of the crop around a traffic light's head, the input of the optional lamp graph."""


def view_spec(contract: ModelContract) -> TensorSpec:
    """Logits of ViewClass (K, H, W) of the stitched view in cells of VIEW_STRIDE, the output of the optional view graph."""
    return TensorSpec(shape=(len(ViewClass), contract.image_height // VIEW_STRIDE, contract.image_width // VIEW_STRIDE))
