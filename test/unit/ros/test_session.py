"""Start of a node where ROS 2 cannot start: one line that names the variable to set."""

import os
import subprocess
import sys
from pathlib import Path

import needs_ros  # noqa: F401
import pytest

from transdiffuser_planner.doctor import surroundings
from transdiffuser_planner.ros import session


def test_without_a_place_for_logs_the_line_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    environment = {
        **os.environ,
        "ROS_LOG_DIR": str(tmp_path / "file" / "logs"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-m", "transdiffuser_planner.cli.main", "track"]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert run.returncode == 2 and run.stderr.count("\n") == 1, run.stderr
    assert "Not a directory" in run.stderr and "set ROS_LOG_DIR to a folder that can be written" in run.stderr


def test_without_a_network_no_node_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASTDDS_BUILTIN_TRANSPORTS", raising=False)
    monkeypatch.setattr(surroundings, "interfaces_up", dict)
    with pytest.raises(session.RosError, match=r"no network interface is up, not even lo, .*ip link set lo up"):
        session.init([])
