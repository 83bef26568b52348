"""The client waits for a traffic process that makes progress; a hung or killed one is reported in one line."""

import signal
import sys
import time

import pytest

pytest.importorskip("libsumo")

from transdiffuser_planner.core.errors import MachineError, SimulationError
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.simulation.scenario import draw_scenario
from transdiffuser_planner.simulation.traffic.progress_watch import ProgressWatch
from transdiffuser_planner.simulation.traffic.traffic_process import TrafficClient

STALL_S = 1.0
SCENARIO = draw_scenario(8003, duration_s=10.0)
ANSWER = """
import os, signal, sys, time
from multiprocessing.connection import Connection
pipe = Connection(int(sys.argv[1]))
pipe.recv()
"""


def _client(*lines: str) -> TrafficClient:
    """Client of a server that receives one request and then runs these lines."""

    class Client(TrafficClient):
        @staticmethod
        def command(socket_number: int) -> list[str]:
            return [sys.executable, "-c", ANSWER + "\n".join(lines), str(socket_number)]

    return Client(SCENARIO, EGO_VEHICLE, stall_s=STALL_S)


def test_a_start_that_is_slow_but_makes_progress_succeeds() -> None:
    busy = f"while time.process_time() < {3.0 * STALL_S}: pass"
    begin_s = time.monotonic()
    with _client(busy, "pipe.send(('ok', 'started'))") as client:
        assert client.start() == "started"  # type: ignore[comparison-overlap]
    assert time.monotonic() - begin_s > STALL_S


def test_a_hung_process_is_an_error_that_permits_a_retry() -> None:
    client = _client("print('reading the network', flush=True)", "time.sleep(600)")
    begin_s = time.monotonic()
    with pytest.raises(
        MachineError, match=r"seed 8003: SUMO gave no answer and no progress for 1 s .*reading the network"
    ):
        client.start()
    assert time.monotonic() - begin_s < 60.0


def test_a_killed_process_is_an_error_that_permits_a_retry() -> None:
    with pytest.raises(MachineError, match="ended from outside"):
        _client(f"os.kill(os.getpid(), {int(signal.SIGKILL)})").start()


def test_a_crashed_process_is_an_error_without_a_retry() -> None:
    with pytest.raises(SimulationError, match=r"exit status 3; .*try another seed") as caught:
        _client("sys.exit(3)").start()
    assert not isinstance(caught.value, MachineError)


def test_an_endless_loop_is_reported_after_its_processor_time() -> None:
    import subprocess

    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        watch = ProgressWatch(process.pid, stall_s=600.0, most_cpu_s=0.5)
        while not (fault := watch.fault()):
            time.sleep(0.05)
        process.kill()
    assert fault == "no answer after 0.5 s of processor time"
