"""Traffic demand of an episode: vehicle types, the ego's route and the routes of all agents, as SUMO route XML.

The ego's route is drawn first, a long walk over the network that uses no street twice; agents start near it, so that
the ego meets traffic in large networks too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.map.sumo_networks import AVENUES
from transdiffuser_planner.simulation.scenario import Scenario, random_generator

Starts = tuple[list[Any], NDArray[np.float64]]
"""Edges and the probability of each to be the first of a walk."""

EGO_ID = "ego"
EGO_DEPART_S = 25.0
PERSON_ID_OFFSET = 100_000
LAST_DEPART_S = 20.0
# Expected speed including stops, and reserve at the end of the route.
EGO_MEAN_SPEED_MPS = 10.0
EGO_ROUTE_RESERVE_M = 250.0
NEIGHBORHOOD_M = 130.0
# Approximate share of an episode's agents within 120 m of the ego; measured on generated towns.
NEARBY_SHARE = 0.33
MAX_VEHICLES_PER_LANE_KM = 16.0
# The map for measurements with many road users may be congested.
MAX_VEHICLES_PER_LANE_KM_OF = {AVENUES: 60.0}
SHARES = {"vehicle": 0.56, "bicycle": 0.06, "person": 0.38}

EIDM = (
    'carFollowModel="EIDM" accel="{accel}" decel="2.0" emergencyDecel="6" tau="{tau}" jerkmax="2.5" sigmaleader="0" '
    'sigmagap="0" sigmaerror="0" maxSpeedLat="1" lcMaxSpeedLatStanding="0" lcMaxSpeedLatFactor="0.2"'
)


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleKind:
    """One SUMO vehicle type.

    Attributes:
        agent_class: Class in labels.
        sumo_class: SUMO's vClass.
        length_m: Of the box.
        width_m: Of the box.
        height_m: Of the box.
        share: Relative frequency among motor vehicles (0: drawn otherwise).
        accel_mps2: Of the driver model.
        tau_s: Headway of the driver model.
        extra: Additional vType attributes.
    """

    agent_class: AgentClass
    sumo_class: str
    length_m: float
    width_m: float
    height_m: float
    share: float = 0.0
    accel_mps2: float = 1.4
    tau_s: float = 1.2
    extra: str = ""


VEHICLE_KINDS: dict[str, VehicleKind] = {
    "small": VehicleKind(agent_class=AgentClass.CAR, sumo_class="passenger", length_m=3.8, width_m=1.65, height_m=1.5, share=0.2),
    "sedan": VehicleKind(agent_class=AgentClass.CAR, sumo_class="passenger", length_m=4.6, width_m=1.82, height_m=1.45, share=0.34),
    "suv": VehicleKind(agent_class=AgentClass.CAR, sumo_class="passenger", length_m=4.8, width_m=1.92, height_m=1.75, share=0.18),
    "van": VehicleKind(agent_class=AgentClass.CAR, sumo_class="passenger", length_m=5.3, width_m=2.0, height_m=2.3, share=0.1, accel_mps2=1.2),
    "truck": VehicleKind(agent_class=AgentClass.TRUCK, sumo_class="truck", length_m=7.5, width_m=2.4, height_m=3.2, share=0.1, accel_mps2=1.0, tau_s=1.4),
    "motorcycle": VehicleKind(agent_class=AgentClass.MOTORCYCLE, sumo_class="motorcycle", length_m=2.2, width_m=0.8, height_m=1.5, share=0.08, accel_mps2=1.8),
    "bicycle": VehicleKind(
        agent_class=AgentClass.BICYCLE, sumo_class="bicycle", length_m=1.7, width_m=0.6, height_m=1.75, accel_mps2=0.9,
        tau_s=1.0, extra='maxSpeed="5.5" latAlignment="right"',
    ),
}  # fmt: skip
_EGO_ACCEL_MPS2 = 1.4
PERSON_BOX_M = (0.5, 0.6, 1.75)


def agent_number(sumo_id: str) -> int:
    """Return the stable number of a vehicle ("v12") or person ("p7").

    Args:
        sumo_id: SUMO's id.
    """
    return int(sumo_id[1:]) + (PERSON_ID_OFFSET if sumo_id[0] == "p" else 0)


def ego_kind(vehicle: VehicleModel) -> VehicleKind:
    """Return the ego's vehicle type; always of SUMO's class passenger, because its route is one for cars.

    Args:
        vehicle: The ego's dimensions and limits.
    """
    return VehicleKind(
        agent_class=AgentClass.CAR,
        sumo_class="passenger",
        length_m=vehicle.length_m,
        width_m=vehicle.width_m,
        height_m=vehicle.height_m,
        accel_mps2=min(_EGO_ACCEL_MPS2, vehicle.max_accel_mps2),
        extra='speedFactor="0.97" lcSpeedGain="0" lcKeepRight="0" lcCooperative="0"',
    )


def demand_xml(network: Any, scenario: Scenario, vehicle: VehicleModel) -> str:
    """Generate the route file of an episode.

    Args:
        network: As ``sumo_networks.read_network`` returns it.
        scenario: Its seed determines all draws.
        vehicle: The ego's dimensions.

    Raises:
        SimulationError: The network has no place for a car, or no route long enough.
    """
    random = random_generator(scenario, "demand")
    ego_edges = _ego_edges(network, random, scenario.duration_s)
    ego_xy = np.concatenate([np.asarray(edge.getShape()) for edge in ego_edges])
    counts = _counts(network, scenario, ego_xy)
    entries = [(EGO_DEPART_S, _vehicle_xml(EGO_ID, EGO_ID, EGO_DEPART_S, ego_edges))]
    motor = {name: kind for name, kind in VEHICLE_KINDS.items() if kind.share > 0}
    shares = np.asarray([kind.share for kind in motor.values()])
    kinds = [str(k) for k in random.choice(list(motor), size=counts["vehicle"], p=shares / shares.sum())]
    starts: dict[str, Starts] = {}
    for number, kind in enumerate([*kinds, *["bicycle"] * counts["bicycle"]]):
        depart = round(float(random.uniform(0.0, LAST_DEPART_S)), 1)
        sumo_class = VEHICLE_KINDS[kind].sumo_class
        if sumo_class not in starts:
            starts[sumo_class] = _weighted_edges(network, sumo_class, ego_xy)
        edges = _agent_edges(random, sumo_class, starts[sumo_class], scenario.duration_s)
        if edges:
            entries.append((depart, _vehicle_xml(f"v{number}", kind, depart, edges)))
    entries += _person_entries(network, random, ego_xy, counts["person"])
    body = "\n".join(text for _, text in sorted(entries, key=lambda entry: entry[0]))
    return f"<routes>\n{_types_xml(vehicle)}\n{body}\n</routes>\n"


def _types_xml(vehicle: VehicleModel) -> str:
    lines = []
    for name, kind in {**VEHICLE_KINDS, EGO_ID: ego_kind(vehicle)}.items():
        speeds = "" if "speedFactor" in kind.extra else 'speedFactor="normc(0.97,0.07,0.8,1.1)"'
        lines.append(
            f'  <vType id="{name}" vClass="{kind.sumo_class}" length="{kind.length_m}" width="{kind.width_m}" '
            f'height="{kind.height_m}" minGap="2.5" {EIDM.format(accel=kind.accel_mps2, tau=kind.tau_s)} {speeds} {kind.extra}/>'
        )
    length, width, height = PERSON_BOX_M
    lines.append(
        f'  <vType id="person" vClass="pedestrian" length="{length}" width="{width}" height="{height}" '
        f'speedFactor="normc(1.0,0.15,0.6,1.5)"/>'
    )
    return "\n".join(lines)


def _ego_edges(network: Any, random: np.random.Generator, duration_s: float) -> list[Any]:
    """Draw a walk long enough for the episode, else the longest found (the episode then ends early).

    Raises:
        SimulationError: The network has no street for cars, or no route of 120 m.
    """
    min_length = duration_s * EGO_MEAN_SPEED_MPS + EGO_ROUTE_RESERVE_M
    starts = [e for e in network.getEdges(withInternal=False) if e.allows("passenger") and e.getLength() > 25.0]
    starts = [e for e in starts if e.getFunction() == ""]
    if not starts:
        raise SimulationError("map: expected streets that cars may use, found none; choose another network")
    best: list[Any] = []
    for _ in range(60):
        walk = _walk(random, starts[int(random.integers(len(starts)))], "passenger", min_length)
        if _length(walk) > _length(best):
            best = walk
        if _length(best) >= min_length:
            return best
    if _length(best) < 120.0:
        raise SimulationError(
            f"map: expected a route of at least 120 m for the ego, the longest found has {_length(best):.0f} m"
        )
    return best


def _walk(random: np.random.Generator, start: Any, sumo_class: str, min_length_m: float) -> list[Any]:
    """Draw random edges from start, each used once, until long enough or at a dead end."""
    walk, used, length = [start], {start.getID()}, start.getLength()
    while length < min_length_m:
        options = sorted(_successors(walk[-1], sumo_class), key=lambda edge: str(edge.getID()))
        options = [e for e in options if e.getID() not in used and e.getID() != _opposite(walk[-1].getID())]
        if not options:
            break
        walk.append(options[int(random.integers(len(options)))])
        used.add(walk[-1].getID())
        length += walk[-1].getLength()
    return walk


def _successors(edge: Any, sumo_class: str) -> list[Any]:
    """Return the edges reachable by a lane for the class."""
    found = []
    for following, connections in edge.getOutgoing().items():
        usable = (c for c in connections if c.getFromLane().allows(sumo_class) and c.getToLane().allows(sumo_class))
        if following.getFunction() == "" and next(usable, None) is not None:
            found.append(following)
    return found


def _opposite(edge_id: str) -> str:
    return edge_id[1:] if edge_id.startswith("-") else f"-{edge_id}"


def _length(edges: Sequence[Any]) -> float:
    return float(sum(edge.getLength() for edge in edges))


def _nearness(edges: Sequence[Any], ego_xy_N2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a weight per edge: 1 on the ego's route, falling off with the distance of its middle from it."""
    middles = np.asarray([np.mean(edge.getShape(), axis=0) for edge in edges]).reshape(-1, 2)
    gap = np.hypot(*(middles[:, None] - ego_xy_N2[None]).transpose(2, 0, 1)).min(axis=1)
    return np.asarray(np.exp(-((gap / NEIGHBORHOOD_M) ** 2)))


