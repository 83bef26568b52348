"""Segmentation of real images by the view head: intersection over union on folders laid out as CamVid's.

A folder has pairs NAME.png and NAME.label.png; labels are the eleven classes of the SegNet tutorial's copy of CamVid (Brostow et
al. 2009, Badrinarayanan et al. 2017). A image enters the stitched view as that of a front camera; the cameras at the sides and
the point cloud are absent. H and W: rows and columns of an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from transdiffuser_planner.core.camera_image import CameraImage
from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import CameraMount
from transdiffuser_planner.core.types import CameraIntrinsics
from transdiffuser_planner.core.view_semantics import VIEW_STRIDE, ViewClass
from transdiffuser_planner.metrics.overlap import Overlap
from transdiffuser_planner.planning.observation.stitched_view import ImageView, segment_columns
from transdiffuser_planner.runtime.vision.view_segmenter import ViewSegmenter

Pixels = NDArray[np.uint8]

LABEL_SUFFIX = ".label.png"
CAMERA = "image"
COLORS = np.asarray(
    [(70, 70, 70), (128, 64, 128), (240, 240, 240), (244, 35, 232), (0, 0, 220), (220, 20, 60), (250, 170, 30)],
    dtype=np.uint8,
)
"""Color of each ViewClass in drawings."""
UNKNOWN, NOT_COMPARED = 255, 254
CLASSES = ("rest", "road", "sidewalk", "vehicle", "person")
"""Classes of the comparison: CamVid counts markings as road, and has no class for heads of traffic lights."""
_OF_CAMVID = np.full(256, UNKNOWN, dtype=np.uint8)
# sky, building, pole, road, pavement, tree, sign, fence, car, pedestrian, cyclist; 11 is unlabeled
_OF_CAMVID[:11] = [0, 0, 0, 1, 2, 0, 0, 0, 3, 4, 4]
_OF_VIEW = np.full(256, NOT_COMPARED, dtype=np.uint8)
_OF_VIEW[[c.value for c in ViewClass]] = [0, 1, 1, 2, 3, 4, 0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lens:
    """How images are placed in the view.

    Attributes:
        field_of_view_rad: Horizontal field of view of the images.
        horizon: Height of the horizon as a share of the image's height, from the top.
        whole: Shrink images until all their rows are within the view, as if the lens were longer than it is.
    """

    field_of_view_rad: float = float(np.deg2rad(60.0))
    horizon: float = 0.5
    whole: bool = False

    def intrinsics(self, width: int, height: int, contract: ModelContract) -> CameraIntrinsics:
        """Return the pinhole camera of images of a size.

        Args:
            width: Pixels.
            height: Pixels.
            contract: The view.
        """
        focal, center = 0.5 * width / np.tan(0.5 * self.field_of_view_rad), self.horizon * height
        if self.whole:
            focal = max(focal, contract.focal_px * height / contract.image_height)
            center = contract.horizon_row * focal / contract.focal_px
        return CameraIntrinsics(
            width=width, height=height, fx=float(focal), fy=float(focal), cx=0.5 * width, cy=float(center)
        )


@dataclass(kw_only=True, slots=True)
class ImageScores:
    """Sums over images.

    Attributes:
        overlap: Of the compared classes.
        covered: Labeled pixels within the view.
        labeled: All labeled pixels.
        images: Number of images.
    """

    overlap: Overlap
    covered: int = 0
    labeled: int = 0
    images: int = 0

    def to_json(self) -> dict[str, float]:
        """Return IoU by class, mean, share of the labeled pixels within the view and the number of images."""
        iou = {name: round(float(value), 4) for name, value in zip(CLASSES, self.overlap.iou_K, strict=True)}
        share = self.covered / max(self.labeled, 1)
        return {**{f"iou_{name}": value for name, value in iou.items()}, "covered": share, "images": self.images}


class ImageEvaluation:
    """Segments images and compares them with their labels.

    Args:
        segmenter: The model's view graph.
        lens: How images are placed in the view.
    """

    def __init__(self, segmenter: ViewSegmenter, lens: Lens) -> None:
        self._segmenter, self._lens = segmenter, lens
        self.scores = ImageScores(overlap=Overlap(len(CLASSES)))

    def segment(self, image_HW3: Pixels) -> Pixels:
        """Return the ViewClass of every pixel (H, W); UNKNOWN outside of the view.

        Args:
            image_HW3: RGB.
        """
        height, width = image_HW3.shape[:2]
        contract = self._segmenter.contract
        lens = self._lens.intrinsics(width, height, contract)
        mount = CameraMount(name=CAMERA, width=width, height=height, fx=lens.fx, fy=lens.fy, cx=lens.cx, cy=lens.cy)
        image = CameraImage(stamp_ns=0, name=CAMERA, rgb_HW3=image_HW3)
        view_HW3, covered_V = ImageView(contract, (mount,)).stitch({CAMERA: image}, {CAMERA: lens})
        cells = self._segmenter.classes_of_view(view_HW3, covered_V)
        pixels = cells.repeat(VIEW_STRIDE, axis=0).repeat(VIEW_STRIDE, axis=1)
        return _in_image(pixels, lens, contract, mount)

    def add(self, image_HW3: Pixels, label_HW: Pixels) -> Pixels:
        """Segment an image, count it, and return a drawing: image, labels, prediction, side by side.

        Args:
            image_HW3: RGB.
            label_HW: Classes of CamVid.
        """
        found = self.segment(image_HW3)
        truth = _OF_CAMVID[label_HW]
        truth_in_view = np.where(found == UNKNOWN, UNKNOWN, truth)
        self.scores.overlap.add(truth_in_view, np.where(found == UNKNOWN, 0, _OF_VIEW[found]))
        self.scores.covered += int((truth_in_view != UNKNOWN).sum())
        self.scores.labeled += int((truth != UNKNOWN).sum())
        self.scores.images += 1
        as_view = np.asarray([0, 1, 3, 4, 5], dtype=np.uint8)
        drawn_truth = _colored(np.where(truth == UNKNOWN, UNKNOWN, as_view[np.minimum(truth, len(CLASSES) - 1)]))
        return np.hstack([image_HW3, drawn_truth, _blended(image_HW3, found)])


def _in_image(pixels_HW: Pixels, lens: CameraIntrinsics, contract: ModelContract, mount: CameraMount) -> Pixels:
    """Classes of the view's pixels as those of the image's nearest pixels."""
    # A view pixel covers several of the image: each pixel of the image looks up the front segment of the view.
    segment = next(n for n, s in enumerate(contract.segments) if s.yaw_rad == mount.yaw_rad)
    columns = segment_columns(contract)[segment]
    left, right = columns.start, columns.stop
    column = (np.arange(lens.width) + 0.5 - lens.cx) * contract.focal_px / lens.fx + 0.5 * (left + right)
    row = (np.arange(lens.height) + 0.5 - lens.cy) * contract.focal_px / lens.fy + contract.horizon_row
    column, row = np.floor(column).astype(int), np.floor(row).astype(int)
    inside = ((row >= 0) & (row < contract.image_height))[:, None] & ((column >= left) & (column < right))[None]
    found: Pixels = pixels_HW[np.clip(row, 0, contract.image_height - 1)][:, np.clip(column, left, right - 1)]
    found[~inside] = UNKNOWN
    return found


def _colored(class_HW: Pixels) -> Pixels:
    """Draw classes; UNKNOWN is black."""
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(COLORS)] = COLORS
    drawn: Pixels = table[class_HW]
    return drawn


def _blended(image_HW3: Pixels, class_HW: Pixels) -> Pixels:
    """Draw classes over an image; what is UNKNOWN is dark."""
    mixed = 0.45 * image_HW3 + 0.55 * _colored(class_HW)
    return np.asarray(np.where((class_HW == UNKNOWN)[..., None], 0.3 * image_HW3, mixed), dtype=np.uint8)


def find_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Find images with labels.

    Args:
        folder: Folder with NAME.png and NAME.label.png.

    Returns:
        Paths of images and labels.

    Raises:
        InputError: There are none.
    """
    labels = sorted(folder.glob(f"*{LABEL_SUFFIX}"))
    pairs = [(label.with_name(label.name.removesuffix(LABEL_SUFFIX) + ".png"), label) for label in labels]
    pairs = [pair for pair in pairs if pair[0].is_file()]
    if not pairs:
        raise InputError(f"images {folder}: no pair NAME.png and NAME{LABEL_SUFFIX}; give a folder laid out like that")
    return pairs


def read_pair(file: Path, label: Path) -> tuple[Pixels, Pixels]:
    """Read an image (H, W, 3) and its labels (H, W).

    Args:
        file: Image file.
        label: Image file of one channel.

    Raises:
        InputError: A file is no image, labels have several channels, or sizes differ.
    """
    try:
        image = np.asarray(Image.open(file).convert("RGB"))
        classes = np.asarray(Image.open(label))
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"image {file}: it or its labels cannot be read ({error})") from None
    if classes.ndim != 2 or classes.shape != image.shape[:2] or classes.dtype != np.uint8:
        raise InputError(f"labels {label}: expected one channel of bytes in the image's size, got {classes.shape}")
    return image, classes
