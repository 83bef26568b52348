"""Traffic lights: programs of the SUMO network as functions of time, switched, frozen and timed by clients as in CARLA."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from transdiffuser_planner.integrations.carla_server.protocol.messages import CallError
from transdiffuser_planner.integrations.carla_server.protocol.snapshot import light_detail
from transdiffuser_planner.integrations.carla_server.world.actors import Actor, ActorList
from transdiffuser_planner.integrations.carla_server.world.blueprint_tables import FLOAT, STRING
from transdiffuser_planner.integrations.carla_server.world.blueprints import Description
from transdiffuser_planner.integrations.carla_server.world.frames import Transform
from transdiffuser_planner.integrations.carla_server.world.town import LaneEnd, Town

RED, YELLOW, GREEN, OFF, UNKNOWN = range(5)
_STATE_OF_LETTER = {"r": RED, "u": RED, "y": YELLOW, "Y": YELLOW, "g": GREEN, "G": GREEN, "s": RED, "o": OFF, "O": OFF}
_LETTER = {RED: "r", YELLOW: "y", GREEN: "G", OFF: "O", UNKNOWN: "O"}
TYPE_ID, UID = "traffic.traffic_light", 5000
ZONE_M = 12.0
"""A vehicle whose front is so near before the stop line stands at the light."""
HEIGHT_M = 5.0


@dataclass(kw_only=True, slots=True)
class Program:
    """Phases of one light and where it is in them.

    Attributes:
        durations_s: Of the phases.
        states: Letters of all links in each phase.
        offset_s: Time in the cycle at the episode's begin.
        clock_s: Time since then.
        is_frozen: Whether the clock stands still.
    """

    durations_s: list[float]
    states: list[str]
    offset_s: float = 0.0
    clock_s: float = 0.0
    is_frozen: bool = False

    def phase(self) -> tuple[int, float]:
        """Return the present phase and the time in it."""
        time = (self.clock_s + self.offset_s) % max(sum(self.durations_s), 1e-3)
        for index, duration in enumerate(self.durations_s):
            if time < duration:
                return index, time
            time -= duration
        return len(self.durations_s) - 1, 0.0


@dataclass(kw_only=True, slots=True)
class Head:
    """Light of one lane.

    Attributes:
        actor: In the list of actors.
        end: Of its lane.
        forced: State set by a client, or None.
        elapsed_s: Since the last change.
        state: Shown.
    """

    actor: Actor
    end: LaneEnd
    forced: int | None = None
    elapsed_s: float = 0.0
    state: int = RED
    times_s: dict[int, float] = field(default_factory=lambda: {GREEN: 10.0, YELLOW: 3.0, RED: 2.0})


class TrafficLights:
    """All lights of a town.

    Args:
        town: The map.
        actors: Receives one actor for each lane with a light.
    """

    def __init__(self, town: Town, actors: ActorList) -> None:
        self._programs = _programs(town)
        self._all_frozen = False
        self.heads: dict[int, Head] = {}
        for end in town.lane_ends:
            actor = actors.add(_head_actor(end, actors.new_id()))
            head = Head(actor=actor, end=end)
            self._read_times(head)
            self.heads[actor.actor_id] = head
        self.step(0.0)

    def step(self, dt_s: float) -> None:
        """Advance all programs.

        Args:
            dt_s: Simulated time.
        """
        for program in self._programs.values():
            if not (program.is_frozen or self._all_frozen):
                program.clock_s += dt_s
        letters = self.signals()
        for head in self.heads.values():
            text = letters.get(head.end.signal_id, "")
            state = _STATE_OF_LETTER.get(text[head.end.link : head.end.link + 1], OFF)
            state = state if head.forced is None else head.forced
            head.elapsed_s = head.elapsed_s + dt_s if state == head.state else 0.0
            head.state = state
            head.actor.detail = light_detail(
                head.end.sign_id,
                (head.times_s[GREEN], head.times_s[YELLOW], head.times_s[RED]),
                head.elapsed_s,
                is_frozen=self._is_frozen(head),
                pole=head.end.link,
                state=state,
            )

    def signals(self) -> dict[str, str]:
        """Return the letters of all lights as SUMO has them, with what clients have set."""
        letters = {name: program.states[program.phase()[0]] for name, program in self._programs.items()}
        for head in self.heads.values():
            if head.forced is not None:
                text, link = letters[head.end.signal_id], head.end.link
                letters[head.end.signal_id] = text[:link] + _LETTER[head.forced] + text[link + 1 :]
        return letters

    def at(self, x_m: float, y_m: float, heading_rad: float) -> Head | None:
        """Return the light that a vehicle stands at, or None.

        Args:
            x_m: Front of the vehicle, map frame.
            y_m: Front of the vehicle.
            heading_rad: Of the vehicle.
        """
        for head in self.heads.values():
            end = head.end
            dx, dy = end.x_m - x_m, end.y_m - y_m
            if abs(dx) > ZONE_M or abs(dy) > ZONE_M or math.cos(end.heading_rad - heading_rad) < 0.7:
                continue
            ahead = dx * math.cos(end.heading_rad) + dy * math.sin(end.heading_rad)
            aside = -dx * math.sin(end.heading_rad) + dy * math.cos(end.heading_rad)
            if -1.0 < ahead < ZONE_M and abs(aside) < end.width_m / 2.0:
                return head
        return None

    def head(self, actor_id: Any) -> Head:
        """Return the light of an actor.

        Args:
            actor_id: As it came over the network.

        Raises:
            CallError: It is no traffic light.
        """
        head = self.heads.get(actor_id) if isinstance(actor_id, int) else None
        if head is None:
            raise CallError(f"actor {str(actor_id)[:20]} is no traffic light")
        return head

    def force(self, actor_id: Any, state: Any) -> None:
        """Show a state until the light is reset.

        Args:
            actor_id: Of the light.
            state: TrafficLightState.

        Raises:
            CallError: No such light or state.
        """
        if state not in (RED, YELLOW, GREEN, OFF, UNKNOWN):
            raise CallError("set_traffic_light_state: unknown state")
        self.head(actor_id).forced = int(state)
        self.step(0.0)

    def set_time(self, actor_id: Any, state: int, seconds: float) -> None:
        """Set how long the lights of a junction stay in a state.

        Args:
            actor_id: Of one of its lights.
            state: GREEN, YELLOW or RED; red is shown between two groups.
            seconds: New duration.
        """
        head = self.head(actor_id)
        program = self._programs[head.end.signal_id]
        for index, text in enumerate(program.states):
            shown = {_STATE_OF_LETTER.get(letter, OFF) for letter in text}
            main = YELLOW if YELLOW in shown else GREEN if GREEN in shown else RED
            if main == state:
                program.durations_s[index] = max(0.1, seconds)
        for other in self.group(actor_id):
            other.times_s[state] = seconds

    def freeze(self, actor_id: Any, frozen: bool) -> None:
        """Stop or restart the program of a light.

        Args:
            actor_id: Of the light.
            frozen: Whether it keeps its state.
        """
        self._programs[self.head(actor_id).end.signal_id].is_frozen = frozen

    def freeze_all(self, frozen: bool) -> None:
        """Stop or restart all programs.

        Args:
            frozen: Whether they keep their states.
        """
        self._all_frozen = frozen

    def reset(self, actor_id: Any = None) -> None:
        """Restart the program of a light, or of all, and drop what clients have set.

        Args:
            actor_id: Of one light of the junction; None for all.
        """
        heads = list(self.heads.values()) if actor_id is None else self.group(actor_id)
        for head in heads:
            head.forced = None
            self._programs[head.end.signal_id].clock_s = 0.0
        self.step(0.0)

    def group(self, actor_id: Any) -> list[Head]:
        """Return all lights of a junction.

        Args:
            actor_id: Of one of them.
        """
        signal = self.head(actor_id).end.signal_id
        return [head for head in self.heads.values() if head.end.signal_id == signal]

    def _is_frozen(self, head: Head) -> bool:
        return self._all_frozen or head.forced is not None or self._programs[head.end.signal_id].is_frozen

    def _read_times(self, head: Head) -> None:
        program = self._programs[head.end.signal_id]
        for state in (GREEN, YELLOW, RED):
            shown = [_STATE_OF_LETTER.get(text[head.end.link : head.end.link + 1], OFF) for text in program.states]
            total = sum(d for d, s in zip(program.durations_s, shown, strict=True) if s == state)
            head.times_s[state] = float(total)


def _programs(town: Town) -> dict[str, Program]:
    found = {}
    for signal in town.network.getTrafficLights():
        program = next(iter(signal.getPrograms().values()), None)
        phases = [] if program is None else program.getPhases()
        if phases:
            found[str(signal.getID())] = Program(
                durations_s=[float(phase.duration) for phase in phases], states=[str(phase.state) for phase in phases]
            )
    count = 1 + max(
        (int(link) for s in town.network.getTrafficLights() for _, _, link in s.getConnections()), default=0
    )
    for signal in town.network.getTrafficLights():
        found.setdefault(str(signal.getID()), Program(durations_s=[1.0], states=["O" * count]))
    return found


def _head_actor(end: LaneEnd, actor_id: int) -> Actor:
    """Return the actor of a lane's light: on a pole at its right, its box across the lane before the stop line."""
    right = np.asarray([math.sin(end.heading_rad), -math.cos(end.heading_rad)])
    x, y = np.asarray([end.x_m, end.y_m]) + (end.width_m / 2.0 + 1.0) * right
    # The actor's x axis lies across the lane, to its right, as the poles of CARLA's lights stand.
    yaw = 90.0 - math.degrees(end.heading_rad)
    description = Description(
        uid=UID,
        type_id=TYPE_ID,
        attributes={
            "role_name": (STRING, "traffic_light"),
            "size": (STRING, "medium"),
            "height": (FLOAT, str(HEIGHT_M)),
        },
    )
    return Actor(
        actor_id=actor_id,
        description=description,
        transform=Transform(float(x), -float(y), 0.0, 0.0, yaw, 0.0),
        has_physics=False,
        has_collisions=False,
        box=((-(end.width_m / 2.0 + 1.0), 1.5, 1.0), (end.width_m / 2.0, 1.5, 1.0)),
    )
