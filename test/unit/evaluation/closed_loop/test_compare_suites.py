"""Two runs are compared scenario by scenario."""

import pytest

pytest.importorskip("libsumo")

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.evaluation.closed_loop.compare import compare, compare_markdown
from transdiffuser_planner.evaluation.closed_loop.summary import COLUMNS
from transdiffuser_planner.evaluation.over_dds.suite_over_dds import RosDrive, agreement
from transdiffuser_planner.reports.suite.page import played_keys


def content(scores: dict[int, float], planner: str = "tiny", duration_s: float = 60.0) -> dict:
    rows = [
        dict.fromkeys(COLUMNS, 0.0)
        | {
            "planner": planner,
            "map": "town-001",
            "seed": seed,
            "driving_score": score,
            "events": [],
            "key": f"{planner}{seed}",
        }
        for seed, score in scores.items()
    ]
    return {"duration_s": duration_s, "planners": [{"planner": planner}], "rows": rows}


def test_differences_are_paired_and_sorted_with_the_largest_loss_first() -> None:
    (found,) = compare(content({1: 50.0, 2: 90.0, 3: 100.0}), content({1: 70.0, 2: 80.0, 3: 100.0, 4: 10.0}))
    assert (found["better"], found["worse"], found["scenarios"], found["only_second"]) == (1, 1, 3, 1)
    assert [drive["change"] for drive in found["drives"]] == [-10.0, 0.0, 20.0]
    assert found["columns"]["driving_score"]["mean"] == pytest.approx(10.0 / 3.0, abs=1e-4)
    text = compare_markdown([found], ("a", "b"))
    assert "| town-001 | 2 | 90.0 | 80.0 | -10.0 |" in text and "| town-001 | 3 |" not in text


def test_successes_are_compared_by_mcnemars_exact_test() -> None:
    first, second = content(dict.fromkeys(range(10), 50.0)), content(dict.fromkeys(range(10), 50.0))
    for row in first["rows"][:6] + second["rows"][9:]:
        row["red_lights"] = 1
    (found,) = compare(first, second)
    # Six gained, one lost of ten: twice the chance of at most one of seven fair coins, 2 * 8 / 128.
    assert found["successes"] == {"first": 4, "second": 9, "only_first": 1, "only_second": 6, "p_value": 0.125}
    assert "4 and 9 of 10" in compare_markdown([found], ("a", "b"))
    (same,) = compare(first, first)
    assert same["successes"]["p_value"] == 1.0


def test_a_difference_in_every_scenario_is_marked() -> None:
    (found,) = compare(content(dict.fromkeys(range(10), 50.0)), content({seed: 60.0 + seed for seed in range(10)}))
    assert "| driving score | **14.5 (" in compare_markdown([found], ("a", "b"))


def test_planners_of_other_names_are_paired_in_order_or_as_chosen() -> None:
    (found,) = compare(content({1: 50.0}), content({1: 70.0}, planner="other"))
    assert (found["first"], found["second"]) == ("tiny", "other")
    with pytest.raises(EvaluationError, match="no planner 'unknown'"):
        compare(content({1: 50.0}), content({1: 70.0}), ("tiny", "unknown"))


def test_runs_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(EvaluationError, match="no scenario in common"):
        compare(content({1: 50.0}), content({2: 70.0}))
    with pytest.raises(EvaluationError, match="same --duration"):
        compare(content({1: 50.0}), content({1: 50.0}, duration_s=20.0))


def test_the_worst_drives_are_played_back_models_first_and_all_planners_in_turn() -> None:
    rows = content({1: 90.0, 2: 10.0, 3: 50.0})["rows"] + content({1: 0.0, 2: 5.0, 3: 7.0}, "idm")["rows"]
    assert played_keys(rows, {"tiny"}, 4) == ["tiny2", "tiny3", "idm1", "idm2"]
    assert played_keys(rows, {"tiny"}, 0) == [] and len(played_keys(rows, {"tiny"}, 99)) == 6


def test_a_drive_over_ros_agrees_when_events_end_reason_and_progress_agree() -> None:
    row = {
        "seed": 1,
        "map": "m",
        "at_fault_collisions": 0,
        "not_at_fault_collisions": 0,
        "off_road_s": 0.0,
        "progress_m": 300.0,
        "end_reason": "duration",
    }
    drive = {
        "at_fault_collisions": 0,
        "not_at_fault_collisions": 0,
        "off_road_s": 0.0,
        "progress_m": 280.0,
        "end_reason": "duration",
        "late_steps": 3,
    }
    assert agreement(row, RosDrive(**drive))["agree"]
    for change in (
        {"at_fault_collisions": 1},
        {"progress_m": 260.0},
        {"end_reason": "left_route"},
        {"off_road_s": 0.4},
    ):
        assert not agreement(row, RosDrive(**(drive | change)))["agree"], change
