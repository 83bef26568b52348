"""The client against a CARLA server over TCP, by CARLA's compiled package.

TRANSDIFFUSER_CARLA_SERVER=HOST:PORT names a running server. Without it, this project's own is started, where it is installed.
"""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from transdiffuser_planner.cli.main import main

pytest.importorskip("carla")
pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.slow
OWN_SERVER = "transdiffuser_planner.integrations.carla_server"
READY_S = 300.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    named = os.environ.get("TRANSDIFFUSER_CARLA_SERVER", "")
    if named:
        host, _, port = named.rpartition(":")
        yield host, int(port)
        return
    if importlib.util.find_spec(OWN_SERVER) is None:
        pytest.skip("TRANSDIFFUSER_CARLA_SERVER does not name a server, and this project's own is not installed")
    for package in ("libsumo", "embreex", "msgpack"):
        pytest.importorskip(package)
    port = _free_port()
    command = [
        sys.executable,
        "-m",
        "transdiffuser_planner.cli.main",
        "simulate",
        "--carla-port",
        str(port),
        "--seed",
        "8103",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + READY_S
        while not _answers("127.0.0.1", port):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.2)  # between two looks at a condition with a deadline
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(120.0)


def test_the_client_drives_along_its_route_and_reports(server: tuple[str, int], tmp_path: Path) -> None:
    host, port = server
    result = tmp_path / "drive.json"
    words = ["carla", "--host", host, "--port", str(port), "--distance", "80", "--duration", "8", "--threads", "1"]
    main([*words, "--timeout", "120", "--result", str(result)])
    report = json.loads(result.read_text())
    assert report["end"] in ("goal", "time") and report["collisions"] == []
    assert report["plans"] >= 75 and report["fallbacks"] <= report["plans"] // 4
    assert report["refused_inputs"] == {}
    assert report["route_completion"] * report["route_m"] > 5.0 and report["max_offset_m"] < 1.5


def test_a_map_that_the_server_does_not_have_is_one_line(
    server: tuple[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    host, port = server
    assert main(["carla", "--host", host, "--port", str(port), "--map", "Nowhere"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("transdiffuser carla: --map Nowhere: the server has")


def test_a_server_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["carla", "--port", str(_free_port()), "--timeout", "1"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("transdiffuser carla: CARLA at 127.0.0.1:") and "start the server" in error
