"""SUMO in a separate process: a client that never imports libsumo, and the server that it starts.

The two exchange pickled values over a socket pair. The client raises SimulationError when SUMO crashes or reports an
error, and MachineError when SUMO hangs or is killed. The client waits for a slow server that makes progress: results do
not depend on the load of the machine. The server ends when the client disconnects. The server runs in a new interpreter
instead of a multiprocessing child, which also works within worker processes and with any main module.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from transdiffuser_planner.core.errors import MachineError, PlannerError, SimulationError
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.map.route import GlobalRoute
from transdiffuser_planner.simulation.map.sumo_networks import sumo_home
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.traffic.progress_watch import STALL_S, ProgressWatch
from transdiffuser_planner.simulation.traffic.sumo_traffic import Traffic, TrafficStart, TrafficStep
from transdiffuser_planner.simulation.world_state import EgoPose

LOOK_EVERY_S = 5.0
EXIT_TIMEOUT_S, DYING_TIMEOUT_S = 5.0, 60.0
_ENDED_FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)


class TrafficClient:
    """Traffic of one scenario, simulated in another process. Use as a context manager, or call close().

    Args:
        scenario: Map, seed and number of agents.
        vehicle: The ego's dimensions and limits.
        stall_s: Maximum wall time without progress of the server.
    """

    def __init__(self, scenario: Scenario, vehicle: VehicleModel, *, stall_s: float = STALL_S) -> None:
        self.scenario, self.vehicle = scenario, vehicle
        self._stall_s = stall_s
        self._started: TrafficStart | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> TrafficStart:
        """Start the process and its traffic.

        Returns:
            The first step with the ego moving, and its route.

        Raises:
            SimulationError: Unknown map, SUMO not installed, no route, or SUMO failed.
            MachineError: SUMO hangs, or was killed.
        """
        sumo_home()
        ours, theirs = socket.socketpair()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            self.command(theirs.fileno()), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "SUMO_HOME": str(sumo_home())},
        )  # fmt: skip
        theirs.close()
        self._pipe = Connection(ours.detach())
        self._started = self._ask("start", (self.scenario, self.vehicle))
        return self._started

    @staticmethod
    def command(socket_number: int) -> list[str]:
        """Return the command line of the server, which answers on an inherited socket.

        Args:
            socket_number: File descriptor of the inherited socket.
        """
        return [sys.executable, "-m", __name__, str(socket_number)]

    def step(self, ego: EgoPose | None) -> TrafficStep:
        """Advance 0.1 s.

        Args:
            ego: Pose at the end of this step, map frame; None lets SUMO drive the ego.

        Raises:
            SimulationError: SUMO failed.
            MachineError: SUMO hangs, or was killed.
        """
        step: TrafficStep = self._ask("step", ego)
        return step

    def branch(self, egos: Sequence[EgoPose]) -> list[TrafficStep]:
        """Simulate on in a copy of the traffic, which is discarded; this traffic does not advance.

        Args:
            egos: Pose of the ego at the end of each step of 0.1 s, map frame.

        Returns:
            The steps, as ``step`` returns them.

        Raises:
            SimulationError: SUMO failed.
            MachineError: SUMO hangs, or was killed.
        """
        self._ask("branch", list(egos))
        return [self._ask("branch_step", None) for _ in egos]

    def route(self) -> GlobalRoute:
        """Return the ego's route; only after start()."""
        assert self._started is not None, "route() before start()"
        return self._started.route

    def close(self) -> None:
        """End the process; no effect when it has ended already."""
        if self._process is None:
            return
        self._pipe.close()
        try:
            self._process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        self._process = None

    def __enter__(self) -> TrafficClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, request: str, argument: Any) -> Any:
        if self._process is None:
            raise SimulationError("traffic: asked before start() or after its end; start a new episode")
        try:
            self._pipe.send((request, argument))
            self._wait(self._process.pid)
            kind, value = self._pipe.recv()
        except (EOFError, ConnectionError, BrokenPipeError):
            raise self._failure("SUMO ended unexpectedly") from None
        if kind == "error":
            self.close()
            raise SimulationError(value)
        return value

    def _wait(self, pid: int) -> None:
        """Wait for an answer while the process makes progress."""
        look_every_s = min(LOOK_EVERY_S, self._stall_s / 4.0)
        if self._pipe.poll(look_every_s):  # nearly always: looking at the process costs more than waiting for it
            return
        watch = ProgressWatch(pid, self._stall_s)
        while not self._pipe.poll(look_every_s):
            fault = watch.fault()
            if fault:
                raise self._failure(f"SUMO gave {fault}", is_stuck=True)

    def _failure(self, what: str, *, is_stuck: bool = False) -> SimulationError:
        """Return the error for an ended or hung process, with the last line of its output."""
        process = self._process
        assert process is not None
        if is_stuck:
            process.kill()
        try:
            status: int | None = process.wait(DYING_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            status = None
        self._log.seek(0)
        lines = [line.strip() for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        last = lines[-1] if lines else "it wrote nothing"
        self.close()
        where = f"traffic on {self.scenario.map_name}, seed {self.scenario.seed}"
        if is_stuck or status is None or status in _ENDED_FROM_OUTSIDE:
            ended = "" if is_stuck else f"exit status {status}, ended from outside; "
            return MachineError(f"{where}: {what} ({ended}{last}); try again with fewer workers or more memory")
        return SimulationError(f"{where}: {what} (exit status {status}; {last}); try another seed")


def serve(pipe: Connection, answer: Callable[[str, Any], Any]) -> None:
    """Answer requests until the client disconnects.

    Args:
        pipe: Connection to the client.
        answer: From a request and its argument to its result.
    """
    while True:
        try:
            request, argument = pipe.recv()
        except (EOFError, ConnectionError):
            return
        try:
            result = answer(request, argument)
        except PlannerError as error:
            pipe.send(("error", str(error)))
        except ImportError as error:
            pipe.send(("error", f"simulator: libsumo cannot be loaded ({error}); install the simulation extra"))
        else:
            pipe.send(("ok", result))


class _Server:
    """Traffic of an episode, from its first request on."""

    _traffic: Traffic | None = None

    def answer(self, request: str, argument: Any) -> Any:
        if request == "start":
            self._traffic = Traffic(*argument)
            return self._traffic.start()
        if request == "branch":
            return self._branch(argument)
        if request == "branch_step":
            return self._branch_step()
        assert self._traffic is not None
        return self._traffic.step(argument)

    def _branch(self, egos: list[EgoPose]) -> None:
        """Start steps in a copy of this process: SUMO's own saved states lose parts of its drivers' memory."""
        assert self._traffic is not None
        self._steps, theirs = multiprocessing.Pipe(duplex=False)
        self._child = os.fork()
        if self._child == 0:
            try:
                self._steps.close()
                for ego in egos:
                    theirs.send(self._traffic.step(ego))
            finally:
                os._exit(0)
        theirs.close()
        self._left = len(egos)
        if not egos:
            self._end_branch()

    def _branch_step(self) -> TrafficStep:
        """Next step of the copy, which ends after its last one.

        Raises:
            SimulationError: The copy ended without it.
        """
        try:
            step: TrafficStep = self._steps.recv()
            self._left -= 1
        except EOFError:
            self._end_branch()
            raise SimulationError("traffic: a branch of the simulation ended without a result") from None
        if not self._left:
            self._end_branch()
        return step

    def _end_branch(self) -> None:
        self._steps.close()
        os.waitpid(self._child, 0)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), _Server().answer)