def _usable_edges(network: Any, sumo_class: str) -> list[Any]:
    edges = [e for e in network.getEdges(withInternal=False) if e.getFunction() == "" and e.getLength() > 15.0]
    if sumo_class != "pedestrian":
        return [e for e in edges if e.allows(sumo_class) and e.allows("passenger")]
    return [e for e in edges if any(ln.allows("pedestrian") and not ln.allows("passenger") for ln in e.getLanes())]


def _counts(network: Any, scenario: Scenario, ego_xy_N2: NDArray[np.float64]) -> dict[str, int]:
    """Return the number of agents per kind, limited by the capacity of the streets near the ego's route."""
    total = scenario.num_agents / NEARBY_SHARE
    edges = _usable_edges(network, "passenger")
    lane_km = np.asarray([e.getLength() * sum(ln.allows("passenger") for ln in e.getLanes()) for e in edges]) / 1000.0
    densest = MAX_VEHICLES_PER_LANE_KM_OF.get(scenario.map_name, MAX_VEHICLES_PER_LANE_KM)
    room = float((lane_km * _nearness(edges, ego_xy_N2)).sum()) * densest
    counts = {name: round(total * share) for name, share in SHARES.items()}
    scale = min(1.0, room / max(1.0, counts["vehicle"] + counts["bicycle"]))
    return {
        "vehicle": int(counts["vehicle"] * scale),
        "bicycle": int(counts["bicycle"] * scale),
        "person": counts["person"] if _usable_edges(network, "pedestrian") else 0,
    }


