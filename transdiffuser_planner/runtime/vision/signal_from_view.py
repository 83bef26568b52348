"""The next traffic light's state from the images, where no message names it.

Heads are found by the view graph's lamp class; the largest one nearly straight ahead is cut out of the image of the camera that
shows it best, and the lamp graph reads its state. Its distance follows from its elevation and a usual mounting height: an
estimate only. A recorded or received signal always wins over it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.lens import project
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import SensorSnapshot, SignalState, TrafficSignal
from transdiffuser_planner.core.view_semantics import VIEW_STRIDE, ViewClass
from transdiffuser_planner.planning.observation.stitched_view import view_rays
from transdiffuser_planner.runtime.inference.manifest import ModelManifest
from transdiffuser_planner.runtime.vision.lamp_reader import LampReader
from transdiffuser_planner.runtime.vision.view_segmenter import ViewSegmenter

Box = tuple[int, int, int, int]

HEAD_HEIGHT_M = 4.5
"""Mounting height above the ground that distances are computed from; heads hang at 2.5 m to 6 m."""
LONGEST_M = 60.0
MAX_AZIMUTH_RAD = 0.35
MIN_CELLS = 2
MIN_PROBABILITY = 0.8
MARGIN = 0.2
"""Share of a head's size that its crop is larger at each side."""


class SignalFromView:
    """Reads the traffic light ahead of snapshots without a signal.

    Args:
        manifest: A model folder with both graphs.
        rig: The vehicle's cameras.
    """

    def __init__(self, manifest: ModelManifest, rig: Rig) -> None:
        self._segmenter, self._reader = ViewSegmenter(manifest), LampReader(manifest)
        self._contract, self._rig = manifest.contract, rig
        self._rays_HW3 = view_rays(manifest.contract)

    def read(self, snapshot: SensorSnapshot, observation: Mapping[str, NDArray[np.float32]]) -> TrafficSignal | None:
        """Return the light ahead; None without a head whose state is certain.

        Args:
            snapshot: Gives the images.
            observation: Encoder's inputs of this snapshot.

        Raises:
            ModelError: A graph failed.
        """
        if not observation["camera_valid"].any():
            return None
        boxes = heads_ahead(self._segmenter.classes(observation), self._rays_HW3)
        crops = [(box, crop) for box in boxes if (crop := self._crop(snapshot, box)) is not None]
        states, probability = self._reader.states([crop for _, crop in crops])
        for (box, _), state, certain in zip(crops, states, probability, strict=True):
            if state != SignalState.UNKNOWN and certain >= MIN_PROBABILITY:
                distance_m = head_distance_m(box, self._contract) - self._rig.vehicle.front_offset_m
                return TrafficSignal(stamp_ns=snapshot.stamp_ns, state=state, distance_m=max(distance_m, 0.0))
        return None

    def _crop(self, snapshot: SensorSnapshot, box: Box) -> NDArray[np.uint8] | None:
        """Cut a head out of the image with the longest focal length that shows all of it."""
        rays = self._rays_HW3[[box[0], box[0], box[1] - 1, box[1] - 1], [box[2], box[3] - 1, box[2], box[3] - 1]]
        for mount in sorted(self._rig.cameras, key=lambda camera: -camera.fx):
            image, lens = snapshot.images.get(mount.name), snapshot.intrinsics.get(mount.name)
            turned = rays @ mount.base_from_sensor()[:3, :3]
            if image is None or lens is None:
                continue
            column, row, seen = project(lens, turned)
            if not seen.all():
                continue
            low = np.floor([row.min(), column.min()]).astype(int)
            high = np.ceil([row.max(), column.max()]).astype(int) + 1
            if (low < 0).any() or (high > [lens.height, lens.width]).any():
                continue
            try:
                return image.rgb_HW3[low[0] : high[0], low[1] : high[1]]
            except InputError:
                continue
        return None


def heads_ahead(class_HW: NDArray[np.uint8], rays_HW3: NDArray[np.float64]) -> list[Box]:
    """Find the heads nearly straight ahead, largest first.

    Args:
        class_HW: ViewClass of the view's cells.
        rays_HW3: Directions of the view's pixels in base_link.

    Returns:
        First row, row after the last, first column, column after the last of each, in pixels of the view.
    """
    labels, count = ndimage.label(class_HW == ViewClass.LAMP, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    found: list[tuple[int, Box]] = []
    for number, area in enumerate(ndimage.find_objects(labels), start=1):
        if sizes[number] < MIN_CELLS:
            continue
        edges = [VIEW_STRIDE * part for part in (area[0].start, area[0].stop, area[1].start, area[1].stop)]
        middle = rays_HW3[(edges[0] + edges[1]) // 2, (edges[2] + edges[3]) // 2]
        if abs(np.arctan2(middle[1], middle[0])) > MAX_AZIMUTH_RAD:
            continue
        grow = [int(np.ceil(MARGIN * (edges[n + 1] - edges[n]))) for n in (0, 2)]
        height, width = rays_HW3.shape[:2]
        box = (
            max(edges[0] - grow[0], 0),
            min(edges[1] + grow[0], height),
            max(edges[2] - grow[1], 0),
            min(edges[3] + grow[1], width),
        )
        found.append((int(sizes[number]), box))
    return [box for _, box in sorted(found, key=lambda item: -item[0])]


def head_distance_m(box: Box, contract: ModelContract) -> float:
    """Estimate how far ahead of base_link a head is, from its elevation and HEAD_HEIGHT_M; at most LONGEST_M.

    Args:
        box: In pixels of the view.
        contract: Geometry of the view.
    """
    above_px = contract.horizon_row - 0.5 * (box[0] + box[1])
    height_m = HEAD_HEIGHT_M - contract.camera_height_m
    return LONGEST_M if above_px <= 0.0 else float(min(height_m * contract.focal_px / above_px, LONGEST_M))
