"""Traffic without an ego in a separate process, started, watched and ended like that of episodes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.traffic.open_traffic import OpenTraffic, Outsider, RoadUser
from transdiffuser_planner.simulation.traffic.traffic_process import TrafficClient, serve


class OpenTrafficClient(TrafficClient):
    """Traffic of a whole map. Use as a context manager, or call close().

    Args:
        scenario: Map, seed, number of agents; its duration is how long they keep driving.
    """

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario, EGO_VEHICLE)

    @staticmethod
    def command(socket_number: int) -> list[str]:
        """Return the command line of the server.

        Args:
            socket_number: File descriptor of the inherited socket.
        """
        return [sys.executable, "-m", __name__, str(socket_number)]

    def advance(self, outsiders: Sequence[Outsider], signals: dict[str, str]) -> list[RoadUser]:
        """Advance 0.1 s.

        Args:
            outsiders: All of them, at the end of this step.
            signals: Letters of all traffic lights.

        Raises:
            SimulationError: SUMO failed.
        """
        users: list[RoadUser] = self._ask("step", (tuple(outsiders), signals))
        return users


class _Server:
    """Traffic of a map, from its first request on."""

    _traffic: OpenTraffic | None = None

    def answer(self, request: str, argument: Any) -> Any:
        if request == "start":
            self._traffic = OpenTraffic(*argument)
            self._traffic.start()
            return None
        assert self._traffic is not None
        return self._traffic.step(*argument)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), _Server().answer)
