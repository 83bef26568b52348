"""Heads of traffic lights in the view: which is ahead, how far, and what its crop shows."""

import numpy as np
import pytest

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.core.view_semantics import VIEW_STRIDE, ViewClass
from transdiffuser_planner.planning.observation.stitched_view import view_rays
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.vision.lamp_reader import LampReader
from transdiffuser_planner.runtime.vision.signal_from_view import HEAD_HEIGHT_M, head_distance_m, heads_ahead
from transdiffuser_planner.runtime.vision.view_segmenter import ViewSegmenter

ROWS, COLUMNS = TINY.image_height // VIEW_STRIDE, TINY.image_width // VIEW_STRIDE


def test_the_largest_head_ahead_comes_first_and_those_aside_are_left_out() -> None:
    classes = np.zeros((ROWS, COLUMNS), dtype=np.uint8)
    classes[14:16, 64], classes[8:12, 60:62] = ViewClass.LAMP, ViewClass.LAMP
    classes[4:12, 4:8], classes[20, 20] = ViewClass.LAMP, ViewClass.LAMP
    boxes = heads_ahead(classes, view_rays(TINY))
    assert len(boxes) == 2
    top, bottom, left, right = boxes[0]
    assert top < 8 * VIEW_STRIDE and bottom > 12 * VIEW_STRIDE and left < 60 * VIEW_STRIDE and right > 62 * VIEW_STRIDE


def test_distance_follows_from_the_elevation() -> None:
    above_px = (HEAD_HEIGHT_M - TINY.camera_height_m) * TINY.focal_px / 20.0
    row = round(TINY.horizon_row - above_px)
    assert head_distance_m((row - 4, row + 4, 0, 4), TINY) == pytest.approx(20.0, rel=0.05)
    assert head_distance_m((90, 100, 0, 4), TINY) == 60.0


def test_a_model_without_the_graphs_says_how_to_get_them() -> None:
    manifest = load_manifest("models/tiny")
    with pytest.raises(ModelError, match="view_head: true"):
        ViewSegmenter(manifest)
    with pytest.raises(ModelError, match="stage lamps"):
        LampReader(manifest)
