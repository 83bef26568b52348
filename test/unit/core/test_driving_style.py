"""Driving style as wanted sub-scores, and where it is refused."""

import numpy as np
import pytest

from transdiffuser_planner.core.contract import CONDITION_INPUTS, TINY, TOKEN_INPUTS, ModelContract, condition_inputs
from transdiffuser_planner.core.driving_style import (
    NO_STYLE,
    STYLE_INPUTS,
    WANTED_SCORES,
    style_refusal,
    wanted_scores,
    with_style,
)
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.planner_config import PlannerConfig

PROGRESS = WANTED_SCORES.index("ego_progress")


def test_a_brisk_plan_is_asked_for_more_progress_and_every_style_for_the_same_safety() -> None:
    calm, brisk = (wanted_scores(style)["wanted_scores"][0] for style in (0.0, 1.0))
    np.testing.assert_allclose(calm, [1.0, 1.0, 1.0, 0.5, (0.5 * 5 + 7) / 12])
    np.testing.assert_allclose(brisk, 1.0)
    assert wanted_scores(0.5)["wanted_scores"][0, PROGRESS] == pytest.approx(0.75)
    assert all(not value.any() for value in wanted_scores(NO_STYLE).values())


def test_styles_change_only_inputs_of_models_that_know_them() -> None:
    plain = {"status": np.ones((1, 8))}
    assert with_style(plain, 0.5) is plain
    knowing = plain | wanted_scores(NO_STYLE)
    assert with_style(knowing, NO_STYLE) is knowing
    asked = with_style(knowing, 0.5)
    assert asked["wanted_scores_valid"].all() and not knowing["wanted_scores_valid"].any()


def test_contracts_state_the_condition_and_others_are_written_as_before() -> None:
    assert "score_condition" not in TINY.to_dict()
    assert condition_inputs(TINY) == CONDITION_INPUTS + TOKEN_INPUTS
    knowing = ModelContract.from_dict({**TINY.to_dict(), "score_condition": True})
    assert condition_inputs(knowing) == CONDITION_INPUTS + TOKEN_INPUTS + STYLE_INPUTS
    assert ModelContract.from_dict(knowing.to_dict()) == knowing


@pytest.mark.parametrize("style", [-0.5, 1.5, float("nan")])
def test_values_out_of_range_are_refused(style: float) -> None:
    with pytest.raises(ConfigError, match="driving_style"):
        PlannerConfig(driving_style=style)


def test_models_without_the_condition_refuse_a_style_with_the_reason() -> None:
    assert style_refusal(0.5, "tiny", knows_style=True) == "" == style_refusal(NO_STYLE, "tiny", knows_style=False)
    assert "model tiny was trained without a score condition" in style_refusal(0.5, "tiny", knows_style=False)
