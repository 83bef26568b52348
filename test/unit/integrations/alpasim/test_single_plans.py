"""Plans for AlpaSim's own driver: from rectified images, a command and past poses, one at a time."""

from types import SimpleNamespace as Message

import numpy as np
import pytest
from shared_model import planner_loader

from transdiffuser_planner.core.errors import ConfigError, InputError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import DrivingCommand
from transdiffuser_planner.integrations.alpasim.single_plans import PlanInputs, SinglePlans
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.runtime.cycle.plan_history import PlanHistory

RIG = Rig.load(RIGS / "carla.yaml")
TIME_S = np.arange(1, 9) * 0.5


@pytest.fixture(scope="module")
def plans():
    config = PlannerConfig(require_lidar=False, num_threads=1, num_candidates=8)
    return SinglePlans(planner_loader("tiny", RIG)(config, PlanHistory()))


def inputs(seed=1, poses=11, speed_mps=6.0, **images):
    identity = Message(w=1.0, x=0.0, y=0.0, z=0.0)
    history = [
        Message(timestamp_us=100_000 * n, pose=Message(vec=Message(x=0.1 * speed_mps * n, y=0.0, z=0.0), quat=identity))
        for n in range(poses)
    ]
    gray = {camera.name: np.full((camera.height, camera.width, 3), 110, dtype=np.uint8) for camera in RIG.cameras}
    shown = {name: (1_000_000, rgb) for name, rgb in (gray | images).items()}
    return PlanInputs(images=shown, command=DrivingCommand.STRAIGHT, speed_mps=speed_mps, acceleration_mps2=0.0,
                      poses=history, seed=seed)  # fmt: skip


def test_a_plan_goes_ahead_in_the_rig_and_is_the_same_for_the_same_seed(plans):
    first = plans.plan(inputs(), TIME_S)
    assert first.shape == (8, 3) and (np.diff(first[:, 0]) >= 0.0).all() and first[0, 0] == pytest.approx(3.0, abs=1.0)
    other = plans.plan(inputs(seed=2), TIME_S)
    np.testing.assert_array_equal(plans.plan(inputs(), TIME_S), first)  # nothing is remembered of the call between
    assert not np.array_equal(other, first)


def test_inputs_that_do_not_suffice_are_refused(plans):
    with pytest.raises(InputError, match="no pose"):
        plans.plan(inputs(poses=0), TIME_S)
    with pytest.raises(InputError, match="'rgb_front': image is 20x10"):
        plans.plan(inputs(rgb_front=np.zeros((10, 20, 3), dtype=np.uint8)), TIME_S)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("model: tiny", "rig is the file"),
        ("rig: absent.yaml", "absent.yaml"),
        ("rig: rig.yaml\nparameters: {temperatures: 1.0}", "temperature"),
        ("[", "no YAML file"),
    ],
)
def test_settings_that_cannot_be_used_are_one_line(tmp_path, text, reason):
    (tmp_path / "rig.yaml").write_text((RIGS / "carla.yaml").read_text())
    (tmp_path / "settings.yaml").write_text(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        SinglePlans.load(tmp_path / "settings.yaml")
    assert "\n" not in str(caught.value)
