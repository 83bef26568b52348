"""Scene files from the command line: scores, output files, and messages about bad files.

A straight road at 10 m/s: the ego's lane is y = -1.75 to 1.75, the oncoming one lies left of it up to 5.25.
"""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.evaluation.benchmarks.scoring_throughput import bend_scene
from transdiffuser_planner.evaluation.scenes.scene_files import read_jobs
from transdiffuser_planner.evaluation.scenes.scene_scores import score_jobs
from transdiffuser_planner.metrics.pdm.epdms import score_epdms
from transdiffuser_planner.metrics.pdm.pdms import score_pdms
from transdiffuser_planner.metrics.pdm.reference_planner.pdm_closed import ScoreVersion, with_reference
from transdiffuser_planner.metrics.pdm.scene_serialization import scene_from_mapping
from transdiffuser_planner.metrics.pdm.subscores.extended_comfort import PreviousFrame

TIMES_S = [0.5 * step for step in range(1, 9)]
STEPS_S = [0.1 * step for step in range(51)]


def straight(speed_mps=10.0, y_m=0.0):
    return [[speed_mps * t, y_m * min(t, 1.0), 0.0] for t in TIMES_S]


def ring(y_low, y_high):
    return [[-50.0, y_low], [150.0, y_low], [150.0, y_high], [-50.0, y_high]]


def scene(name="straight", car_at_m=None, **changes):
    agents = []
    if car_at_m is not None:
        agents.append({"token": "car 7", "kind": "vehicle", "length_m": 4.0, "width_m": 2.0,
                       "poses": [[car_at_m, 0.0, 0.0]] * 51, "velocities": [[0.0, 0.0]] * 51})  # fmt: skip
    return {
        "name": name,
        "ego": {"pose": [0.0, 0.0, 0.0], "velocity": [10.0, 0.0]},
        "agents": agents,
        "areas": [
            {"token": "own", "kind": "lane", "ring": ring(-1.75, 1.75)},
            {"token": "block", "kind": "roadblock", "ring": ring(-1.75, 1.75)},
            {"token": "other block", "kind": "roadblock", "ring": ring(1.75, 5.25)},
        ],
        "route": ["own"],
        "center_line": [[float(x), 0.0, 0.0] for x in range(-50, 151, 2)],
        "reference": [[10.0 * t, 0.0, 0.0] for t in STEPS_S],
        "plans": {"on": straight(), "half": straight(5.0)},
        **changes,
    }


def write(path: Path, content) -> str:
    path.write_text(
        json.dumps(content) if path.suffix == ".json" else yaml.safe_dump(content, sort_keys=False), encoding="utf-8"
    )
    return str(path)


def evaluate(*words) -> int:
    return main(["evaluate", "scenes", *map(str, words), "--workers", "1"])


@pytest.mark.parametrize("version", ["pdms", "epdms"])
def test_the_file_holds_exactly_the_scores_of_the_scorer(tmp_path: Path, version: str) -> None:
    data = scene(car_at_m=40.0)
    out = tmp_path / "out.json"
    assert evaluate(write(tmp_path / "scenes.json", [data]), "--version", version, "--out", out) == 0
    score = score_pdms if version == "pdms" else score_epdms
    expected = score(scene_from_mapping(data), np.asarray([straight(), straight(5.0)]))
    plans = json.loads(out.read_text())["scenes"][0]["plans"]
    assert [plan["score"] for plan in plans] == expected.score_M.tolist()
    assert [plan["time_to_collision"] for plan in plans] == expected.time_to_collision_M.tolist()
    assert [plan["ego_progress"] for plan in plans] == expected.ego_progress_M.tolist()
    assert plans[0]["reasons"][0]["agent"] == "car 7" and plans[1]["reasons"] == []


