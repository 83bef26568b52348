"""The demo as a user runs it: three processes over DDS, a bag, a report; Ctrl-C ends all processes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("libsumo", reason="the simulator is not installed")

from transdiffuser_planner.cli.main import main

COMMAND = [sys.executable, "-m", "transdiffuser_planner.cli.main", "demo", "--seed", "8102"]


def _descendants(pid: int) -> set[int]:
    """Processes below a process, by their parents."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def _running(pids: set[int]) -> set[int]:
    alive = set()
    for pid in pids:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                alive.add(pid)
        except OSError:
            continue
    return alive


def test_a_short_demo_drives_and_writes_bag_and_report(tmp_path):
    run = subprocess.run(
        [*COMMAND, "--duration", "6", "--out", str(tmp_path)], capture_output=True, text=True, timeout=3000
    )
    assert run.returncode == 0, run.stderr[-2000:]
    folder = next(tmp_path.iterdir())
    result = json.loads((folder / "result.json").read_text())
    assert result["end_reason"] == "duration" and result["plans"] >= 20
    assert (folder / "report.html").stat().st_size > 100_000
    assert list((folder / "bag").glob("*.mcap"))
    assert str(folder / "report.html") in run.stdout


def test_ctrl_c_ends_every_process_of_the_demo(tmp_path):
    log = tmp_path / "demo.log"
    with open(log, "wb") as stream:
        demo = subprocess.Popen(
            [*COMMAND, "--duration", "60", "--out", str(tmp_path / "out")], stdout=stream, stderr=stream
        )
    deadline = time.monotonic() + 240.0
    while b"driving" not in log.read_bytes() and demo.poll() is None and time.monotonic() < deadline:
        threading.Event().wait(0.1)
    children = _descendants(demo.pid)
    assert len(children) >= 3, log.read_text()
    os.kill(demo.pid, signal.SIGINT)
    assert demo.wait(120.0) == 130
    deadline = time.monotonic() + 60.0
    while _running(children) and time.monotonic() < deadline:
        threading.Event().wait(0.1)
    assert not _running(children)
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["demo", "--model", "no_such_model"], "no such folder and no model of that name"),
        (["simulate", "--record", "{tmp}", "--map", "no_such_map"], "no_such_map"),
        (["replay", "{tmp}/nothing"], "does not exist"),
        (["replay", "{tmp}/nothing", "--preset", "mars"], "preset 'mars' does not exist"),
        (["report", "{tmp}/nothing"], "does not exist"),
    ],
)
def test_bad_arguments_give_one_line_and_an_exit_status(arguments, expected, tmp_path, capsys):
    assert main([word.replace("{tmp}", str(tmp_path)) for word in arguments]) != 0
    error = capsys.readouterr().err
    assert expected in error
    lines = [line for line in error.splitlines() if line.startswith(("transdiffuser", "seed"))]
    assert len(lines) == 1
