"""Masks conditions of an observation as if they had not been received."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import StatusIndex
from transdiffuser_planner.core.types import DrivingCommand

MASKABLE_INPUTS: Final = ("route", "signal", "speed_limit", "history", "command")
"""Conditions that a model can do without."""


def mask_input(observation: dict[str, NDArray[Any]], name: str) -> None:
    """Replace a condition's arrays by masked ones.

    Args:
        observation: Tensors (1, ...) by name; changed in place.
        name: Of ``MASKABLE_INPUTS``.
    """
    changed = ("status",) if name == "command" else (name, f"{name}_valid")
    observation.update({key: observation[key].copy() for key in changed})
    if name == "command":
        observation["status"][:, : StatusIndex.VX_MPS] = np.eye(StatusIndex.VX_MPS, dtype=np.float32)[
            DrivingCommand.UNKNOWN
        ]
        return
    before = slice(None, -1) if name == "history" else slice(None)  # the last pose of the past is the present one
    for key in changed:
        observation[key][:, before] = 0.0
