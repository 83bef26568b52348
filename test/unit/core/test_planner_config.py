"""The planner's configuration and its documentation."""

from pathlib import Path

import pytest

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.planner_config import PlannerConfig, default_values, parameter_table

ROOT = Path(__file__).resolve().parents[3]


def test_documented_parameters_are_the_real_ones() -> None:
    text = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    assert parameter_table() in text, (
        "put the output of 'docs/generate_reference.py parameters' into docs/parameters.md"
    )


def test_the_table_also_holds_the_parameters_of_the_node() -> None:
    rows = parameter_table()
    assert all(f"| `{name}` |" in rows for name in ("model", "rig", "shadow", "deadline_ms"))


def test_defaults_are_a_valid_configuration() -> None:
    assert PlannerConfig.from_dict(default_values()) == PlannerConfig()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_candidates": 0}, "1 .. 128"),
        ({"num_candidates": 3.5}, "expected int"),
        ({"provider": "quantum"}, "one of cpu, cuda, tensorrt"),
        ({"deadline": 100.0}, "unknown parameters"),
        ({"comfort_decel_mps2": 6.0, "emergency_decel_mps2": 5.0}, "must not exceed"),
        ({"min_cameras": 0, "require_lidar": False}, "nothing to plan from"),
        ({"deadline_ms": float("nan")}, "must lie in"),
    ],
)
def test_wrong_values_are_refused_with_a_reason(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PlannerConfig.from_dict(values)


def test_whole_numbers_are_accepted_for_real_parameters() -> None:
    assert PlannerConfig.from_dict({"deadline_ms": 80}).deadline_ms == 80.0
