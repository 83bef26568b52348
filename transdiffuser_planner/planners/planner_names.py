"""Names and titles of all planners in suites and comparisons, for every command and report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.runtime.inference.baseline_model import (
    BASELINES,
    EGO_STATUS_MLP,
    EGO_STATUS_MLP_ROUTE,
    REGRESSION_HEAD,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannerKind:
    """Description of a planner for tables.

    Attributes:
        title: Display name.
        sees: Inputs, in a few words.
        is_privileged: Whether it uses inputs that no vehicle has.
    """

    title: str
    sees: str = "sensors"
    is_privileged: bool = False


CONSTANT_VELOCITY: Final = "constant-velocity"
CONSTANT_TURN_RATE: Final = "constant-turn-rate"
LOG_FUTURE: Final = "log-future"

DRIVING: Final = {
    CONSTANT_VELOCITY: PlannerKind(title="constant velocity", sees="own speed"),
    EGO_STATUS_MLP: PlannerKind(title="ego-status MLP", sees="own state and past"),
    EGO_STATUS_MLP_ROUTE: PlannerKind(title="ego-status MLP with route", sees="own state, route, signal, limit"),
    REGRESSION_HEAD: PlannerKind(title="regression head", sees="sensors"),
    "idm": PlannerKind(title="IDM lane follower", sees="true traffic on the route", is_privileged=True),
    "pdm-closed": PlannerKind(title="PDM-Closed", sees="true map, traffic, lights", is_privileged=True),
    LOG_FUTURE: PlannerKind(title="log future (the expert's drive)", sees="the future", is_privileged=True),
}
"""Baselines of ``evaluate suite`` by name."""

ONE, NEAREST_TO_MEAN, SCORER, ORACLE = "one", "nearest_to_mean", "scorer", "oracle"
RULES, GATED = "rules", "gated"
SELECTIONS: Final = {
    ONE: PlannerKind(title="TransDiffuser, one sample"),
    NEAREST_TO_MEAN: PlannerKind(title="TransDiffuser, candidate nearest to the mean"),
    RULES: PlannerKind(title="TransDiffuser, chosen by rules"),
    SCORER: PlannerKind(title="TransDiffuser, chosen by the learned scorer"),
    GATED: PlannerKind(title="TransDiffuser, chosen by rules unless the scorer objects"),
    ORACLE: PlannerKind(title="TransDiffuser, best candidate (oracle)", is_privileged=True),
}
"""Selections among a model's candidates."""

COMPARED: Final = {
    CONSTANT_TURN_RATE: PlannerKind(title="constant velocity and yaw rate", sees="own speed and yaw rate"),
    **{name: DRIVING[name] for name in BASELINES},
    **SELECTIONS,
    LOG_FUTURE: DRIVING[LOG_FUTURE],
}
"""Rows of open-loop tables, in order."""

TITLES: Final = {name: kind.title for name, kind in COMPARED.items()}

RENAMED: Final = {
    "mlp": EGO_STATUS_MLP,
    "mlp-route": EGO_STATUS_MLP_ROUTE,
    "mlp_route": EGO_STATUS_MLP_ROUTE,
    "regression": REGRESSION_HEAD,
    "expert": LOG_FUTURE,
}
"""Names of earlier versions."""


def check_not_renamed(name: str) -> None:
    """Reject a name of an earlier version.

    Args:
        name: Given by the user.

    Raises:
        EvaluationError: The name is an old one; the message has the new one.
    """
    if name in RENAMED:
        raise EvaluationError(f"planner '{name}' is now called '{RENAMED[name]}'; use --planner {RENAMED[name]}")
