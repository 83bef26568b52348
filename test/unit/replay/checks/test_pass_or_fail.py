"""Result of the command: exit status, golden plans, and files for CI."""

import copy
import json
import re
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from replay_bags import TOPICS, as_it_is, encoded, rewritten

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.replay.checks.golden import check_golden, update_golden
from transdiffuser_planner.replay.drive_check import Expectations

pytestmark = pytest.mark.slow

SLACK = {"conditions": [{"metric": "ade_2s_m", "range": {"max": 50.0}}]}
STRICT = {"conditions": [{"metric": "ade_2s_m", "range": {"max": 1e-6}, "name": "impossible"}]}


@pytest.fixture(scope="module")
def brief(short_bag, tmp_path_factory):
    out = tmp_path_factory.mktemp("brief") / "brief"
    return rewritten(short_bag, out, lambda item, s: as_it_is(item) if s <= 2.0 else [])


def written(path, data):
    path.write_text(yaml.safe_dump(data))
    return str(path)


def test_status_is_0_when_all_checks_pass_and_is_written_to_the_files_for_ci(short_bag, tmp_path):
    junit, jsonl = tmp_path / "j.xml", tmp_path / "r.jsonl"
    conditions = written(tmp_path / "c.yaml", SLACK)
    words = ["replay", str(short_bag), "--conditions", conditions, "--junit", str(junit), "--jsonl", str(jsonl)]
    assert main(words) == 0
    suite = ElementTree.parse(junit).getroot().find("testsuite")
    assert suite.get("failures") == "0" and int(suite.get("tests")) == 5
    *cycles, drive = [json.loads(line) for line in jsonl.read_text().splitlines()]
    assert len(cycles) == 26 and all(cycle["is_planned"] for cycle in cycles)
    assert drive["has_passed"] and drive["metrics"]["ade_1s_m"]["mean"] > 0.0
    assert drive["skipped"]["plan not evaluated: the recording ends or breaks within the next second"] == 5


def test_status_is_1_when_a_condition_fails_and_2_when_nothing_could_run(short_bag, tmp_path, capsys):
    junit = tmp_path / "j.xml"
    conditions = written(tmp_path / "c.yaml", STRICT)
    assert main(["replay", str(short_bag), "--conditions", conditions, "--junit", str(junit)]) == 1
    failure = ElementTree.parse(junit).getroot().find(".//testcase[@name='impossible']/failure")
    assert "mean of ade_2s_m" in failure.get("message")
    assert "FAILED condition impossible" in capsys.readouterr().out
    assert main(["replay", str(tmp_path / "nothing"), "--junit", str(junit)]) == 2
    assert "does not exist" in ElementTree.parse(junit).getroot().find(".//error").get("message")
    assert main(["replay", str(short_bag), "--conditions", str(tmp_path / "no_file")]) == 2


