"""Unusable DDS security gives a one-line error, not a node without protection."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")


def test_a_node_without_keys_does_not_start_when_security_is_enforced(tmp_path: Path) -> None:
    (tmp_path / "enclaves").mkdir()
    security = {
        "ROS_SECURITY_ENABLE": "true",
        "ROS_SECURITY_STRATEGY": "Enforce",
        "ROS_SECURITY_KEYSTORE": str(tmp_path),
    }
    command = [sys.executable, "-m", "transdiffuser_planner.cli.main", "plan", "--no-autostart"]
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **security}, timeout=120)
    assert run.returncode == 2, run.stderr
    assert "Traceback" not in run.stderr
    assert "security.md" in run.stderr
