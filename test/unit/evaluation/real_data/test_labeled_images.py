"""Images with labels: pairs, the place of an image in the view, compared classes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.view_semantics import VIEW_STRIDE, ViewClass
from transdiffuser_planner.evaluation.real_data.labeled_images import (
    UNKNOWN,
    ImageEvaluation,
    Lens,
    find_pairs,
    read_pair,
)


class HalfRoad:
    """A segmenter that finds road below the horizon and vehicles right of the middle."""

    contract = TINY

    def classes_of_view(self, view_HW3: np.ndarray, covered_V: np.ndarray) -> np.ndarray:
        self.view_HW3, self.covered_V = view_HW3, covered_V
        cells = np.zeros((TINY.image_height // VIEW_STRIDE, TINY.image_width // VIEW_STRIDE), dtype=np.uint8)
        cells[int(TINY.horizon_row) // VIEW_STRIDE :] = ViewClass.ROAD
        cells[:, TINY.image_width // 2 // VIEW_STRIDE :] = ViewClass.VEHICLE
        return cells


def test_an_image_fills_the_front_of_the_view_and_classes_come_back_to_its_pixels() -> None:
    segmenter = HalfRoad()
    evaluation = ImageEvaluation(segmenter, Lens(horizon=0.5))  # type: ignore[arg-type]
    image = np.full((360, 480, 3), 99, dtype=np.uint8)
    found = evaluation.segment(image)
    assert segmenter.covered_V[1] > 0.94 and segmenter.covered_V[[0, 2]].max() < 0.1
    assert (segmenter.view_HW3[:, 150:360] == 99).all()
    assert (
        found[200, 100] == ViewClass.ROAD and found[100, 100] == ViewClass.REST and found[200, 300] == ViewClass.VEHICLE
    )
    assert (found[-20:] == UNKNOWN).all()  # the view ends 14 degrees below the horizon
    whole = ImageEvaluation(HalfRoad(), Lens(whole=True)).segment(image)  # type: ignore[arg-type]
    assert not (whole == UNKNOWN).any()


def test_unlabeled_pixels_and_those_outside_of_the_view_do_not_count() -> None:
    evaluation = ImageEvaluation(HalfRoad(), Lens(horizon=0.5))  # type: ignore[arg-type]
    label = np.full((360, 480), 3, dtype=np.uint8)  # road everywhere
    label[:180], label[:, 240:], label[190:210, 40:60] = 11, 8, 0
    drawing = evaluation.add(np.zeros((360, 480, 3), dtype=np.uint8), label)
    assert drawing.shape == (360, 3 * 480, 3)
    scores = evaluation.scores.to_json()
    assert scores["iou_vehicle"] == pytest.approx(1.0, abs=0.01) and 0.9 < scores["iou_road"] < 1.0
    assert 0.5 < scores["covered"] < 0.9 and scores["images"] == 1


def test_folders_without_pairs_and_labels_of_another_size_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no pair NAME\.png"):
        find_pairs(tmp_path)
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")
    Image.new("L", (8, 5)).save(tmp_path / "a.label.png")
    Image.new("L", (8, 5)).save(tmp_path / "b.label.png")
    pairs = find_pairs(tmp_path)
    assert [pair[0].name for pair in pairs] == ["a.png"]
    with pytest.raises(InputError, match="in the image's size"):
        read_pair(*pairs[0])
