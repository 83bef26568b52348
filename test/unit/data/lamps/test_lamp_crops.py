"""Crops of lamps: folders, halves, heads without light."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.types import SignalState
from transdiffuser_planner.core.view_semantics import LAMP_CROP
from transdiffuser_planner.data.lamps.lamp_crops import drawn_head, drawn_surroundings, read_crops, unlit


def folder_of(path: Path) -> Path:
    """Five red and two yellow crops in two folders."""
    for number, name in enumerate(["a/red", "a/red", "b/red", "b/red", "b/red", "a/yellow", "b/yellow"]):
        (path / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 50), (number, 0, 0)).save(path / name / f"{number}.png")
    return path


def test_halves_are_disjoint_and_together_everything(tmp_path: Path) -> None:
    whole, first, second = (read_crops(folder_of(tmp_path), half) for half in ("all", "first", "second"))
    assert whole.image_N3HW.shape == (7, 3, *LAMP_CROP)
    assert (first.state_N == SignalState.RED).sum() == 3 and (second.state_N == SignalState.AMBER).sum() == 1
    values = [set(part.image_N3HW[:, 0, 0, 0].tolist()) for part in (first, second)]
    assert not values[0] & values[1] and values[0] | values[1] == set(range(7))


def test_a_folder_without_crops_or_with_a_damaged_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no image in a folder named red"):
        read_crops(tmp_path)
    (tmp_path / "green").mkdir()
    (tmp_path / "green" / "x.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"x\.jpg: cannot be read"):
        read_crops(tmp_path)


def test_a_head_without_light_has_the_unlit_lamps_twice() -> None:
    crop = np.arange(3 * LAMP_CROP[0] * LAMP_CROP[1], dtype=np.int64).reshape(3, *LAMP_CROP).astype(np.uint8)
    half = LAMP_CROP[0] // 2
    red, green = unlit(crop, SignalState.RED), unlit(crop, SignalState.GREEN)
    assert np.array_equal(red[:, half:], crop[:, half:]) and np.array_equal(red[:, :half], crop[:, half:][:, ::-1])
    assert np.array_equal(green[:, :half], crop[:, :half]) and np.array_equal(green[:, half:], crop[:, :half][:, ::-1])


def test_drawn_heads_show_their_state() -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(60):
        crop, state = drawn_head(rng)
        assert crop.shape == (3, *LAMP_CROP) and crop.dtype == np.uint8
        seen.add(state)
    assert seen == set(SignalState)


def test_surroundings_are_of_many_kinds() -> None:
    rng = np.random.default_rng(0)
    crops = [drawn_surroundings(rng) for _ in range(20)]
    assert all(crop.shape == (3, *LAMP_CROP) and crop.dtype == np.uint8 for crop in crops)
    assert np.std([crop.mean() for crop in crops]) > 20.0
