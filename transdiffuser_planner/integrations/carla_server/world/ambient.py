"""The server's own traffic: SUMO's road users as actors, in steps of 0.1 s, interpolated to CARLA's ticks."""

from __future__ import annotations

import math

from transdiffuser_planner.integrations.carla_server.protocol.snapshot import walker_detail
from transdiffuser_planner.integrations.carla_server.world.actors import Actor, ActorList
from transdiffuser_planner.integrations.carla_server.world.blueprint_tables import WALKERS
from transdiffuser_planner.integrations.carla_server.world.blueprints import Description, parse_description
from transdiffuser_planner.integrations.carla_server.world.frames import Transform
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.traffic.open_traffic import PERSON, STEP_S, Outsider, RoadUser
from transdiffuser_planner.simulation.traffic.open_traffic_process import OpenTrafficClient

ROLE = "ambient"
DURATION_S = 1200.0
"""How long the routes of SUMO's road users last."""
_BLUEPRINTS = {
    "small": "vehicle.nissan.micra",
    "sedan": "vehicle.toyota.prius",
    "suv": "vehicle.audi.etron",
    "van": "vehicle.mercedes.sprinter",
    "truck": "vehicle.carlamotors.european_hgv",
    "motorcycle": "vehicle.yamaha.yzf",
    "bicycle": "vehicle.bh.crossbike",
}


class AmbientTraffic:
    """Road users that the server moves; clients see them and cannot control them.

    Args:
        map_name: Of a scenario.
        count: Of road users, about.
        seed: Of their routes.

    Raises:
        SimulationError: SUMO failed.
    """

    def __init__(self, map_name: str, count: int, seed: int) -> None:
        scenario = Scenario(map_name=map_name, seed=seed, duration_s=DURATION_S, num_agents=count)
        self._traffic = OpenTrafficClient(scenario)
        self._traffic.start()
        self._time_s = self._ahead_s = 0.0
        self._before: dict[str, RoadUser] = {}
        self._after: dict[str, RoadUser] = {}
        self._actors: dict[str, Actor] = {}

    def step(self, dt_s: float, actors: ActorList, signals: dict[str, str]) -> None:
        """Advance and move the actors.

        Args:
            dt_s: Simulated time.
            actors: Receives and loses actors.
            signals: Letters of the traffic lights.
        """
        self._time_s += dt_s
        while self._ahead_s < self._time_s - 1e-9:
            self._before = self._after
            users = self._traffic.advance(_outsiders(actors), signals)
            self._after = {user.name: user for user in users}
            self._ahead_s += STEP_S
        share = 1.0 - (self._ahead_s - self._time_s) / STEP_S
        for name, after in self._after.items():
            before = self._before.get(name, after)
            actor = self._actors.get(name)
            if actor is None:
                actor = actors.add(_actor(after, actors.new_id()))
                self._actors[name] = actor
            _move(actor, before, after, share)
        for name in [name for name in self._actors if name not in self._after]:
            actors.remove(self._actors.pop(name))

    def close(self) -> None:
        """End SUMO."""
        self._traffic.close()


def _outsiders(actors: ActorList) -> list[Outsider]:
    """Return the vehicles of clients on the ground, as SUMO places vehicles."""
    found = []
    for actor in actors.of_kind("vehicle"):
        place, body = actor.transform, actor.body
        if actor.is_ambient or abs(place.z) > 2.0:
            continue
        ahead = math.radians(place.yaw)
        found.append(
            Outsider(
                name=f"outsider {actor.actor_id}",
                x_m=place.x + body.length_m / 2.0 * math.cos(ahead),
                y_m=-(place.y + body.length_m / 2.0 * math.sin(ahead)),
                heading_deg=(90.0 + place.yaw) % 360.0,
                length_m=body.length_m,
                width_m=body.width_m,
            )
        )
    return found


def _actor(user: RoadUser, actor_id: int) -> Actor:
    """Return the actor of a road user."""
    name = _BLUEPRINTS.get(user.kind) or WALKERS[actor_id % len(WALKERS)]
    plain = parse_description([0, name, []])
    attributes = {**plain.attributes, "role_name": (plain.attributes["role_name"][0], ROLE)}
    return Actor(
        actor_id=actor_id,
        description=Description(uid=plain.uid, type_id=name, attributes=attributes),
        transform=Transform(),
        is_ambient=True,
    )


def _move(actor: Actor, before: RoadUser, after: RoadUser, share: float) -> None:
    """Interpolate between two steps of SUMO."""
    turn = math.remainder(after.heading_deg - before.heading_deg, 360.0)
    yaw = math.remainder(before.heading_deg + share * turn - 90.0, 360.0)
    speed = before.speed_mps + share * (after.speed_mps - before.speed_mps)
    ahead = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    gain = (after.speed_mps - before.speed_mps) / STEP_S
    height = actor.body.height_m / 2.0 if after.kind == PERSON else 0.0
    x = before.x_m + share * (after.x_m - before.x_m)
    y = -(before.y_m + share * (after.y_m - before.y_m))
    actor.transform = Transform(x, y, height, 0.0, yaw, 0.0)
    actor.velocity = (speed * ahead[0], speed * ahead[1], 0.0)
    actor.acceleration = (gain * ahead[0], gain * ahead[1], 0.0)
    actor.turn_degps = (0.0, 0.0, turn / STEP_S)
    if after.kind == PERSON:
        actor.detail = walker_detail((ahead[0], ahead[1], 0.0), speed, is_jumping=False)
