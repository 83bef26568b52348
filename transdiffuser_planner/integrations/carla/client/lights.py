"""States of traffic lights in the client's world, by OpenDRIVE id."""

from __future__ import annotations

from typing import Any

from transdiffuser_planner.integrations.carla.route.route_guide import letter_of


class WorldLights:
    """Lights of one world; each is looked up once.

    Args:
        world: carla.World.
    """

    def __init__(self, world: Any) -> None:
        self._world = world
        self._actors: dict[str, Any] = {}

    def letter(self, name: str) -> str:
        """Return SUMO's letter (r, y, g, o) of a light.

        Args:
            name: OpenDRIVE id of its signal.
        """
        if name not in self._actors:
            self._actors[name] = self._world.get_traffic_light_from_opendrive_id(name)
        light = self._actors[name]
        return "o" if light is None else letter_of(light.get_state())