def test_the_table_has_a_row_for_each_scene_and_plan_and_their_means(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [write(tmp_path / "a.json", [scene("clear")]), write(tmp_path / "b.yaml", scene("blocked", car_at_m=20.0))]
    table = tmp_path / "table.md"
    assert evaluate(*files, "--version", "pdms", "--reasons", "--markdown", table) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| scene | plan | NC | DAC | DDC | TTC | EP | C | PDMS |"
    assert lines[2] == "| clear | on | 1 | 1 | 1 | 1 | 1 | 1 | 1 |"
    assert lines[4] == "| blocked | on | 0 | 1 | 1 | 0 | 0 | 1 | 0 |"
    assert lines[6] == "| mean of 2 | on | 0.5 | 1 | 1 | 0.5 | 0.5 | 1 | 0.5 |"
    assert any(line.startswith("- blocked, on: no_at_fault_collision at ") and "car 7" in line for line in lines)
    assert table.read_text() == "\n".join(lines) + "\n"


def test_a_group_of_candidates_has_its_mean_and_its_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = scene(plans={"candidates": [straight(5.0), straight(10.0), straight(10.0, y_m=-3.0)]})
    out = tmp_path / "out.json"
    assert evaluate(write(tmp_path / "scenes.json", data), "--out", out) == 0
    text = capsys.readouterr().out
    rows = [plan["score"] for plan in json.loads(out.read_text())["scenes"][0]["plans"]]
    assert len(rows) == 3 and rows[1] == 1.0 and rows[2] == 0.0
    assert f"| {round(float(np.mean(rows)), 4):g} |" in text.splitlines()[2]
    assert "| straight | candidates, best | 1 | 1 |" in text


def test_plans_of_a_separate_file_are_scored_with_those_of_the_scene(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes = write(tmp_path / "scenes.json", [scene(plans=None)])
    fine = [[10.0 * t, 0.0, 0.0] for t in STEPS_S[1:41]]
    content = {"plan_interval_s": 0.1, "plans": {"straight": {"mine": fine}, "nowhere": {"mine": fine}}}
    assert evaluate(scenes, "--plans", write(tmp_path / "plans.yaml", content)) == 0
    shown = capsys.readouterr()
    assert "| straight | mine | 1 | 1 | 1 | 1 | 1 | 1 | 1 | 1 | - | 1 |" in shown.out
    assert "plans of 'nowhere': expected the name of a scene, got an unknown one" in shown.err


def test_the_reference_is_planned_only_where_there_is_none(tmp_path: Path) -> None:
    without = scene("without", reference=None, speed_limit_mps=20.0)
    path, out = write(tmp_path / "scenes.json", [scene(), without]), tmp_path / "out.json"
    assert evaluate(path, "--reference", "pdm-closed", "--out", out) == 0
    found = json.loads(out.read_text())["scenes"]
    assert [one["reference"] for one in found] == ["given", "pdm-closed"]
    expected = score_epdms(with_reference(scene_from_mapping(without)), np.asarray([straight()])).ego_progress_M[0]
    assert found[1]["plans"][0]["ego_progress"] == expected < 1.0


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    content = [scene(f"scene {i}", car_at_m=15.0 + 5.0 * i, reference=None) for i in range(6)]
    content[3]["ego"]["pose"] = [0.0, float("nan"), 0.0]
    jobs = read_jobs([Path(write(tmp_path / "scenes.json", content))]).jobs
    one, two = (list(score_jobs(jobs, ScoreVersion.EPDMS, pdm_closed=True, workers=n)) for n in (1, 2))
    assert [getattr(outcome, "scene", outcome) for outcome in one] == [getattr(o, "scene", o) for o in two]
    scores = [(a, b) for a, b in zip(one, two, strict=True) if not isinstance(a, str)]
    assert len(scores) == 5
    for a, b in scores:
        assert [p.score_M.tolist() for p in a.plans] == [p.score_M.tolist() for p in b.plans]
        assert [p.reasons for p in a.plans] == [p.reasons for p in b.plans]


def test_extended_comfort_compares_with_the_same_plan_of_the_previous_scene(tmp_path: Path) -> None:
    before = scene("before", plans={"on": straight(8.0)})
    now = scene("now", previous="before", plans={"on": straight(), "new": straight()})
    now["ego"] = {"pose": [5.0, 0.0, 0.0], "velocity": [10.0, 0.0], "stamp_us": 500_000}
    out = tmp_path / "out.json"
    assert evaluate(write(tmp_path / "scenes.json", [before, now]), "--out", out) == 0
    found = {(s["scene"], p["plan"]): p for s in json.loads(out.read_text())["scenes"] for p in s["plans"]}
    frame = PreviousFrame(ego=scene_from_mapping(before).ego, plan_T3=np.asarray(straight(8.0)))
    expected = score_epdms(scene_from_mapping(now), np.asarray([straight()]), previous=frame)
    assert expected.extended_comfort_M is not None
    assert found["now", "on"]["extended_comfort"] == expected.extended_comfort_M[0] == 0.0
    assert found["now", "on"]["score"] == expected.score_M[0]
    assert found["now", "new"]["extended_comfort"] is None and found["before", "on"]["extended_comfort"] is None


def test_a_sub_score_that_the_data_cannot_provide_is_skipped_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = scene(route=["nothing"], plans={"on": straight(5.0)})
    out = tmp_path / "out.json"
    assert evaluate(write(tmp_path / "a.json", data), "--out", out) == 0
    assert json.loads(out.read_text())["scenes"][0]["plans"][0]["score"] == 0.0
    reason = {"driving_direction": "directions of lanes are unknown", "lane_keeping": "no line"}
    assert evaluate(write(tmp_path / "b.json", data | {"not_scored": reason}), "--out", out) == 0
    text, plan = capsys.readouterr().out, json.loads(out.read_text())["scenes"][0]["plans"][0]
    assert plan["driving_direction"] is None and plan["reasons"] == []
    assert plan["score"] == pytest.approx((5.0 * plan["ego_progress"] + 5.0 + 2.0) / 12.0)
    assert "DDC is skipped in 1 of 1 scenes: directions of lanes are unknown." in text


BAD = {
    "ego": (lambda s: s["ego"].pop("velocity"), "ego.velocity: expected a value, got nothing"),
    "nan": (lambda s: s["ego"].update(pose=[0.0, float("nan"), 0.0]), "expected finite values, got NaN or inf"),
    "map": (lambda s: s.update(areas=[]), "areas: expected at least one polygon, got an empty map"),
    "ring": (lambda s: s["areas"][0].update(ring=[[0, 0], [4, 4], [4, 0], [0, 4]]), "edges 0 and 2 cross"),
    "short": (lambda s: s.update(plans={"on": straight()[:7]}), "plans[on]: expected poses (M, 8 or more, 3)"),
    "ragged": (lambda s: s.update(plans={"on": [[0, 0, 0], [1, 0]]}), "plans[on]: expected poses [x, y, heading]"),
    "none": (lambda s: s.pop("plans"), "plans: expected at least one plan, here or in --plans"),
    "interval": (lambda s: s.update(plan_interval_s="half"), "plan_interval_s: expected a number, got 'half'"),
    "previous": (lambda s: s.update(previous="gone"), "previous: expected the name of a scene, got 'gone'"),
    "itself": (lambda s: s.update(previous="bad"), "previous: expected a scene at most 0.55 s earlier"),
    "not_scored": (lambda s: s.update(not_scored={"luck": "?"}), "not_scored: expected reasons by sub-score"),
    "agents": (lambda s: s.update(agents=[{"token": "car"}]), "agents[car].poses: expected a value, got nothing"),
    "agent nan": (
        lambda s: s.update(agents=scene(car_at_m=float("nan"))["agents"]),
        "agents[car 7].pose_NS3: expected finite values where valid, got NaN or inf",
    ),
    "no box": (
        lambda s: s.update(agents=[{k: v for k, v in scene(car_at_m=9.0)["agents"][0].items() if k != "width_m"}]),
        "agents[car 7].width_m: expected a value, got nothing",
    ),
    "flat box": (
        lambda s: s.update(agents=[scene(car_at_m=9.0)["agents"][0] | {"length_m": 0.0}]),
        "agents[car 7].size_N2: expected length and width above 0, got [0.0, 2.0]",
    ),
    "unsorted": (
        lambda s: s.update(past={"stamp_us": [2, 1, 3], "heading": [0] * 3, "acceleration": [[0, 0]] * 3}),
        "past.stamp_us_H: expected times in increasing order, got unsorted or repeated times",
    ),
    "no stamp": (
        lambda s: s.update(past={"stamp_us": [None, 1], "heading": [0] * 2, "acceleration": [[0, 0]] * 2}),
        "past.stamp_us: expected microseconds, got NaN, inf or too large a number",
    ),
    "huge": (lambda s: s["ego"].update(velocity=[1e308, 0.0]), "ego.velocity_2: expected values up to 1e+08"),
    "digits": (lambda s: s["ego"].update(steering_rad=10**400), "ego.steering_rad: expected a number, got one of too"),
    "more digits": (lambda s: s["ego"].update(pose=[10**400, 0, 0]), "ego.pose: expected numbers in rows of equal"),
    "huge plan": (lambda s: s.update(plans={"on": [[1e300, 0, 0]] * 8}), "plans[on][0]: expected values up to 1e+08"),
    "no time": (
        lambda s: s.update(plans={"on": straight()}, plan_interval_s=1e-320),
        "expected an interval between poses of 0.01 to 4 s",
    ),
    "long got": (lambda s: s["ego"].update(steering_rad=[0.0] * 999), "..."),
    "stamp": (lambda s: s["ego"].update(stamp_us=float("inf")), "ego.stamp_us"),
    "past": (lambda s: s.update(past=[1, 2]), "past: expected a mapping, got list"),
    "red": (lambda s: s.update(red_lights=[{"token": "r", "ring": [[0, 0], [1, 0], [1, 1]], "red": {}}]), "red"),
    "route": (lambda s: s.update(route="own"), "route: expected a list, got str"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_scene_is_one_line_and_the_others_are_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    change, line = BAD[what]
    bad = copy.deepcopy(scene("bad"))
    change(bad)
    assert evaluate(write(tmp_path / "scenes.json", [bad, scene()])) == 0
    shown = capsys.readouterr()
    complaints = [text for text in shown.err.splitlines() if text.startswith("skipped: ")]
    assert len(complaints) == 1 and complaints[0].startswith("skipped: scene bad: ") and line in complaints[0]
    assert "1 scenes scored; skipped: 1" in shown.out


@pytest.mark.parametrize("text", ["", "[]", "- [", "7", "{scenes: {}}", "\0"])
def test_a_file_without_scenes_is_one_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "scenes.yaml").write_text(text, encoding="utf-8")
    assert evaluate(tmp_path / "scenes.yaml", tmp_path / "missing.json") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and lines[-1] == "transdiffuser evaluate: no scene could be scored, 2 skipped"
    assert "scenes.yaml: expected" in lines[0] and "missing.json: cannot be read" in lines[1]


def test_a_bad_plan_is_skipped_and_the_others_of_its_scene_are_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = scene(plans={"on": straight(), "nan": [[float("nan")] * 3] * 8})
    assert evaluate(write(tmp_path / "scenes.json", [data, scene()])) == 0
    shown = capsys.readouterr()
    assert "skipped: scene straight: plans[nan][0]: expected finite poses, got NaN or inf" in shown.err
    assert "name: expected a name of its own" in shown.err
    assert "1 scenes scored; skipped: 1, and 1 plans of scored scenes" in shown.out


def test_the_benchmark_states_scenes_per_second(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "speed.json"
    assert main(["benchmark", "scoring", "--cycles", "2", "--out", str(out)]) == 0
    result = json.loads(out.read_text())["scoring"]
    assert result["scenes"] == result["with_reference"] == 5
    assert result["epdms_1_scenes_per_s"] > result["epdms_30_scenes_per_s"] > 0
    path = write(tmp_path / "scenes.json", [scene(), scene("bad", areas=[])])
    assert main(["benchmark", "scoring", "--cycles", "2", "--scenes", path]) == 0
    shown = capsys.readouterr()
    assert "polygons_mean: 3.0" in shown.out and "skipped: scene bad: areas" in shown.err


def test_the_scene_of_the_benchmark_has_a_good_plan() -> None:
    bend = bend_scene()
    plan_3 = np.asarray(bend.reference_S3)[5:41:5]
    away = plan_3[:, :2] - bend.ego.pose_3[:2]
    relative = np.stack([away[:, 1], -away[:, 0], plan_3[:, 2] - np.pi / 2.0], axis=-1)
    assert score_epdms(bend, relative[None]).score_M[0] > 0.8


def test_scenes_with_follow_ups_have_a_table_of_both_stages(tmp_path: Path, capsys) -> None:
    near = scene("near", ego={"pose": [40.0, 0.0, 0.0], "velocity": [10.0, 0.0]}, reference=None)
    hit = scene("hit", car_at_m=52.0, ego={"pose": [40.0, 0.4, 0.0], "velocity": [10.0, 0.0]}, reference=None)
    first = scene("first", follow_ups=["near", "hit"], reference=None)
    for item in (near, hit, first):
        item["center_line"] = [[float(x), 0.0, 0.0] for x in range(-50, 151, 2)]
        item["plans"] = {"on": straight()}
    path, out = tmp_path / "scenes.json", tmp_path / "scores.json"
    write(path, {"scenes": [near, hit, first]})
    assert main(["evaluate", "scenes", str(path), "--workers", "1", "--out", str(out)]) == 0
    assert "| scene | plan | first stage | second stage | both | with the previous scene |" in capsys.readouterr().out
    content = json.loads(out.read_text(encoding="utf-8"))
    row, mean = content["two_stage"]
    score = {item["scene"]: item["plans"][0]["score"] for item in content["scenes"]}
    # The plan ends at x = 40 m: 0 m from one follow-up, 0.4 m from the other.
    weight = np.exp(-(0.4**2) / 0.2)
    second = (score["near"] + weight * score["hit"]) / (1.0 + weight)
    assert row["second"] == pytest.approx(second) and row["two_stage"] == pytest.approx(score["first"] * second)
    assert mean["scene"] == "mean of 1" and row["pair"] is None and score["hit"] < score["near"]


def test_follow_ups_that_do_not_exist_are_named(tmp_path: Path, capsys) -> None:
    path = tmp_path / "scenes.json"
    write(path, {"scenes": [scene("first", follow_ups=["nowhere"])]})
    assert main(["evaluate", "scenes", str(path), "--workers", "1"]) == 0
    assert "scene first: follow_ups: expected names of scenes, got ['nowhere']" in capsys.readouterr().err
