"""Thresholds and baselines: passing and failing metrics, and errors of invalid files."""

from collections import Counter

import pytest
import yaml

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.replay.checks.baseline import check_baseline, update_baseline
from transdiffuser_planner.replay.checks.conditions import check_conditions, check_drives, load_conditions
from transdiffuser_planner.replay.checks.verdict import node_checks
from transdiffuser_planner.replay.metrics.drive_metrics import CycleMetrics, ReplayMetrics
from transdiffuser_planner.replay.metrics.metric_definitions import METRICS, RENAMED_METRICS


@pytest.fixture
def metrics():
    """Ten cycles, one per second; ade_4s_m grows from 0 to 9."""
    cycles = [
        CycleMetrics(time_s=float(i), stamp_ns=i * 10**9, values={"ade_4s_m": float(i), "agent_recall": 0.8})
        for i in range(10)
    ]
    totals = {
        "num_plans": 10.0,
        "num_evaluated": 10.0,
        "num_not_ready": 0.0,
        "num_fallbacks": 0.0,
        "num_refused": 0.0,
        "num_lost": 0.0,
        "planned_share": 1.0,
    }
    return ReplayMetrics(cycles=cycles, totals=totals | {"num_frames": 10.0, "longest_gap_s": 1.0}, skipped=Counter())


def conditions(tmp_path, *entries):
    path = tmp_path / "conditions.yaml"
    path.write_text(yaml.safe_dump({"conditions": list(entries)}))
    return load_conditions(path)


@pytest.mark.parametrize(
    ("entry", "has_passed"),
    [
        ({"metric": "ade_4s_m", "range": {"max": 4.5}}, True),
        ({"metric": "ade_4s_m", "range": {"max": 4.4}}, False),
        ({"metric": "ade_4s_m", "statistic": "max", "range": {"min": 9, "max": 9}}, True),
        ({"metric": "ade_4s_m", "statistic": "max", "range": {"max": 3}, "window": {"to_s": 3}}, True),
        ({"metric": "ade_4s_m", "statistic": "min", "range": {"max": 3}, "window": {"from_s": 4}}, False),
        ({"metric": "num_plans", "range": {"min": 10}}, True),
        ({"metric": "num_plans", "range": {"min": 11}}, False),
        ({"metric": "ade_4s_m", "range": {"max": 0}, "drive": "another"}, None),
    ],
)
def test_a_condition_holds_or_does_not(entry, has_passed, metrics, tmp_path):
    checks = check_conditions(conditions(tmp_path, entry), metrics, "here")
    assert [check.has_passed for check in checks] == ([] if has_passed is None else [has_passed])


@pytest.mark.parametrize("entry", [{"metric": "pdm_score"}, {"metric": "ade_4s_m", "window": {"from_s": 100}}])
def test_a_condition_without_any_value_fails(entry, metrics, tmp_path):
    (check,) = check_conditions(conditions(tmp_path, entry | {"range": {"min": 0}}), metrics, "here")
    assert not check.has_passed and "there is no value to judge" in check.message


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"metric": "ade_9s_m", "range": {"max": 1}}, "metric 'ade_9s_m' does not exist; known are ade_1s_m"),
        ({"metric": "ade_4s_m"}, "needs 'range'"),
        ({"metric": "ade_4s_m", "range": {"below": 1}}, "range: expected a mapping with keys among min, max"),
        ({"metric": "ade_4s_m", "range": {"max": "low"}}, "max: expected a number, got 'low'"),
        ({"metric": "ade_4s_m", "range": {"min": 2, "max": 1}}, "is empty"),
        ({"metric": "ade_4s_m", "statistic": "mode", "range": {"max": 1}}, "statistic of ade_4s_m must be one of mean"),
        ({"metric": "num_plans", "range": {"max": 1}, "window": {"to_s": 1}}, "has no window"),
        ({"range": {"max": 1}}, "needs 'metric'"),
        ("ade", "expected a mapping with keys among name, metric"),
    ],
)
def test_an_invalid_condition_gives_one_clear_line(entry, expected, tmp_path):
    with pytest.raises(ConfigError, match="entry 1") as caught:
        conditions(tmp_path, entry)
    assert expected in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [("best_ade_m", "min_ade_m"), ("ahead_2s_m", "longitudinal_error_signed_2s_m"), ("late", "deadline_missed"),
     ("faults", "violations"), ("share_planned", "planned_share")],
)  # fmt: skip
def test_the_old_name_of_a_metric_gives_one_line_with_the_new_name(old, new, metrics, tmp_path):
    with pytest.raises(ConfigError, match=f"entry 1: metric '{old}' was renamed; write {new}$"):
        conditions(tmp_path, {"metric": old, "range": {"max": 1}})
    path = tmp_path / "baseline.yaml"
    path.write_text(yaml.safe_dump({"drives": {"here": {old: {"value": 1.0, "tolerance": 0.1}}}}))
    for use in (check_baseline, update_baseline):
        with pytest.raises(ConfigError, match=f"metric '{old}' was renamed; write {new}$"):
            use(path, metrics, "here")


