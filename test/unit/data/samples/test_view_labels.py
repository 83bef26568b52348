"""Labels of the view lie where the view shows what they describe."""

import numpy as np

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import CameraIntrinsics
from transdiffuser_planner.core.view_semantics import VIEW_STRIDE, VIEW_UNKNOWN, ViewClass
from transdiffuser_planner.data.samples.view_labels import ViewLabels, in_cells
from transdiffuser_planner.params import RIGS

RIG = Rig.load(RIGS / "carla.yaml")


def lens(camera) -> CameraIntrinsics:  # type: ignore[no-untyped-def]
    return CameraIntrinsics(
        width=camera.width, height=camera.height, fx=camera.fx, fy=camera.fy, cx=camera.cx, cy=camera.cy
    )


def test_labels_of_the_models_own_cameras_are_side_by_side() -> None:
    labels = {c.name: np.full((c.height, c.width), n + 1, dtype=np.uint8) for n, c in enumerate(RIG.cameras)}
    view = ViewLabels(TINY, RIG.cameras).stitch(labels, {c.name: lens(c) for c in RIG.cameras})
    assert view.shape == (TINY.image_height // VIEW_STRIDE, TINY.image_width // VIEW_STRIDE)
    expected = np.repeat([1, 2, 3], [136 // VIEW_STRIDE, 240 // VIEW_STRIDE, 136 // VIEW_STRIDE])
    assert (view == expected).all()


def test_a_missing_camera_and_one_of_another_size_leave_their_cells_unknown() -> None:
    front = RIG.cameras[1]
    labels = {front.name: np.zeros((front.height, front.width), dtype=np.uint8)}
    view = ViewLabels(TINY, RIG.cameras).stitch(labels, {front.name: lens(front)})
    assert (view[:, 34:94] == ViewClass.REST).all() and (view[:, :34] == VIEW_UNKNOWN).all()
    wrong = {front.name: np.zeros((front.height, front.width + 1), dtype=np.uint8)}
    assert (ViewLabels(TINY, RIG.cameras).stitch(wrong, {front.name: lens(front)}) == VIEW_UNKNOWN).all()


def test_a_camera_of_twice_the_resolution_gives_the_same_labels() -> None:
    front = RIG.cameras[1]
    label = np.random.default_rng(0).integers(0, len(ViewClass), (front.height, front.width)).astype(np.uint8)
    once = ViewLabels(TINY, RIG.cameras).stitch({front.name: label}, {front.name: lens(front)})
    twice = CameraIntrinsics(
        width=2 * front.width,
        height=2 * front.height,
        fx=2 * front.fx,
        fy=2 * front.fy,
        cx=2 * front.cx,
        cy=2 * front.cy,
    )
    fine = label.repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(once, ViewLabels(TINY, RIG.cameras).stitch({front.name: fine}, {front.name: twice}))


def test_small_lamps_win_their_cell_and_unknown_pixels_do_not_vote() -> None:
    pixels = np.zeros((8, 8), dtype=np.uint8)
    pixels[:2, :2] = ViewClass.LAMP
    pixels[4:, 4:] = VIEW_UNKNOWN
    pixels[4, 0] = ViewClass.ROAD
    cells = in_cells(pixels)
    assert cells[0, 0] == ViewClass.LAMP and cells[1, 1] == VIEW_UNKNOWN and cells[1, 0] == ViewClass.REST
