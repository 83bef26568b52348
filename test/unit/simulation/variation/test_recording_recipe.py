"""Recipes are complete and bounded; drives draw within them, the same each time, and features respect what is absent."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from transdiffuser_planner.core.contract import CONTRACTS
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.rig import BAG_RIG_NAME, Rig
from transdiffuser_planner.data.bags.rig_files import write_rig
from transdiffuser_planner.params import RECIPES, RIGS
from transdiffuser_planner.planning.observation.stitched_view import ImageView, view_rays
from transdiffuser_planner.simulation.scenario import Scenario, random_generator
from transdiffuser_planner.simulation.variation.beams import elevations_rad
from transdiffuser_planner.simulation.variation.recipe import CHOICES, QUANTITIES, RecordingRecipe
from transdiffuser_planner.simulation.variation.rigs import ALL_PIXELS, base_rig, draw_rig

SHIPPED = RECIPES / "recording.yaml"
RECIPE = RecordingRecipe.load(SHIPPED)


def random(seed: int) -> np.random.Generator:
    return random_generator(Scenario(map_name="town-000", seed=seed), "recording 0")


def with_change(tmp_path: Path, section: str, key: str, value: object) -> Path:
    data = yaml.safe_load(SHIPPED.read_text())
    if value is None:
        del data[section][key]
    else:
        data[section][key] = value
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("lidar", "range_m", [10, 400], "20 <= lowest <= highest <= 250 m"),
        ("lidar", "range_m", [90, 60], "lowest <= highest"),
        ("lidar", "range_m", None, r"missing keys \['range_m'\]"),
        ("lidar", "rnage_m", 60, r"unknown keys \['rnage_m'\]"),
        ("cameras", "gamma", "one", "expected a number"),
        ("ground", "bank", [0.0, 0.1, 0.2], "expected a number or"),
        ("rigs", "kitti", -1.0, "0 or more"),
        ("beams", "hdl65", 1.0, "expected weights of"),
    ],
)
def test_a_recipe_out_of_bounds_is_refused_in_one_line(
    tmp_path: Path, section: str, key: str, value: object, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        RecordingRecipe.load(with_change(tmp_path, section, key, value))
    assert "\n" not in str(error.value) and section in str(error.value)


def test_every_quantity_is_documented() -> None:
    text = (Path(__file__).parents[4] / "docs/how-to/recording.md").read_text()
    for section, table in QUANTITIES.items():
        for name, quantity in table.items():
            row = f"| `{section}.{name}` | {quantity.minimum:g} .. {quantity.maximum:g}"
            assert row in text, row
    assert all(f"`{name}`" in text for options in CHOICES.values() for name in options)


def test_draws_are_the_same_for_the_same_drive_and_differ_between_drives() -> None:
    first, again, other = (draw_rig(RECIPE, random(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("seed", range(25))
def test_a_drawn_rig_is_written_and_read_and_fills_the_view_where_it_has_cameras(seed: int, tmp_path: Path) -> None:
    stated, true, _ = draw_rig(RECIPE, random(seed))
    write_rig(tmp_path / BAG_RIG_NAME, stated, head=())
    assert Rig.load(tmp_path / BAG_RIG_NAME) == stated
    assert stated.cameras or stated.lidar is not None
    assert sum(camera.width * camera.height for camera in stated.cameras) < 1.05 * ALL_PIXELS
    for camera, real in zip(stated.cameras, true.cameras, strict=True):
        low, high = RECIPE.ranges["cameras"]["angle_error_rad"]
        assert low <= real.yaw_rad - camera.yaw_rad <= high
        assert replace(real, yaw_rad=camera.yaw_rad, pitch_rad=camera.pitch_rad, roll_rad=camera.roll_rad) == camera


@pytest.mark.parametrize("name", CHOICES["rigs"])
def test_a_rig_of_a_data_set_sees_ahead(name: str) -> None:
    """The middle of the model's view lies within a camera that looks ahead, with the contract's directions."""
    contract, front = CONTRACTS["tiny"], base_rig(name).cameras[len(base_rig(name).cameras) // 2]
    ray = view_rays(contract)[int(contract.horizon_row), contract.image_width // 2] @ front.base_from_sensor()[:3, :3]
    column, row = front.cx - front.fx * ray[1] / ray[0], front.cy - front.fy * ray[2] / ray[0]
    assert front.name == "rgb_front" and 0 <= column < front.width and 0 <= row < front.height
    assert ImageView(contract, base_rig(name).cameras).stitch({}, {})[1].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("pattern", CHOICES["beams"])
def test_beams_rise_and_look_down_and_up(pattern: str) -> None:
    for seed in range(5):
        elevations = elevations_rad(pattern, random(seed))
        assert 16 <= len(elevations) <= 128
        assert (np.diff(elevations) >= 0.0).all()
        assert np.radians(-35.0) < elevations[0] < np.radians(-10.0)
        assert np.radians(1.0) < elevations[-1] < np.radians(30.0)


def test_the_plain_rig_needs_no_recipe() -> None:
    assert base_rig("default") == Rig.load(RIGS / "carla.yaml")