def test_lost_messages_of_an_input_fail_a_replay_unless_a_condition_allows_them(brief, tmp_path, capsys):
    bag, jsonl = tmp_path / "brief", tmp_path / "r.jsonl"
    shutil.copytree(brief, bag)
    metadata = yaml.safe_load((bag / "metadata.yaml").read_text())
    for entry in metadata["rosbag2_bagfile_information"]["topics_with_message_count"]:
        entry["message_count"] += 3 * (entry["topic_metadata"]["name"] in (TOPICS.lidar, "/clock"))
    (bag / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    assert main(["replay", str(bag), "--jsonl", str(jsonl)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("FAILED condition no_input_was_lost: 3 messages") for line in lines)
    assert any(line.startswith(f"damage lost 3 of 14 messages of {TOPICS.lidar}") for line in lines)
    (loss,) = json.loads(jsonl.read_text().splitlines()[-1])["losses"]
    assert loss["topic"] == TOPICS.lidar and loss["num_lost"] == 3
    allowed = written(tmp_path / "c.yaml", {"conditions": [{"metric": "num_lost", "range": {"max": 3}}]})
    assert main(["replay", str(bag), "--conditions", allowed]) == 0


@pytest.mark.parametrize("more", [[], ["--compare", "tiny", "tiny"]])
def test_a_condition_for_a_drive_that_is_not_replayed_is_one_line_and_status_2(more, short_bag, tmp_path, capsys):
    bound = {"metric": "ade_2s_m", "range": {"max": 50.0}, "drive": "shrot"}
    conditions = written(tmp_path / "c.yaml", {"conditions": [bound]})
    assert main(["replay", str(short_bag), "--conditions", conditions, *more]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "is for drive 'shrot', which is not replayed; drives are short" in line


def test_update_writes_both_files_and_a_later_regression_fails(brief, tmp_path, capsys):
    baseline, golden, junit = tmp_path / "new" / "b.yaml", tmp_path / "new" / "g.json", tmp_path / "j.xml"
    files = ["--baseline", str(baseline), "--golden", str(golden), "--junit", str(junit)]
    assert main(["replay", str(brief), *files]) == 2
    assert "write it with --baseline" in capsys.readouterr().err
    assert main(["replay", str(brief), *files, "--update"]) == 0
    assert f"wrote  {baseline}, {golden}" in capsys.readouterr().out
    assert main(["replay", str(brief), *files]) == 0
    assert "all 11 plans are unchanged" in capsys.readouterr().out
    names = {case.get("classname") for case in ElementTree.parse(junit).getroot().iter("testcase")}
    assert names == {"brief.replay", "brief.condition", "brief.baseline", "brief.golden"}
    numbers = yaml.safe_load(baseline.read_text())
    numbers["drives"]["brief"]["ade_1s_m"] = {"value": 0.0, "tolerance": 0.0}
    baseline.write_text(yaml.safe_dump(numbers))
    assert main(["replay", str(brief), *files]) == 1
    assert "FAILED baseline ade_1s_m: worse: was 0" in capsys.readouterr().out
    assert main(["replay", str(brief), "--update"]) == 2


def test_update_writes_nothing_for_a_drive_that_fails(brief, tmp_path, capsys):
    conditions, golden = written(tmp_path / "c.yaml", STRICT), tmp_path / "g.json"
    words = ["--conditions", conditions, "--golden", str(golden), "--update"]
    assert main(["replay", str(brief), *words]) == 1
    assert "nothing written: the drive failed" in capsys.readouterr().out and not golden.exists()


def test_a_drive_that_cannot_run_leaves_the_others_checked_and_status_2(brief, tmp_path):
    junit = tmp_path / "j.xml"
    assert main(["replay", str(brief), str(tmp_path / "nothing"), "--junit", str(junit)]) == 2
    suites = ElementTree.parse(junit).getroot().findall("testsuite")
    assert [(suite.get("name"), suite.get("errors")) for suite in suites] == [("brief", "0"), ("nothing", "1")]


def test_a_drive_with_nothing_evaluated_fails(short_bag, tmp_path, capsys):
    brief = rewritten(short_bag, tmp_path / "brief", lambda item, s: as_it_is(item) if s < 0.75 else [])
    assert main(["replay", str(brief)]) == 1
    out = capsys.readouterr().out
    assert "FAILED replay something_was_evaluated: no plan has a recorded future" in out
    assert "left out 4 x plan not evaluated" in out


def test_jumps_of_odometry_are_noticed_in_the_lines_and_the_files_for_ci(short_bag, tmp_path, capsys):
    def two_sources(item, s):
        rows = as_it_is(item) if s <= 1.5 else []
        if rows and item.topic == TOPICS.odometry:
            other = copy.deepcopy(item.message)
            other.header.stamp.nanosec += 1_000_000
            other.pose.pose.position.y += 3.0
            rows.append(encoded(item, other))
        return rows

    bag, junit, jsonl = rewritten(short_bag, tmp_path / "two", two_sources), tmp_path / "j.xml", tmp_path / "r.jsonl"
    assert main(["replay", str(bag), "--junit", str(junit), "--jsonl", str(jsonl)]) == 1
    out = capsys.readouterr().out
    (count,) = re.findall(r"^notice (\d+) x odometry jumped farther than a vehicle can move", out, re.MULTILINE)
    assert "plan not evaluated: the odometry jumps within the next second" in out and "ends or breaks" not in out
    drive = json.loads(jsonl.read_text().splitlines()[-1])
    assert sum(number for text, number in drive["notices"].items() if "jumped" in text) == int(count) > 20
    values = [item.get("value") for item in ElementTree.parse(junit).getroot().iter("property")]
    assert any(text.startswith(f"{count} x odometry jumped") for text in values)


def test_golden_plans_are_found_again_and_a_changed_plan_gives_the_next_steps(replayed, tmp_path):
    path = tmp_path / "golden.json"
    update_golden(path, replayed, "short")
    (check,) = check_golden(path, replayed, "short")
    assert check.has_passed and "all 26 plans are unchanged" in check.message
    data = json.loads(path.read_text())
    for plan in data["drives"]["short"]["plans"][:10]:
        plan["y_m"] = [y + 0.5 for y in plan["y_m"]]
    path.write_text(json.dumps(data))
    (check,) = check_golden(path, replayed, "short")
    assert not check.has_passed
    for part in ("10 of 26 plans differ", "y_m by 0.5", "--update", "CHANGELOG.md", "the model is the same"):
        assert part in check.message


def test_golden_plans_differ_within_their_tolerances_only(replayed, tmp_path):
    path = tmp_path / "golden.json"
    update_golden(path, replayed, "short")
    data = json.loads(path.read_text())
    assert all("reason" in tolerance for tolerance in data["tolerances"].values())
    for plan in data["drives"]["short"]["plans"]:
        plan["x_m"] = [x + 0.04 for x in plan["x_m"]]
        plan["heading_rad"] = [h + 2.0 * np.pi for h in plan["heading_rad"]]
    path.write_text(json.dumps(data))
    assert check_golden(path, replayed, "short")[0].has_passed
    data["tolerances"]["x_m"]["value"] = 0.03
    path.write_text(json.dumps(data))
    update_golden(path, replayed, "other")
    assert json.loads(path.read_text())["tolerances"]["x_m"]["value"] == 0.03
    assert not check_golden(path, replayed, "short")[0].has_passed


def test_golden_plans_that_vanish_or_change_their_fallback_level_count(replayed, tmp_path):
    path = tmp_path / "golden.json"
    update_golden(path, replayed, "short")
    data = json.loads(path.read_text())
    plans = data["drives"]["short"]["plans"]
    plans[0]["stamp_ns"] -= 5
    for plan in plans[1:4]:
        plan["fallback_level"] = "EMERGENCY_STOP" if plan["fallback_level"] == "NONE" else "NONE"
    path.write_text(json.dumps(data))
    (check,) = check_golden(path, replayed, "short")
    assert not check.has_passed and "5 of 27 plans differ" in check.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", "not valid JSON"), ("[]", "expected a mapping"), ('{"tolerances": {}, "drives": {"d": {}}}', "is damaged")],
)
def test_an_invalid_golden_file_gives_one_clear_line(text, expected, replayed, tmp_path):
    path = tmp_path / "golden.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=expected):
        check_golden(path, replayed, "d")


def test_expectations_without_their_files_are_refused_before_anything_runs(tmp_path):
    with pytest.raises(ConfigError, match="--update: nothing to write"):
        Expectations(is_update=True)
    with pytest.raises(ConfigError, match=r"write it with --golden .* --update"):
        Expectations(golden=tmp_path / "none.json")
