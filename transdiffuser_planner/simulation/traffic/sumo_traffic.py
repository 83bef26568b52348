"""SUMO traffic of one episode through libsumo, reported as WorldStates at 10 Hz.

Runs in a separate process (traffic_process.py): libsumo holds one simulation per process and can crash it. The ego is
either driven by SUMO's driver model, the expert, or placed by the caller at every step, so that traffic reacts to it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.files import describe
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.map.route import GlobalRoute
from transdiffuser_planner.simulation.map.route_builder import build_route
from transdiffuser_planner.simulation.map.sumo_networks import network_file, read_network
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.traffic.demand import (
    EGO_DEPART_S,
    EGO_ID,
    PERSON_BOX_M,
    VEHICLE_KINDS,
    agent_number,
    demand_xml,
)
from transdiffuser_planner.simulation.world_state import EgoPose, WorldState

STEP_S = 0.1
STEP_NS = 100_000_000
AGENT_RANGE_M = 120.0
SETTLE_S = 10.0
LATEST_EGO_DEPART_S = 120.0
BRAKE_SIGNAL = 8
# Strategic lane changes only, yielding to others, sublane moves allowed (SUMO's lane change mode bits).
EGO_LANE_CHANGE_MODE = 0b110_0000_0001
CAP_LATERAL_MPS2, CAP_YAW_RATE_RADPS, CAP_DECEL_MPS2 = 2.0, 0.8, 1.0
MATCH_THRESHOLD_M = 20.0
KEEP_ROUTE_EXACT_POSITION = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class TrafficStep:
    """Result of one traffic step.

    Attributes:
        world: State after the step; with the expert driving, the ego's pose is SUMO's, unsmoothed.
        ego_on_route: Whether SUMO matches the ego to its route; once False, traffic ignores the ego.
        route_finished: Whether the SUMO-driven ego has reached the end of its route.
    """

    world: WorldState
    ego_on_route: bool = True
    route_finished: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class TrafficStart:
    """Start of an episode.

    Attributes:
        step: First step.
        route: The ego's route.
        front_trace_N2: Front bumper before the first step, oldest first, 10 Hz, map frame.
    """

    step: TrafficStep
    route: GlobalRoute
    front_trace_N2: Any


class Traffic:
    """One episode of SUMO traffic; at most one per process.

    Args:
        scenario: Map, seed and number of agents.
        vehicle: The ego's dimensions and limits.
    """

    def __init__(self, scenario: Scenario, vehicle: VehicleModel) -> None:
        import libsumo

        self._sumo = libsumo
        self._scenario, self._vehicle = scenario, vehicle
        self._stamp_ns = 0
        self._ego_on_route = True
        self._ego_s_m = 0.0
        self._last_ego: EgoPose | None = None
        self._class_by_id: dict[str, tuple[int, float, float, float]] = {}

    def start(self) -> TrafficStart:
        """Load the network, let traffic settle and return the first step with the ego moving.

        Raises:
            SimulationError: Unknown map, no route, or SUMO failed.
        """
        path = network_file(self._scenario.map_name)
        network = read_network(path)
        demand = demand_xml(network, self._scenario, self._vehicle)
        try:
            with tempfile.TemporaryDirectory() as scratch:
                file = Path(scratch) / "demand.rou.xml"
                file.write_text(demand, encoding="utf-8")
                self._load(path, file)
                self._wait_for_ego()
        except OSError as error:
            raise SimulationError(f"temporary files: {describe(error)}") from None
        sumo = self._sumo
        edge_ids = sumo.vehicle.getRoute(EGO_ID)
        self._route = build_route(network, edge_ids, sumo.vehicle.getLaneIndex(EGO_ID))
        self._cap = self._route.speed_cap_mps_N(CAP_LATERAL_MPS2, CAP_YAW_RATE_RADPS, CAP_DECEL_MPS2)
        self._free_speed = min(sumo.vehicle.getMaxSpeed(EGO_ID), self._vehicle.max_speed_mps)
        sumo.vehicle.setLaneChangeMode(EGO_ID, EGO_LANE_CHANGE_MODE)
        pose = self._sumo_ego()
        self._ego_s_m = self._route.project(pose.x_m, pose.y_m, pose.heading_rad)[0]
        trace = [sumo.vehicle.getPosition(EGO_ID)]
        for _ in range(round(SETTLE_S / STEP_S)):
            self._drive_expert()
            sumo.simulationStep()
            if EGO_ID not in sumo.vehicle.getIDList():
                raise SimulationError(f"map {self._scenario.map_name}: the ego's route is too short to start on")
            trace.append(sumo.vehicle.getPosition(EGO_ID))
        self._last_ego = self._sumo_ego()
        return TrafficStart(
            step=TrafficStep(world=self._world(self._last_ego)), route=self._route, front_trace_N2=np.asarray(trace)
        )

    def step(self, ego: EgoPose | None) -> TrafficStep:
        """Advance 0.1 s.

        Args:
            ego: Pose at the end of this step, map frame; None lets SUMO drive the ego.
        """
        sumo = self._sumo
        present = EGO_ID in sumo.vehicle.getIDList()
        if ego is None and present:
            self._drive_expert()
        elif ego is not None and present and self._ego_on_route:
            self._place(ego)
        sumo.simulationStep()
        self._stamp_ns += STEP_NS
        present = EGO_ID in sumo.vehicle.getIDList()
        if ego is not None:
            self._ego_on_route = self._ego_on_route and present and bool(sumo.vehicle.getRoadID(EGO_ID))
        elif present:
            ego = self._sumo_ego()
        self._last_ego = ego or self._last_ego
        assert self._last_ego is not None
        return TrafficStep(
            world=self._world(self._last_ego), ego_on_route=self._ego_on_route, route_finished=not present
        )

    def close(self) -> None:
        """End the simulation."""
        self._sumo.close()

    def _load(self, network: Path, demand: Path) -> None:
        self._sumo.start(
            [
                "sumo", "-n", str(network), "-r", str(demand), "--seed", str(self._scenario.seed),
                "--step-length", str(STEP_S), "--lateral-resolution", "0.8", "--collision.action", "warn",
                "--time-to-teleport", "-1", "--ignore-route-errors", "true", "--max-depart-delay", "30",
                "--no-step-log", "true", "--no-warnings", "true", "--duration-log.disable", "true",
                "--pedestrian.striping.jamtime", "60", "--default.speeddev", "0",
            ]
        )  # fmt: skip

    def _wait_for_ego(self) -> None:
        while EGO_ID not in self._sumo.vehicle.getIDList():
            if self._sumo.simulation.getTime() > EGO_DEPART_S + LATEST_EGO_DEPART_S:
                raise SimulationError(f"map {self._scenario.map_name}: no room for the ego on its first street")
            self._sumo.simulationStep()

    def _drive_expert(self) -> None:
        """Limit the speed of SUMO's driver model in curves and request the lanes of the route."""
        sumo, pose = self._sumo, self._sumo_ego()
        self._ego_s_m = self._route.project(pose.x_m, pose.y_m, pose.heading_rad, self._ego_s_m)[0]
        front_s = self._ego_s_m + self._vehicle.front_offset_m
        cap = float(np.interp(front_s, self._route.s_N, self._cap))
        sumo.vehicle.setMaxSpeed(EGO_ID, max(1.0, min(self._free_speed, cap)))
        stretch = self._route.lane_at(front_s)
        on_stretch = stretch is not None and sumo.vehicle.getRoadID(EGO_ID) == stretch.edge_id
        if stretch is not None and on_stretch and sumo.vehicle.getLaneIndex(EGO_ID) != stretch.lane_index:
            sumo.vehicle.changeLane(EGO_ID, stretch.lane_index, 1.0)

    def _place(self, ego: EgoPose) -> None:
        x = ego.x_m + self._vehicle.front_offset_m * np.cos(ego.heading_rad)
        y = ego.y_m + self._vehicle.front_offset_m * np.sin(ego.heading_rad)
        angle = (90.0 - np.degrees(ego.heading_rad)) % 360.0
        try:
            self._sumo.vehicle.moveToXY(
                EGO_ID, "", -1, float(x), float(y), float(angle), KEEP_ROUTE_EXACT_POSITION, MATCH_THRESHOLD_M
            )
        except self._sumo.TraCIException:
            self._ego_on_route = False

    def _sumo_ego(self) -> EgoPose:
        """Return SUMO's pose of the ego at the rear axle: the front bumper moved back along the front-back chord."""
        vehicle = self._sumo.vehicle
        front_x, front_y = vehicle.getPosition(EGO_ID)
        heading = float((np.radians(90.0 - vehicle.getAngle(EGO_ID)) + np.pi) % (2.0 * np.pi) - np.pi)
        return EgoPose(
            x_m=float(front_x - self._vehicle.front_offset_m * np.cos(heading)),
            y_m=float(front_y - self._vehicle.front_offset_m * np.sin(heading)),
            heading_rad=heading,
            speed_mps=max(0.0, float(vehicle.getSpeed(EGO_ID))),
            acceleration_mps2=float(vehicle.getAcceleration(EGO_ID)),
            braking=bool(vehicle.getSignals(EGO_ID) & BRAKE_SIGNAL),
        )

    def _world(self, ego: EgoPose) -> WorldState:
        lights = self._sumo.trafficlight
        signals = {name: lights.getRedYellowGreenState(name) for name in lights.getIDList()}
        return WorldState(stamp_ns=self._stamp_ns, ego=ego, agents=self._agents(ego), signals=signals)

    def _agents(self, ego: EgoPose) -> AgentStates:
        """Return all agents within 120 m of the ego, sorted by number."""
        rows = [*self._vehicle_rows(ego), *self._person_rows(ego)]
        if not rows:
            return AgentStates.empty("map")
        rows.sort()
        column = list(zip(*rows, strict=True))
        front = np.asarray(column[2:4], dtype=np.float64)
        heading = np.radians(90.0 - np.asarray(column[4], dtype=np.float64))
        heading = (heading + np.pi) % (2.0 * np.pi) - np.pi
        length = np.asarray(column[6], dtype=np.float64)
        is_person = np.asarray(column[1]) == int(AgentClass.PEDESTRIAN)
        back = np.where(is_person, 0.0, 0.5 * length)
        return AgentStates(
            frame_id="map",
            id_N=np.asarray(column[0], dtype=np.uint32),
            class_N=np.asarray(column[1], dtype=np.int8),
            x_m_N=front[0] - back * np.cos(heading),
            y_m_N=front[1] - back * np.sin(heading),
            heading_rad_N=heading,
            speed_mps_N=np.maximum(0.0, np.asarray(column[5], dtype=np.float64)),
            length_m_N=length,
            width_m_N=np.asarray(column[7], dtype=np.float64),
            height_m_N=np.asarray(column[8], dtype=np.float64),
            braking_N=np.asarray(column[9], dtype=np.bool_),
        )

    def _vehicle_rows(self, ego: EgoPose) -> list[tuple[Any, ...]]:
        vehicle, rows = self._sumo.vehicle, []
        for name in vehicle.getIDList():
            if name == EGO_ID:
                continue
            x, y = vehicle.getPosition(name)
            if (x - ego.x_m) ** 2 + (y - ego.y_m) ** 2 > AGENT_RANGE_M**2:
                continue
            known = self._class_by_id.get(name)
            if known is None:
                kind = VEHICLE_KINDS[vehicle.getTypeID(name).split("@")[0]]
                known = (int(kind.agent_class), kind.length_m, kind.width_m, kind.height_m)
                self._class_by_id[name] = known
            brake = bool(vehicle.getSignals(name) & BRAKE_SIGNAL)
            rows.append(
                (agent_number(name), known[0], x, y, vehicle.getAngle(name), vehicle.getSpeed(name), *known[1:], brake)
            )
        return rows

    def _person_rows(self, ego: EgoPose) -> list[tuple[Any, ...]]:
        person, rows = self._sumo.person, []
        for name in person.getIDList():
            x, y = person.getPosition(name)
            if (x - ego.x_m) ** 2 + (y - ego.y_m) ** 2 > AGENT_RANGE_M**2:
                continue
            rows.append(
                (
                    agent_number(name),
                    int(AgentClass.PEDESTRIAN),
                    x,
                    y,
                    person.getAngle(name),
                    person.getSpeed(name),
                    *PERSON_BOX_M,
                    False,
                )
            )
        return rows