def test_every_renamed_metric_exists_under_its_new_name():
    assert set(RENAMED_METRICS.values()) <= set(METRICS) and not set(RENAMED_METRICS) & set(METRICS)


def test_a_condition_for_a_drive_that_is_not_there_is_refused_with_the_drives_there_are(tmp_path):
    bound = {"metric": "ade_4s_m", "range": {"max": 1}}
    found = conditions(tmp_path, bound, bound | {"drive": "here"}, bound | {"drive": "heer"})
    check_drives(found[:2], ["here", "there"], tmp_path)
    with pytest.raises(ConfigError, match="entry 3 is for drive 'heer', which is not replayed; drives are here, there"):
        check_drives(found, ["here", "there"], tmp_path)


def test_a_baseline_finds_what_got_worse_and_lets_pass_what_got_better(metrics, tmp_path):
    path = tmp_path / "baseline.yaml"
    update_baseline(path, metrics, "here")
    assert all(check.has_passed for check in check_baseline(path, metrics, "here"))
    worse = [CycleMetrics(time_s=0.0, stamp_ns=0, values={"ade_4s_m": 5.5, "agent_recall": 0.9})]
    changed = ReplayMetrics(cycles=worse, totals=metrics.totals, skipped=Counter())
    checks = {check.name: check for check in check_baseline(path, changed, "here")}
    assert not checks["ade_4s_m"].has_passed and "worse: was 4.5, is 5.5" in checks["ade_4s_m"].message
    assert checks["agent_recall"].has_passed and "better" in checks["agent_recall"].message


def test_updating_a_baseline_keeps_its_tolerances_and_its_choice_of_metrics(metrics, tmp_path):
    path = tmp_path / "baseline.yaml"
    edited = {"statistic": "max", "value": 1.0, "tolerance": 7.0}
    path.write_text(yaml.safe_dump({"drives": {"here": {"ade_4s_m": edited}, "other": {}}}))
    update_baseline(path, metrics, "here")
    drives = yaml.safe_load(path.read_text())["drives"]
    assert drives["here"] == {"ade_4s_m": {"statistic": "max", "value": 9.0, "tolerance": 7.0}} and "other" in drives


def test_a_drive_that_is_not_in_a_baseline_gives_the_command_to_add_it(metrics, tmp_path):
    path = tmp_path / "baseline.yaml"
    update_baseline(path, metrics, "here")
    with pytest.raises(ConfigError, match="does not hold drive 'there'; add it with --baseline"):
        check_baseline(path, metrics, "there")


@pytest.mark.parametrize(
    ("counts", "has_passed"), [((10, 10, 10), [True, True]), ((10, 9, 9), [False, True]), ((10, 10, 8), [True, False])]
)
def test_a_node_must_plan_every_frame_and_as_the_replay_does(counts, has_passed):
    assert [check.has_passed for check in node_checks(*counts)] == has_passed
