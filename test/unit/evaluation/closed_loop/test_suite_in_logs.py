"""Suites drive in windows of logs as in scenarios of seeds: rows, report, recorded bags that are logs again."""

import json
from pathlib import Path

import pytest

pytest.importorskip("embreex")
pytest.importorskip("rosbags")
pytest.importorskip("tqdm")

from road_log import road_log

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.data.logs import log_sources
from transdiffuser_planner.evaluation.closed_loop.playback_recorder import unpacked
from transdiffuser_planner.simulation.log_world import log_episode, recorded_world


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that a hand-made source reads as the log of ``road_log``."""

    def read(request):
        found = road_log()
        found.path = request.path
        return found

    monkeypatch.setitem(log_sources.BUILT_IN, "hand-made", read)
    recorded_world.recorded_world.cache_clear()
    log_episode._ground.cache_clear()
    path = tmp_path / "road"
    path.mkdir()
    return path


def rows(folder: Path) -> list[dict]:
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))["rows"]


def test_a_suite_in_a_log_is_scored_against_the_human(log: Path, tmp_path: Path, capsys) -> None:
    command = ["evaluate", "suite", "--logs", str(log), "--source", "hand-made", "--workers", "1"]
    out = tmp_path / "suite"
    assert main([*command, "--planner", "log-future", "constant-velocity", "--out", str(out)]) == 0
    found = {(row["planner"], row["map"]): row for row in rows(out)}
    assert list(found) == [("log-future", "road 0.0 s"), ("constant-velocity", "road 0.0 s")]
    human, straight = found["log-future", "road 0.0 s"], found["constant-velocity", "road 0.0 s"]
    assert (human["expert_m"], human["progress"]) == (pytest.approx(40.0, abs=0.3), pytest.approx(1.0, abs=0.03))
    assert human["at_fault_collisions"] == human["off_road_s"] == 0
    assert (straight["at_fault_collisions"], straight["progress"]) == (1, 1.0)
    assert "no agents" not in capsys.readouterr().err
    before = (out / "results.jsonl").read_bytes()
    assert main([*command, "--planner", "log-future", "constant-velocity", "--out", str(out)]) == 0
    assert (out / "results.jsonl").read_bytes() == before  # finished drives are not driven again


def test_the_human_s_drive_becomes_a_bag_with_simulated_sensors_and_is_a_log_again(
    log: Path, tmp_path: Path, capsys
) -> None:
    bags = tmp_path / "bags"
    command = ["simulate", "--log", str(log), "--source", "hand-made", "--record", str(bags), "--begin", "1"]
    assert main([*command, "--duration", "3", "--sensor-rate", "1"]) == 0
    bag = bags / "road_1.0_s"
    out = tmp_path / "suite"
    again = ["evaluate", "suite", "--logs", str(bag), "--window", "2.5", "--workers", "1", "--out", str(out)]
    assert main([*again, "--planner", "log-future"]) == 0
    (row,) = rows(out)
    assert (row["map"], row["expert_m"]) == ("road_1.0_s 0.0 s", pytest.approx(20.0, abs=0.5))
    # The images of the bag are shown with the drive.
    drive = unpacked((out / "drives" / f"{row['key']}.json.gz").read_bytes())
    assert [camera["name"] for camera in drive["cameras"]] == ["rgb_left", "rgb_front", "rgb_right"]
    assert [frame[0] for frame in drive["cameras"][1]["frames"]] == [0.0, 1.0, 2.0]
    capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "8000:8001"], "test20, --seeds A:B or --logs LOG"),
        (["--map", "bs3d"], "a log has its own map"),
        (["--window", "0.5"], "--window 0.5: expected 1 .. 600 s"),
        (["--window", "20"], "12.0 s without a gap, shorter than a window of 20 s; give --window 12"),
        (["--source", "other"], "log source 'other': unknown"),
    ],
)
def test_options_that_do_not_fit_are_one_line(log: Path, tmp_path: Path, capsys, options, message: str) -> None:
    command = [
        "evaluate",
        "suite",
        "--logs",
        str(log),
        "--source",
        "hand-made",
        "--out",
        str(tmp_path / "out"),
        *options,
    ]
    assert main([*command, "--planner", "constant-velocity"]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_a_log_that_cannot_be_read_is_left_out_and_named(log: Path, tmp_path: Path, capsys) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    command = [
        "evaluate",
        "suite",
        "--logs",
        str(empty),
        "--out",
        str(tmp_path / "out"),
        "--planner",
        "constant-velocity",
    ]
    assert main(command) == 2
    assert f"{empty}: expected" in capsys.readouterr().err
