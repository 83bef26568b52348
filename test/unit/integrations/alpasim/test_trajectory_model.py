"""The model for AlpaSim's own driver against the driver's base class, from a checkout of AlpaSim."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from transdiffuser_planner.params import RIGS

pytest.importorskip("torch")
CHECKOUT = os.environ.get("TRANSDIFFUSER_ALPASIM", "")
pytestmark = pytest.mark.skipif(not CHECKOUT, reason="needs a checkout of AlpaSim in TRANSDIFFUSER_ALPASIM")


@pytest.fixture(scope="module")
def driver():
    """The driver's module of base classes alone: its package imports models with many more dependencies."""
    path = Path(CHECKOUT) / "src/driver/src/alpasim_driver/models/base.py"
    packages = {name: ModuleType(name) for name in ("alpasim_driver", "alpasim_driver.models")}
    name = "alpasim_driver.models.base"
    spec = importlib.util.spec_from_file_location(name, path)
    base = importlib.util.module_from_spec(spec)
    sys.modules.update(packages | {name: base})
    spec.loader.exec_module(base)
    yield base
    for known in (*packages, name, "transdiffuser_planner.integrations.alpasim.trajectory_model"):
        sys.modules.pop(known, None)


@pytest.fixture(scope="module")
def model(driver, tmp_path_factory):
    from transdiffuser_planner.integrations.alpasim.trajectory_model import TransdiffuserModel

    folder = tmp_path_factory.mktemp("alpasim")
    (folder / "rig.yaml").write_text((RIGS / "carla.yaml").read_text())
    (folder / "settings.yaml").write_text("rig: rig.yaml\nparameters: {num_threads: 1}\n")
    settings = SimpleNamespace(checkpoint_path=str(folder / "settings.yaml"))
    return TransdiffuserModel.from_config(settings, None, ["rgb_front"], None, 10)


def prediction_input(driver, seed=1, cameras=("rgb_front",)):
    frame = driver.CameraFrame(1_000_000, np.full((128, 240, 3), 110, dtype=np.uint8))
    identity = SimpleNamespace(w=1.0, x=0.0, y=0.0, z=0.0)
    poses = [
        SimpleNamespace(timestamp_us=100_000 * n, pose=SimpleNamespace(vec=SimpleNamespace(x=0.6 * n, y=0, z=0), quat=identity))
        for n in range(11)
    ]  # fmt: skip
    return driver.PredictionInput(
        camera_images={name: [frame] for name in cameras},
        command=driver.DriveCommand.STRAIGHT,
        speed=6.0,
        acceleration=0.0,
        ego_pose_history=poses,
        inference_seed=seed,
    )


def test_predictions_have_the_shapes_and_the_first_step_of_the_base_class(driver, model):
    found = model.predict(prediction_input(driver))
    assert found.trajectory_xy.shape == (40, 2) and found.headings.shape == (40,)
    assert found.trajectory_xy[0, 0] == pytest.approx(0.6, abs=0.1)
    assert (model.camera_ids, model.num_cameras, model.context_length, model.output_frequency_hz) == (
        ["rgb_front"],
        1,
        1,
        10,
    )


def test_a_batch_is_its_single_predictions(driver, model):
    both = model.predict_batch([prediction_input(driver), prediction_input(driver, seed=2)])
    np.testing.assert_array_equal(both[0].trajectory_xy, model.predict(prediction_input(driver)).trajectory_xy)
    assert not np.array_equal(both[0].trajectory_xy, both[1].trajectory_xy)


def test_wrong_inputs_are_the_errors_that_the_driver_answers(driver, model):
    with pytest.raises(ValueError, match="expects cameras"):
        model.predict(prediction_input(driver, cameras=("other",)))
    empty = prediction_input(driver)
    empty.ego_pose_history = []
    with pytest.raises(driver.ModelInputValidationError, match="no pose"):
        model.predict(empty)
    with pytest.raises(ValueError, match="not in the rig file"):
        type(model)(model._plans, ["other"], 10)
