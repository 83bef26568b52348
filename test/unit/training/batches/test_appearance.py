"""Strong changes of appearance: what they must change, and what not."""

import numpy as np

from transdiffuser_planner.core.view_semantics import VIEW_STRIDE, ViewClass
from transdiffuser_planner.training.batches.appearance import change_appearance
from transdiffuser_planner.training.recipe import AugmentationConfig

SHAPE = (4, 3, 32, 64)
ALL = AugmentationConfig(style=1.0, blur=1.0, noise=1.0, cutout=1.0, jpeg=1.0)


def images() -> np.ndarray:
    image = np.random.default_rng(0).integers(40, 200, SHAPE, dtype=np.uint8)
    image[:, :, :, 48:] = 0
    return image


def test_without_a_request_nothing_changes_and_no_random_number_is_drawn() -> None:
    rng, image = np.random.default_rng(5), images()
    assert change_appearance(image, None, rng, AugmentationConfig()) is image
    assert rng.random() == np.random.default_rng(5).random()


def test_columns_without_a_camera_stay_black_and_the_original_is_kept() -> None:
    image = images()
    changed = change_appearance(image, None, np.random.default_rng(1), ALL)
    assert np.array_equal(image, images())
    assert changed[:, :, :, :48].any() and not changed[:, :, :, 48:].any()
    assert all(np.abs(changed[i].astype(int) - image[i]).mean() > 5.0 for i in range(len(image)))


def test_surfaces_change_differently_and_lamps_keep_their_colors() -> None:
    image = np.full(SHAPE, 120, dtype=np.uint8)
    labels = np.full((SHAPE[0], SHAPE[2] // VIEW_STRIDE, SHAPE[3] // VIEW_STRIDE), int(ViewClass.ROAD), dtype=np.uint8)
    labels[:, :4], labels[:, :, 12:] = int(ViewClass.VEHICLE), int(ViewClass.LAMP)
    changed = change_appearance(image, labels, np.random.default_rng(2), AugmentationConfig(style=1.0)).astype(float)
    assert (changed[:, :, :, 48:] == 120.0).all()
    above, below = changed[:, :, :16, :48].mean(axis=(2, 3)), changed[:, :, 16:, :48].mean(axis=(2, 3))
    assert np.abs(above - below).max() > 5.0
