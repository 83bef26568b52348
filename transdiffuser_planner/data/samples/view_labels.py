"""Labels of the stitched view: recorded classes of the cameras' pixels, stitched by the geometry of the view.

H and W: rows and columns of the view; K: number of classes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.rig import CameraMount
from transdiffuser_planner.core.types import CameraIntrinsics
from transdiffuser_planner.core.view_semantics import VIEW_STRIDE, VIEW_UNKNOWN, ViewClass
from transdiffuser_planner.planning.observation.stitched_view import build_table

Labels = NDArray[np.uint8]

VOTES = {ViewClass.MARKING: 2, ViewClass.PERSON: 2, ViewClass.LAMP: 4}
"""Weight of a pixel in the class of its cell where it is not 1: thin and small things would vanish by plain majority."""


class ViewLabels:
    """Stitches labels; lookup tables are built once per camera and intrinsics.

    Args:
        contract: The view.
        mounts: The rig's cameras.
    """

    def __init__(self, contract: ModelContract, mounts: tuple[CameraMount, ...]) -> None:
        self._contract = contract
        self._mounts = {mount.name: mount for mount in mounts}
        self._tables: dict[tuple[str, CameraIntrinsics], tuple[NDArray[np.intp], NDArray[np.intp]]] = {}

    def stitch(self, labels: Mapping[str, Labels], intrinsics: Mapping[str, CameraIntrinsics]) -> Labels:
        """Return the class of every cell of the view (H / VIEW_STRIDE, W / VIEW_STRIDE), VIEW_UNKNOWN where none is known.

        Args:
            labels: Camera name -> ViewClass of its pixels; a later camera does not replace an earlier one.
            intrinsics: Camera name -> its intrinsics; a camera without, or with labels of another size, is left out.
        """
        size = (self._contract.image_height, self._contract.image_width)
        view = np.full(size[0] * size[1], VIEW_UNKNOWN, dtype=np.uint8)
        for name, label_HW in labels.items():
            lens = intrinsics.get(name)
            if lens is None or name not in self._mounts or label_HW.shape != (lens.height, lens.width):
                continue
            target, source = self._table(name, lens)
            free = view[target] == VIEW_UNKNOWN
            view[target[free]] = label_HW.reshape(-1)[source[free]]
        return in_cells(view.reshape(size))

    def _table(self, name: str, lens: CameraIntrinsics) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Flat pixels of the view, and the pixel of the camera's labels nearest to each."""
        if (name, lens) not in self._tables:
            table = build_table(self._contract, self._mounts[name], lens)
            row, column = np.divmod(table.source_N, -(-lens.width // table.reduction))
            row, column = (table.reduction * part + table.reduction // 2 for part in (row, column))
            nearest = np.minimum(row, lens.height - 1) * lens.width + np.minimum(column, lens.width - 1)
            self._tables[name, lens] = (table.target_N, nearest)
        return self._tables[name, lens]


def in_cells(label_HW: Labels) -> Labels:
    """Return the class of each cell of VIEW_STRIDE pixels by a weighted vote; VIEW_UNKNOWN where no pixel is known.

    Args:
        label_HW: Classes of pixels; sizes are multiples of VIEW_STRIDE.
    """
    height, width = (size // VIEW_STRIDE for size in label_HW.shape)
    pixels = label_HW.reshape(height, VIEW_STRIDE, width, VIEW_STRIDE)
    votes_KHW = np.stack([VOTES.get(c, 1) * (pixels == c).sum(axis=(1, 3)) for c in ViewClass])
    found: Labels = votes_KHW.argmax(axis=0).astype(np.uint8)
    found[~votes_KHW.any(axis=0)] = VIEW_UNKNOWN
    return found
