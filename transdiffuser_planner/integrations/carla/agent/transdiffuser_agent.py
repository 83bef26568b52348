"""Agent class of CARLA's leaderboard 2.x and of Bench2Drive: give this file to their evaluators as ``--agent``.

Its settings are the YAML file of ``--agent-config`` (``agent_settings``); without one it drives the shipped model on track MAP.
"""

from __future__ import annotations

from typing import Any

import carla
from leaderboard.autoagents.autonomous_agent import AutonomousAgent, Track

from transdiffuser_planner.integrations.carla.agent.agent_core import AgentCore
from transdiffuser_planner.integrations.carla.agent.agent_settings import AgentSettings
from transdiffuser_planner.integrations.carla.route.route_guide import letter_of


def get_entry_point() -> str:
    """Return the name of the agent's class."""
    return "TransdiffuserAgent"


class TransdiffuserAgent(AutonomousAgent):  # type: ignore[misc]
    """The planner as an agent of one route."""

    _core: AgentCore | None = None

    def setup(self, path_to_conf_file: str) -> None:
        """Load model and rig.

        Args:
            path_to_conf_file: Settings; "" for the defaults.

        Raises:
            PlannerError: They cannot be used.
        """
        settings = AgentSettings.load(path_to_conf_file)
        self.track = Track[settings.track]
        plan = self._global_plan
        if not settings.has_map:  # Bench2Drive keeps all points of the plan, too, and they need no map
            plan = getattr(self, "_plan_gps_HACK", None) or plan
        state_of = self._light_in_world if settings.lights == "world" else None
        self._core = AgentCore(settings, plan, state_of)

    @property
    def core(self) -> AgentCore:
        """The agent without the leaderboard; set by ``setup``."""
        assert self._core is not None
        return self._core

    def sensors(self) -> list[dict[str, Any]]:
        """Return the sensors."""
        return self.core.sensors()

    def run_step(self, input_data: dict[str, Any], timestamp: float) -> Any:
        """Return carla.VehicleControl for a tick.

        Args:
            input_data: Name of a sensor -> (frame, value).
            timestamp: Game time in seconds.

        Raises:
            PlannerError: Data, map or model cannot be used.
        """
        controls = self.core.step(input_data, timestamp)
        return carla.VehicleControl(throttle=controls.throttle, brake=controls.brake, steer=controls.steer)

    def destroy(self) -> None:
        """Drop the model."""
        self._core = None

    @staticmethod
    def _light_in_world(name: str) -> str:
        from srunner.scenariomanager.carla_data_provider import CarlaDataProvider

        light = CarlaDataProvider.get_world().get_traffic_light_from_opendrive_id(name)
        return "o" if light is None else letter_of(light.get_state())
