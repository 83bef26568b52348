"""Driving style, calm to brisk, as the sub-scores that a plan is asked to have: a condition of models trained with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

WANTED_SCORES: Final = ("no_at_fault_collision", "drivable_area", "time_to_collision", "ego_progress", "pdm_score")
"""Entries of the input "wanted_scores": NC, DAC, TTC and EP of PDMS v1.1, and PDMS, each 0 to 1."""
STYLE_INPUTS: Final = ("wanted_scores", "wanted_scores_valid")
"""Inputs of a model whose contract has ``score_condition``; the second is 1.0 for entries that are asked for, else 0.0."""
NO_STYLE: Final = -1.0
"""Value of the parameter ``driving_style`` with which nothing is asked for."""
CALM_PROGRESS: Final = 0.5
"""Progress relative to PDM-Closed's that a calm plan (0) is asked to have; a brisk one (1) as much as PDM-Closed's."""
_SAFE: Final = 1.0


def style_problem(style: float) -> str:
    """Return why a value is no driving style; "" if it is one."""
    if style == NO_STYLE or 0.0 <= style <= 1.0:
        return ""
    return f"driving_style: must lie in 0 (calm) .. 1 (brisk), or be {NO_STYLE:g} for none, got {style:g}"


def style_refusal(style: float, model: str, *, knows_style: bool) -> str:
    """Return why a model cannot plan with a driving style; "" if it can.

    Args:
        style: 0 (calm) to 1 (brisk), or ``NO_STYLE``.
        model: Its name.
        knows_style: Whether it was trained with a score condition.
    """
    if knows_style or style == NO_STYLE:
        return ""
    return f"driving_style: model {model} was trained without a score condition; use {NO_STYLE:g}, or load a model that has one"


def wanted_scores(style: float) -> dict[str, NDArray[np.float32]]:
    """Inputs (1, 5) of a driving style: no contact, on the road, with distance, and the style's progress.

    Args:
        style: 0 (calm) to 1 (brisk), or ``NO_STYLE``.
    """
    progress = CALM_PROGRESS + (1.0 - CALM_PROGRESS) * style
    total = (5.0 * progress + 5.0 * _SAFE + 2.0) / 12.0
    asked = style != NO_STYLE
    values = np.asarray([[_SAFE, _SAFE, _SAFE, progress, total]], dtype=np.float32) * np.float32(asked)
    return {"wanted_scores": values, "wanted_scores_valid": np.full(values.shape, asked, dtype=np.float32)}


def with_style(observation: Mapping[str, NDArray[Any]], style: float) -> Mapping[str, NDArray[Any]]:
    """Ask for a driving style in a model's inputs; inputs of a model that does not know it are returned unchanged.

    Args:
        observation: Inputs with a batch axis of 1.
        style: 0 (calm) to 1 (brisk), or ``NO_STYLE``.
    """
    if style == NO_STYLE or STYLE_INPUTS[0] not in observation:
        return observation
    return {**observation, **wanted_scores(style)}
