"""Two models on one drive, real time, and the output bag of both."""

import itertools
import json
import shutil
import threading

import pytest
import yaml
from replay_bags import RIG, TOPICS, as_it_is, rewritten

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.messages.encode_outputs import OUTPUT_NAMESPACE
from transdiffuser_planner.replay.node_parameters import node_parameters
from transdiffuser_planner.replay.runner import ReplayJob, replay
from transdiffuser_planner.runtime.inference.model_paths import model_folder


@pytest.fixture(scope="module")
def brief(short_bag, tmp_path_factory):
    out = tmp_path_factory.mktemp("brief") / "brief"
    return rewritten(short_bag, out, lambda item, s: as_it_is(item) if s <= 2.0 else [])


@pytest.fixture(scope="module")
def other_model(tmp_path_factory):
    """The shipped model with plans a tenth shorter: its normalizer is changed, and the manifest with it."""
    import hashlib

    folder = tmp_path_factory.mktemp("models") / "shorter"
    shutil.copytree(model_folder("tiny"), folder)
    path = folder / "normalizer.json"
    data = json.loads(path.read_text())
    data["ego_mean_T3"] = [[0.9 * value for value in row] for row in data["ego_mean_T3"]]
    old = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text(json.dumps(data))
    new = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace(old, new))
    return folder


def test_a_model_compared_with_itself_has_the_same_plans(brief, capsys):
    assert main(["replay", str(brief), "--compare", "tiny", "tiny"]) == 0
    out = capsys.readouterr().out
    assert "11 plans are identical" in out and "differ" not in out and "worse" not in out


def test_another_model_is_compared_with_the_first_and_both_plans_are_in_the_bag(brief, other_model, tmp_path, capsys):
    words = ["--out", str(tmp_path), "--junit", str(tmp_path / "j.xml"), "--jsonl", str(tmp_path / "r.jsonl")]
    assert main(["replay", str(brief), "--compare", "tiny", str(other_model), *words]) == 0
    assert "something_was_planned" in (tmp_path / "j.xml").read_text()
    assert (tmp_path / "r.jsonl").read_text() == (tmp_path / "brief" / "result.jsonl").read_text()
    out = capsys.readouterr().out
    assert "0 plans are identical" in out and " m on average at " in out
    found = json.loads((tmp_path / "brief" / "comparison.json").read_text())
    assert found["num_common"] == 11 and found["differences"][0]["distance_m"] > 0.05
    assert any(pair["word"] in ("worse", "better") for pair in found["metrics"])
    with BagReader(tmp_path / "brief") as reader:
        topics = reader.topics()
    assert {f"{OUTPUT_NAMESPACE}/trajectory", f"/reference{OUTPUT_NAMESPACE}/trajectory"} <= set(topics)
    assert (tmp_path / "brief" / "report.html").is_file()


def test_in_real_time_a_drive_takes_its_own_time_and_every_frame_is_accounted_for(brief, planner):
    result = replay(ReplayJob(bag=brief, topics=TOPICS, rig=RIG, is_realtime=True), planner)
    assert result.wall_s > 1.9
    assert result.num_plans + result.drive.num_skipped_busy >= 10
    assert result.drive.num_skipped_busy + len(result.drive.cycles) <= 12


def test_a_planner_that_is_too_slow_skips_frames_in_real_time_and_its_plans_are_late(brief, planner, monkeypatch):
    real = planner.finish

    def slow(frame, budget=None):
        threading.Event().wait(0.5)
        return real(frame, budget)

    monkeypatch.setattr(planner, "finish", slow)
    result = replay(ReplayJob(bag=brief, topics=TOPICS, rig=RIG, is_realtime=True), planner)
    assert 1 <= result.num_plans <= 6
    assert result.drive.num_skipped_busy >= 4 and result.metrics.statistic("deadline_missed", "mean") == 1.0
    assert any("the planner was busy" in reason for reason in result.metrics.skipped)
    stamps = [cycle.stamp_ns for cycle in result.drive.cycles]
    assert all(b > a for a, b in itertools.pairwise(stamps))


def test_the_parameter_file_of_the_node_is_understood(brief, tmp_path, capsys):
    path = tmp_path / "params.yaml"
    values = {"run_seed": 3, "num_threads": 1, "use_sim_time": True, "model": "tiny"}
    path.write_text(yaml.safe_dump({"transdiffuser_planner": {"ros__parameters": values}}))
    assert node_parameters(path).values == {"run_seed": 3, "num_threads": 1, "model": "tiny"}
    hashes = []
    for words in (["--params", str(path)], ["--run-seed", "3"], []):
        assert main(["replay", str(brief), *words]) == 0
        hashes.append(capsys.readouterr().out.split("SHA-256 of all plans ")[1].split()[0])
    assert hashes[0] == hashes[1] != hashes[2]
    path.write_text(yaml.safe_dump({"transdiffuser_planner": {"ros__parameters": {"spede": 1}}}))
    assert main(["replay", str(brief), "--params", str(path)]) == 2
    assert "unknown parameters ['spede']" in capsys.readouterr().err
