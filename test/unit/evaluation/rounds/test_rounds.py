"""Rounds: what they resume from, when they end, and their report."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.evaluation.closed_loop.summary import COLUMNS
from transdiffuser_planner.evaluation.rounds.corrections import CorrectionRule
from transdiffuser_planner.evaluation.rounds.report import rounds_markdown
from transdiffuser_planner.evaluation.rounds.rounds import (
    ROUNDS,
    RoundsSetting,
    check_setting,
    finished_rounds,
    is_stuck,
    sample_folders,
)
from transdiffuser_planner.planners.registry import make_specs
from transdiffuser_planner.simulation.scenario import draw_scenario


def checked(number: int, *, kept: bool) -> dict[str, object]:
    change = {"mean": 0.02 if kept else -0.02, "low": -0.01, "high": 0.03}
    return {
        "round": number, "start": "models/tiny", "model": f"models/round_{number}", "kept": kept, "drives": 2,
        "not_driven": [], "failures": {"contact at fault": 2}, "searched": 6, "corrected": {"contact at fault": 4},
        "corrections": 4, "own_plans": 1, "scenarios": 20, "changes": dict.fromkeys(COLUMNS, change),
        "successes": {"first": 17, "second": 18, "only_first": 1, "only_second": 2, "p_value": 1.0},
        "fixed": [{"map": "town-040", "seed": 8003, "first": 60.0, "second": 98.0}],
        "broken": [{"map": "town-041", "seed": 8004, "first": 99.0, "second": 50.0}],
    }  # fmt: skip


def test_two_rounds_without_gain_end_the_rounds() -> None:
    assert not is_stuck([])
    assert not is_stuck([checked(1, kept=False)])
    assert not is_stuck([checked(1, kept=False), checked(2, kept=True), checked(3, kept=False)])
    assert is_stuck([checked(1, kept=True), checked(2, kept=False), checked(3, kept=False)])


def test_finished_rounds_are_read_and_an_unchecked_one_is_repeated(tmp_path: Path) -> None:
    assert finished_rounds(tmp_path) == []
    unfinished = {"round": 2, "kept": False, "reason": "too few corrections to train on"}
    (tmp_path / ROUNDS).write_text(json.dumps({"rounds": [checked(1, kept=True), unfinished]}), encoding="utf-8")
    assert [item["round"] for item in finished_rounds(tmp_path)] == [1]
    (tmp_path / ROUNDS).write_text("{", encoding="utf-8")
    with pytest.raises(EvaluationError, match="remove the folder"):
        finished_rounds(tmp_path)


def test_rounds_of_another_setting_are_refused(tmp_path: Path) -> None:
    spec = make_specs(["constant-velocity"])[0][0]
    drawn = (draw_scenario(1, duration_s=10.0),)
    setting = RoundsSetting(
        out=tmp_path, planner=spec, drawn=drawn, per_round=1, check=(draw_scenario(8000, duration_s=10.0),),
        num_rounds=1, rule=CorrectionRule(), workers=1,
    )  # fmt: skip
    check_setting(setting)
    check_setting(replace(setting, num_rounds=3))
    with pytest.raises(EvaluationError, match=r"made with trust_region_m 4.0, now 2.0"):
        check_setting(replace(setting, rule=CorrectionRule(trust_region_m=2.0)))


def test_a_round_learns_from_the_corrections_of_all_rounds_before_it(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"round_{number}" / "drives" / "seed00001" / "samples").mkdir(parents=True)
    assert [path.parts[-4] for path in sample_folders(tmp_path, 2)] == ["round_1", "round_2"]


def test_the_report_states_what_a_round_fixed_and_broke_and_that_a_worse_one_is_not_shipped() -> None:
    text = rounds_markdown([checked(1, kept=True), checked(2, kept=False)])
    assert "Round 1: kept" in text and "Round 2: not shipped" in text
    assert "town-040 8003 (60 -> 98)" in text and "town-041 8004 (99 -> 50)" in text
