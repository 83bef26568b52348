"""A pipelined replay is the sequential one, bit for bit; several drives at a time give the output of one after the other."""

import json
import shutil

import numpy as np
from replay_bags import RIG, TOPICS, as_it_is, rewritten

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.cli.recordings.replay_progress import DriveProgress, expected_total, progress_bar
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.replay.runner import ReplayJob, replay
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.planner import Planner

MACHINE = {"latency_ms", "deadline_missed"}


def test_a_pipelined_replay_is_the_sequential_one_bit_for_bit(short_bag, tmp_path):
    def twice(item, since_s):
        """The first three seconds, and ten seconds later the same messages: their stamps jump back."""
        (row,) = as_it_is(item)
        return [row, (*row[:2], row[2] + 10 * 10**9, row[3])] if since_s <= 3.0 else []

    brief = rewritten(short_bag, tmp_path / "brief", twice)
    config = PlannerConfig(num_threads=2, num_candidates=11, num_denoise_steps=3)
    results = []
    for is_pipelined in (False, True):
        # Operators of one thread, as the command uses them, and of two, as the node does.
        planner = Planner.load(model_folder("tiny"), RIG, config, operator_threads=1 if is_pipelined else None)
        out = tmp_path / f"out_{is_pipelined}"
        job = ReplayJob(bag=brief, topics=TOPICS, rig=RIG, out=out, is_pipelined=is_pipelined)
        results.append(replay(job, planner))
    sequential, pipelined = results
    assert sequential.num_plans >= 15
    assert pipelined.plan_hash == sequential.plan_hash
    for name in ("refused", "notices", "not_copied", "violations"):
        assert getattr(pipelined, name) == getattr(sequential, name)
    cycles = [
        [
            {name: value for name, value in cycle.values.items() if name not in MACHINE}
            for cycle in result.metrics.cycles
        ]
        for result in results
    ]
    assert cycles[0] == cycles[1]
    written = []
    for result in results:
        with BagReader(result.out) as bag:
            written.append([(item.topic, item.log_time_ns) for item in bag.messages(decoded=set())])
    assert written[0] == written[1]


def test_drives_side_by_side_are_printed_in_order_and_decide_the_exit_status(short_bag, tmp_path, capsys):
    brief = rewritten(short_bag, tmp_path / "first", lambda item, since_s: as_it_is(item) if since_s <= 2.0 else [])
    second = tmp_path / "second"
    shutil.copytree(brief, second)
    result = tmp_path / "result.jsonl"
    golden = tmp_path / "plans.json"
    bags = [str(brief), str(second)]
    (tmp_path / "fewer.yaml").write_text("transdiffuser_planner:\n  ros__parameters:\n    num_denoise_steps: 2\n")
    base = ["replay", *bags, "--params", str(tmp_path / "fewer.yaml"), "--golden", str(golden)]
    assert main([*base, "--workers", "2", "--update"]) == 0
    out = capsys.readouterr().out
    assert out.index(f"bag    {brief}") < out.index("wrote") < out.index(f"bag    {second}")
    assert "replayed 2 drives" in out and out.count("times real time") == 3
    assert main([*base, "--jsonl", str(result)]) == 0, "one after the other: the same plans"
    drives = [json.loads(line) for line in result.read_text().splitlines() if '"kind": "drive"' in line]
    assert [drive["drive"] for drive in drives] == ["first", "second"]
    assert all(drive["speed"]["realtime_factor"] > 0.0 for drive in drives)
    assert len({drive["plan_hash"] for drive in drives}) == 1
    capsys.readouterr()
    assert main(["replay", str(tmp_path / "no"), str(tmp_path / "nothing"), "--workers", "2"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert ["no: does not exist" in lines[0], "nothing: does not exist" in lines[1]] == [True, True]


def test_progress_counts_recorded_time_and_expects_the_mean_of_drives_not_opened(tmp_path):
    file = tmp_path / "progress"
    with progress_bar(file, ["a", "b", "c"]) as bar:
        first = DriveProgress(file, 0)
        first.begin(20.0, num_runs=2)
        first.reached(10**9)
        first.reached(6 * 10**9)
        rows = np.fromfile(file).reshape(-1, 2)
        assert rows[0].tolist() == [5.0, 40.0]
        first.next_run()
        first.reached(10**9)
        first.reached(2 * 10**9)
        rows = np.fromfile(file).reshape(-1, 2)
        assert rows[0].tolist() == [21.0, 40.0]
        assert expected_total(rows) == 120.0
        first.end()
        assert np.fromfile(file)[0] == 40.0 and bar is not None
