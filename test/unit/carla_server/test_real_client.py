"""The compiled client of the wheel carla 0.9.16 against the server, in two processes, as their users run them."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from transdiffuser_planner.core.files import cache_folder

SESSION = Path(__file__).resolve().parents[2] / "support" / "carla_client_session.py"
COMMAND = [sys.executable, "-u", "-m", "transdiffuser_planner.cli.main", "simulate"]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("carla") is None, reason="carla 0.9.16 is not installed (extra dev, Linux x86_64)"
)


def free_port() -> int:
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


@pytest.mark.slow
def test_the_real_client_drives_in_the_simulator(tmp_path: Path) -> None:
    port = free_port()
    environment = {**os.environ, "HOME": str(tmp_path)}  # where the client keeps maps
    environment["XDG_CACHE_HOME"] = str(cache_folder().parent)
    arguments = [*COMMAND, "--map", "cross", "--carla-port", str(port)]
    server = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith(f"CARLA 0.9.16 at port {port}, map cross"), line
        session = [sys.executable, str(SESSION), str(port)]
        done = subprocess.run(session, capture_output=True, text=True, env=environment, timeout=600)
        assert done.returncode == 0, done.stderr
        server.terminate()
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.communicate()
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["versions"] == ["0.9.16", "0.9.16"] and result["map"] == "Carla/Maps/cross"
    assert max(result["on_lane_m"]) < 0.6 and result["hero"] == ["hero"] and result["wheel_deg"] == pytest.approx(70.0)
    drive = result["drive"]
    assert drive["frames"] == list(range(drive["frames"][0], drive["frames"][0] + 60)) and drive["same_frame"] == 1
    assert drive["image"] == [64, 64 * 48 * 4] and drive["channels"] == 16 and drive["points"] > 50
    assert drive["radar"] > 5 and drive["up_mps2"] == pytest.approx(9.81, abs=0.1) and drive["speed"] > 3.0
    assert drive["control"] == pytest.approx(0.8) and drive["limit"] > 20.0 and drive["invaded"] >= 1
    assert 0.0 < abs(drive["north_of_origin"]) < 0.01 and all(drive["destroyed"])
    lights = result["lights"]
    assert lights["green"] and lights["found"] and lights["lanes"] >= 1 and min(lights["times"]) > 0.0
    assert lights["sign"].endswith(f"_{lights['pole']}") and lights["group"] == lights["count"] >= 4
    assert result["batches"]["errors"] == [False, False, False, True]
    assert result["batches"]["brake_light"] and result["batches"]["braked"] == 1.0
    assert result["rain"] == pytest.approx(100.0)
    assert result["reloaded"] == [True, 0, "Carla/Maps/cross"] and "Atlantis" in result["unknown_map"]