def _weighted_edges(network: Any, sumo_class: str, ego_xy_N2: NDArray[np.float64]) -> Starts:
    """Return the edges on which a class may start and their probabilities, less the farther from the ego's route."""
    edges = _usable_edges(network, sumo_class)
    weight_E = np.asarray([e.getLength() * sum(ln.allows(sumo_class) for ln in e.getLanes()) for e in edges])
    weight_E = weight_E * (_nearness(edges, ego_xy_N2) + 1e-9)
    return edges, weight_E / weight_E.sum()


def _agent_edges(random: np.random.Generator, sumo_class: str, starts: Starts, duration_s: float) -> list[Any]:
    """Draw a long walk from edges that start it with given probabilities; empty where the class may not drive."""
    edges, probability_E = starts
    if not edges:
        return []
    min_length = (duration_s + 40.0) * EGO_MEAN_SPEED_MPS
    walks = []
    for _ in range(4):
        start = edges[int(random.choice(len(edges), p=probability_E))]
        walks.append(_walk(random, start, sumo_class, min_length))
        if _length(walks[-1]) >= min_length:
            break
    return max(walks, key=_length)


def _vehicle_xml(name: str, kind: str, depart_s: float, edges: Sequence[Any]) -> str:
    route = " ".join(edge.getID() for edge in edges)
    # On short routes the ego starts at the beginning, to use the whole length.
    position = "random_free" if _length(edges) > 800.0 or name != EGO_ID else "base"
    return (
        f'  <vehicle id="{name}" type="{kind}" depart="{depart_s:.1f}" departLane="best" departPos="{position}" '
        f'departSpeed="max"><route edges="{route}"/></vehicle>'
    )


def _person_entries(
    network: Any, random: np.random.Generator, ego_xy_N2: NDArray[np.float64], count: int
) -> list[tuple[float, str]]:
    """Return pedestrians who walk from a sidewalk near the ego's route to one 100 to 400 m away."""
    edges = _usable_edges(network, "pedestrian")
    if not edges or not count:
        return []
    weight = np.asarray([e.getLength() for e in edges]) * (_nearness(edges, ego_xy_N2) + 1e-9)
    middles = np.asarray([np.mean(edge.getShape(), axis=0) for edge in edges])
    entries = []
    for number in range(count):
        first = int(random.choice(len(edges), p=weight / weight.sum()))
        gap = np.hypot(*(middles - middles[first]).T)
        far = np.flatnonzero((gap > 100.0) & (gap < 400.0))
        last = int(random.choice(far)) if len(far) else first
        depart = round(float(random.uniform(0.0, LAST_DEPART_S)), 1)
        position = random.uniform(0.05, 0.95) * edges[first].getLength()
        entries.append(
            (
                depart,
                f'  <person id="p{number}" type="person" depart="{depart:.1f}" departPos="{position:.1f}">'
                f'<walk from="{edges[first].getID()}" to="{edges[last].getID()}"/></person>',
            )
        )
    return entries
