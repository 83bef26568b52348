"""The stitched front view: real cameras resampled into the contract's virtual pinhole cameras.

Every rig camera that sees part of the view contributes; pixels that no camera sees are 0 and counted as not covered.
The resampling rotates rays only (the parallax between cameras is ignored), so a rig with one real camera, three or six
becomes the same 3 x H x W image. A rig equal to the contract's segments is copied without any resampling.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.lens import project
from transdiffuser_planner.core.rig import CameraMount
from transdiffuser_planner.core.types import CameraImage, CameraIntrinsics

_HEADING_STEP_RAD = 0.02  # one table per step; half a step is a pixel of the view


@dataclass(frozen=True, kw_only=True, slots=True)
class _CameraTable:
    """View pixels (flat index) that one camera may fill, and the source pixels in its reduced image."""

    reduction: int
    target_N: NDArray[np.intp]
    source_N: NDArray[np.intp]
    copy_columns: slice | None  # set when the camera equals a segment: its image is copied there unchanged


def segment_columns(contract: ModelContract) -> list[slice]:
    """Return the columns of each segment in the stitched view, left to right."""
    edges = np.cumsum([0.0] + [segment.width_fraction for segment in contract.segments]) * contract.image_width
    bounds = np.rint(edges).astype(int)
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(bounds)]


def view_rays(contract: ModelContract) -> NDArray[np.float64]:
    """Ray directions (H, W, 3) of the view's pixel centers in base_link, not normalized."""
    rays = np.zeros((contract.image_height, contract.image_width, 3))
    rows = (np.arange(contract.image_height) + 0.5 - contract.horizon_row) / contract.focal_px
    for segment, columns in zip(contract.segments, segment_columns(contract), strict=True):
        width = columns.stop - columns.start
        left = -(np.arange(width) + 0.5 - width / 2.0) / contract.focal_px
        cos, sin = np.cos(segment.yaw_rad), np.sin(segment.yaw_rad)
        rays[:, columns, 0] = (cos - sin * left)[None]
        rays[:, columns, 1] = (sin + cos * left)[None]
        rays[:, columns, 2] = -rows[:, None]
    return rays


def build_table(
    contract: ModelContract, mount: CameraMount, intrinsics: CameraIntrinsics, heading_rad: float = 0.0
) -> _CameraTable:
    """Build the lookup from view pixels to a camera's pixels.

    Args:
        contract: The view.
        mount: The camera's orientation in base_link.
        intrinsics: Of the images that ``stitch`` will receive.
        heading_rad: Heading of the vehicle when the image was taken, relative to now.
    """
    reduction = max(1, round(intrinsics.fx / contract.focal_px))
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    turned = np.asarray([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]) @ mount.base_from_sensor()[:3, :3]
    rays = view_rays(contract).reshape(-1, 3) @ turned
    columns_N, rows_N, seen = project(intrinsics, rays)
    column = np.floor(columns_N / reduction + 1e-6).astype(int)
    row = np.floor(rows_N / reduction + 1e-6).astype(int)
    width, height = -(-intrinsics.width // reduction), -(-intrinsics.height // reduction)
    inside = seen & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    target = np.flatnonzero(inside)
    copy_columns = None
    for columns in segment_columns(contract):
        mask = np.zeros((contract.image_height, contract.image_width), dtype=np.bool_)
        mask[:, columns] = True
        same_size = (height, width) == (contract.image_height, columns.stop - columns.start)
        if same_size and np.array_equal(target, np.flatnonzero(mask)) and reduction == 1:
            copy_columns = columns
    return _CameraTable(
        reduction=reduction, target_N=target, source_N=(row * width + column)[target], copy_columns=copy_columns
    )


def _as_pixels(image_HW3: NDArray[np.uint8]) -> NDArray[np.void]:
    """The pixels of an image in a row, each one element: picking them is several times faster than rows of three."""
    return np.ascontiguousarray(image_HW3).view("V3").reshape(-1)


class ImageView:
    """Stitches images; keeps one lookup table per camera and intrinsics.

    Args:
        contract: The view.
        mounts: The rig's cameras.
    """

    def __init__(self, contract: ModelContract, mounts: tuple[CameraMount, ...]) -> None:
        self._contract = contract
        self._mounts = {mount.name: mount for mount in mounts}
        self._tables: dict[tuple[str, int], tuple[CameraIntrinsics, _CameraTable]] = {}

    def _table(self, name: str, intrinsics: CameraIntrinsics, heading_rad: float) -> _CameraTable:
        step = round(heading_rad / _HEADING_STEP_RAD)
        known = self._tables.get((name, step))
        if known is None or known[0] != intrinsics:
            table = build_table(self._contract, self._mounts[name], intrinsics, step * _HEADING_STEP_RAD)
            known = (intrinsics, table)
            self._tables[name, step] = known
        return known[1]

    def unpack(self, image: CameraImage, intrinsics: CameraIntrinsics, heading_rad: float = 0.0) -> NDArray[np.uint8]:
        """Return an image in the size that ``stitch`` needs, nothing (0, 0, 3) of a camera that does not see the view.

        A second call costs nothing.

        Args:
            image: Of a camera of the rig.
            intrinsics: Of this camera.
            heading_rad: Heading of the vehicle when the image was taken, relative to now.

        Raises:
            InputError: The image cannot be decoded.
        """
        table = self._table(image.name, intrinsics, heading_rad)
        return image.reduced(table.reduction) if len(table.target_N) else np.zeros((0, 0, 3), dtype=np.uint8)

    def stitch(
        self,
        images: dict[str, CameraImage],
        intrinsics: dict[str, CameraIntrinsics],
        headings_rad: Mapping[str, float] = MappingProxyType({}),
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Stitch the images of all cameras; a camera with an image that cannot be decoded is left out.

        Args:
            images: Camera name -> image; sizes as in intrinsics.
            intrinsics: Camera name -> its intrinsics.
            headings_rad: Camera name -> heading of the vehicle when its image was taken, relative to now; 0 by default.

        Returns:
            uint8 (H, W, 3) view, and per segment the share of its pixels that are covered (0..1).
        """
        height, width = self._contract.image_height, self._contract.image_width
        view = np.zeros((height, width, 3), dtype=np.uint8)
        covered = np.zeros(height * width, dtype=np.bool_)
        for name, image in images.items():
            table = self._table(name, intrinsics[name], headings_rad.get(name, 0.0))
            try:
                pixels = self.unpack(image, intrinsics[name], headings_rad.get(name, 0.0))
            except InputError:  # the planner names such a camera before it plans, Perception.unpack
                continue
            if table.copy_columns is not None:
                view[:, table.copy_columns] = pixels
            else:
                free = ~covered[table.target_N]
                _as_pixels(view)[table.target_N[free]] = _as_pixels(pixels)[table.source_N[free]]
            covered[table.target_N] = True
        grid = covered.reshape(height, width)
        share = [grid[:, columns].mean() for columns in segment_columns(self._contract)]
        return view, np.asarray(share, dtype=np.float32)
