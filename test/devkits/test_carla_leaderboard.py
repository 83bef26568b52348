"""CARLA's leaderboard evaluator, unmodified, drives our agent on whole routes of our server: `make test-carla CHECKOUTS=...`.

The leaderboard is no package: the folder has checkouts of carla-simulator/leaderboard and carla-simulator/scenario_runner, and a
Python with their requirements and this package. How many routes, and with how much traffic, TRANSDIFFUSER_CARLA_ROUTES and
TRANSDIFFUSER_CARLA_TRAFFIC state; the evaluator's own background traffic is there in any case.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHECKOUTS = Path(os.environ.get("TRANSDIFFUSER_CARLA_CHECKOUTS", "/nonexistent"))
NEEDED = ("carla", "py_trees", "dictor", "simple_watchdog_timer", "shapely", "networkx", "onnxruntime")
if not (CHECKOUTS / "leaderboard").is_dir() or not (CHECKOUTS / "scenario_runner").is_dir():
    pytest.skip(
        "the leaderboard is not here; make test-carla CHECKOUTS=FOLDER runs this (docs/how-to/carla.md)",
        allow_module_level=True,
    )
for name in NEEDED:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"this Python is without {name}, a requirement of the leaderboard", allow_module_level=True)

ROOT = Path(__file__).parents[2]
SERVER_PYTHON = os.environ.get("TRANSDIFFUSER_PYTHON", sys.executable)
NUM_ROUTES = int(os.environ.get("TRANSDIFFUSER_CARLA_ROUTES", "2"))
TRAFFIC = os.environ.get("TRANSDIFFUSER_CARLA_TRAFFIC", "0")
MAP, ROUTE_M, SEED = "town-041", 300.0, 1
AGENT = ROOT / "transdiffuser_planner" / "integrations" / "carla" / "agent" / "transdiffuser_agent.py"


def free_port() -> int:
    """A port whose successor, for the sensors, is free too, as far as can be known."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            try:
                other.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


@pytest.fixture(scope="module")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with CARLA's package ``agents``, of which scenario_runner has a copy without one of its modules."""
    folder = tmp_path_factory.mktemp("agents")
    shutil.copytree(CHECKOUTS / "scenario_runner" / "srunner" / "tests" / "carla_mocks" / "agents", folder / "agents")
    absent = folder / "agents" / "navigation" / "constant_velocity_agent.py"
    if not absent.is_file():
        absent.write_text(
            "from agents.navigation.basic_agent import BasicAgent\n\n\nclass ConstantVelocityAgent(BasicAgent):\n    pass\n"
        )
    return folder


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of a server in a process of its own."""
    port, log = free_port(), tmp_path_factory.mktemp("server") / "server.log"
    command = [SERVER_PYTHON, "-m", "transdiffuser_planner.cli.main", "simulate", "--map", MAP]
    command += ["--carla-port", str(port), "--carla-traffic", TRAFFIC, "--seed", str(SEED)]
    with log.open("w") as out:
        server = subprocess.Popen(
            command, stdout=out, stderr=out, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
    try:
        while not answers(port):
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)
        yield port
        assert server.poll() is None, log.read_text()
    finally:
        server.terminate()
        server.wait()
        print(f"\nserver: {log.read_text()[-2000:]}")


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def environment(agents: Path, home: Path) -> dict[str, str]:
    checkouts = [CHECKOUTS / "leaderboard", CHECKOUTS / "scenario_runner", agents, ROOT, ROOT / "test" / "support"]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, checkouts)),
        "LEADERBOARD_ROOT": str(CHECKOUTS / "leaderboard"),
        "SCENARIO_RUNNER_ROOT": str(CHECKOUTS / "scenario_runner"),
        "HOME": str(home),  # CARLA's package keeps maps below it
    }


def evaluate(port: int, agents: Path, folder: Path) -> list[dict[str, Any]]:
    """Run the evaluator; returns its records, one for each route."""
    routes, results, settings = folder / "routes.xml", folder / "results.json", folder / "agent.yaml"
    variables = environment(agents, folder)
    making = [sys.executable, "-m", "leaderboard_routes", str(port), str(NUM_ROUTES), str(ROUTE_M), str(SEED)]
    subprocess.run([*making, str(routes)], env=variables, check=True)
    settings.write_text("lights: world\n")  # of this server; the leaderboard's rules forbid it
    evaluator = CHECKOUTS / "leaderboard" / "leaderboard" / "leaderboard_evaluator.py"
    command = [sys.executable, "-u", str(evaluator), "--port", str(port), "--traffic-manager-port", str(free_port())]
    command += [
        f"--routes={routes}",
        "--repetitions=1",
        "--track=MAP",
        f"--agent={AGENT}",
        f"--agent-config={settings}",
    ]
    command += [f"--checkpoint={results}", f"--debug-checkpoint={folder / 'debug.txt'}", "--debug=0", "--record="]
    with (folder / "evaluator.log").open("w") as out:
        done = subprocess.run(
            [*command, "--timeout=600"], env=variables, stdout=out, stderr=subprocess.STDOUT, check=False
        )
    log = (folder / "evaluator.log").read_text()
    assert results.is_file(), log[-5000:]
    records = json.loads(results.read_text())["_checkpoint"]["records"]
    assert len(records) == NUM_ROUTES, f"exit status {done.returncode}: {log[-5000:]}"
    return list(records)


def test_the_evaluator_drives_our_agent_on_whole_routes(port: int, agents: Path, tmp_path: Path) -> None:
    records = evaluate(port, agents, tmp_path)
    print("\nroute, m | status | completion | driving score | game s | system s | infractions")
    for record in records:
        meta, scores = record["meta"], record["scores"]
        events = {name: len(found) for name, found in record["infractions"].items() if found}
        times = f"{meta['duration_game']:.0f} | {meta['duration_system']:.0f}"
        print(
            f"{meta['route_length']:.0f} | {record['status']} | {scores['score_route']:.1f} | {scores['score_composed']:.1f} "
            f"| {times} | {events or 'none'}"
        )
    assert all(record["status"] in ("Completed", "Perfect") for record in records)
    assert all(record["scores"]["score_route"] >= 95.0 for record in records)
