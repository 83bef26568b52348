"""SUMO traffic without an ego: vehicles that others drive are outsiders, which traffic sees and reacts to.

Runs in a separate process (open_traffic_process.py): libsumo holds one simulation per process and can crash it.
"""

from __future__ import annotations

import math
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.files import describe
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.map.sumo_networks import network_file, read_network
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.traffic.demand import (
    EGO_ID,
    LAST_DEPART_S,
    PERSON_BOX_M,
    VEHICLE_KINDS,
    demand_xml,
)

STEP_S = 0.1
BRAKE_SIGNAL = 8
ANYWHERE, MATCH_M = 2, 30.0
PERSON = "person"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outsider:
    """A vehicle that SUMO does not move.

    Attributes:
        name: Stable while it exists.
        x_m, y_m: Front bumper, map frame.
        heading_deg: SUMO's angle, clockwise from north.
        length_m, width_m: Of the body.
    """

    name: str
    x_m: float
    y_m: float
    heading_deg: float
    length_m: float
    width_m: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RoadUser:
    """A vehicle or person of SUMO.

    Attributes:
        name: Stable while it exists.
        kind: One of VEHICLE_KINDS, or PERSON.
        x_m, y_m: Center of the box, map frame.
        heading_deg: SUMO's angle, clockwise from north.
        speed_mps: Along it.
        is_braking: Brake lights.
    """

    name: str
    kind: str
    x_m: float
    y_m: float
    heading_deg: float
    speed_mps: float
    is_braking: bool


class OpenTraffic:
    """One simulation of SUMO; at most one per process.

    Args:
        scenario: Map, seed and number of agents.
        vehicle: Unused dimensions of an ego.
    """

    def __init__(self, scenario: Scenario, vehicle: VehicleModel) -> None:
        import libsumo

        self._sumo, self._scenario, self._vehicle = libsumo, scenario, vehicle
        self._outsiders: set[str] = set()

    def start(self) -> None:
        """Load the network and let traffic depart.

        Raises:
            SimulationError: Unknown map, or SUMO failed.
        """
        path = network_file(self._scenario.map_name)
        routes = ElementTree.fromstring(demand_xml(read_network(path), self._scenario, self._vehicle))
        for item in [item for item in routes if item.tag == "vehicle" and item.get("id") == EGO_ID]:
            routes.remove(item)
        try:
            with tempfile.TemporaryDirectory() as scratch:
                file = Path(scratch) / "demand.rou.xml"
                file.write_text(ElementTree.tostring(routes, encoding="unicode"), encoding="utf-8")
                self._load(path, file)
                for _ in range(round((LAST_DEPART_S + 5.0) / STEP_S)):
                    self._sumo.simulationStep()
        except OSError as error:
            raise SimulationError(f"temporary files: {describe(error)}") from None

    def step(self, outsiders: Sequence[Outsider], signals: dict[str, str]) -> list[RoadUser]:
        """Advance 0.1 s.

        Args:
            outsiders: All of them.
            signals: Letters of all traffic lights.
        """
        sumo = self._sumo
        for name, letters in signals.items():
            if len(letters) == len(sumo.trafficlight.getRedYellowGreenState(name)):
                sumo.trafficlight.setRedYellowGreenState(name, letters)
        present = set(sumo.vehicle.getIDList())
        for name in self._outsiders - {item.name for item in outsiders}:
            if name in present:
                sumo.vehicle.remove(name)
        for item in outsiders:
            self._place(item, present)
        self._outsiders = {item.name for item in outsiders}
        sumo.simulationStep()
        return [*self._vehicles(), *self._persons()]

    def _load(self, network: Path, demand: Path) -> None:
        self._sumo.start(
            [
                "sumo", "-n", str(network), "-r", str(demand), "--seed", str(self._scenario.seed),
                "--step-length", str(STEP_S), "--lateral-resolution", "0.8", "--collision.action", "none",
                "--time-to-teleport", "-1", "--ignore-route-errors", "true", "--max-depart-delay", "30",
                "--no-step-log", "true", "--no-warnings", "true", "--duration-log.disable", "true",
                "--pedestrian.striping.jamtime", "60", "--default.speeddev", "0",
            ]
        )  # fmt: skip

    def _place(self, item: Outsider, present: set[str]) -> None:
        """Put an outsider where it is; traffic does not see it while it is away from all streets."""
        sumo = self._sumo
        try:
            if item.name not in present:
                edge = sumo.simulation.convertRoad(item.x_m, item.y_m, False, "passenger")[0]
                if not edge or edge.startswith(":"):
                    return
                route, kind = f"route {item.name}", f"type {item.name}"
                if route not in sumo.route.getIDList():
                    sumo.route.add(route, [edge])
                    sumo.vehicletype.copy("sedan", kind)
                    sumo.vehicletype.setLength(kind, item.length_m)
                    sumo.vehicletype.setWidth(kind, item.width_m)
                sumo.vehicle.add(item.name, route, kind)
            sumo.vehicle.moveToXY(item.name, "", -1, item.x_m, item.y_m, item.heading_deg, ANYWHERE, MATCH_M)
        except sumo.TraCIException:
            return

    def _vehicles(self) -> list[RoadUser]:
        vehicle, users = self._sumo.vehicle, []
        for name in vehicle.getIDList():
            if name in self._outsiders:
                continue
            kind = str(vehicle.getTypeID(name).split("@")[0])
            (x, y), angle = vehicle.getPosition(name), float(vehicle.getAngle(name))
            back_x, back_y = _backwards(angle, VEHICLE_KINDS[kind].length_m / 2.0)
            users.append(
                RoadUser(
                    name=name,
                    kind=kind,
                    x_m=float(x) + back_x,
                    y_m=float(y) + back_y,
                    heading_deg=angle,
                    speed_mps=max(0.0, float(vehicle.getSpeed(name))),
                    is_braking=bool(vehicle.getSignals(name) & BRAKE_SIGNAL),
                )
            )
        return users

    def _persons(self) -> list[RoadUser]:
        person, users = self._sumo.person, []
        for name in person.getIDList():
            (x, y), angle = person.getPosition(name), float(person.getAngle(name))
            back_x, back_y = _backwards(angle, PERSON_BOX_M[0] / 2.0)
            users.append(
                RoadUser(
                    name=name,
                    kind=PERSON,
                    x_m=float(x) + back_x,
                    y_m=float(y) + back_y,
                    heading_deg=angle,
                    speed_mps=max(0.0, float(person.getSpeed(name))),
                    is_braking=False,
                )
            )
        return users


def _backwards(angle_deg: float, distance_m: float) -> tuple[float, float]:
    """Return the offset from a front to a point behind it, map frame."""
    heading = math.radians(90.0 - angle_deg)
    return -distance_m * math.cos(heading), -distance_m * math.sin(heading)
