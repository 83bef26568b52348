"""Conditions taken out of an observation, as if they had not been published."""

import numpy as np
import pytest

pytest.importorskip("torch")

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.types import DrivingCommand
from transdiffuser_planner.data.candidates.condition_masking import MASKABLE_INPUTS, mask_input
from transdiffuser_planner.training.export.model_folder import random_observation


@pytest.mark.parametrize("name", MASKABLE_INPUTS)
def test_only_what_is_withheld_is_gone_and_the_sample_stays(name: str) -> None:
    sample = random_observation(TINY, 0)
    before, observation = {key: value.copy() for key, value in sample.items()}, dict(sample)
    mask_input(observation, name)
    changed = {key for key in observation if not np.array_equal(observation[key], before[key])}
    assert changed == ({"status"} if name == "command" else {name, f"{name}_valid"})
    assert all(np.array_equal(sample[key], before[key]) for key in sample)
    if name == "command":
        assert (
            observation["status"][0, :4].argmax() == DrivingCommand.UNKNOWN
            and observation["status"][0, :4].sum() == 1.0
        )
        np.testing.assert_array_equal(observation["status"][0, 4:], before["status"][0, 4:])
    else:
        assert observation[f"{name}_valid"].sum() == (1.0 if name == "history" else 0.0)
