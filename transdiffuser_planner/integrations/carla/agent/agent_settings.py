"""Settings of the leaderboard agent: a YAML file, given as ``--agent-config``; an empty name means the defaults."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.files import read_text
from transdiffuser_planner.core.planner_config import DEFAULT_MODEL, PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.params import RIGS

TRACKS = ("MAP", "SENSORS", "MAP_QUALIFIER", "SENSORS_QUALIFIER")
LIGHTS = ("none", "world")
_NAME_SEPARATOR = "+"
"""Bench2Drive appends the name of the results after it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentSettings:
    """Settings of one agent.

    Attributes:
        model: Name or folder.
        rig: Rig file of vehicle and sensors.
        track: Track of the leaderboard: with the map, or without it.
        lights: States of traffic lights: none, or read from the simulator, which the leaderboard's rules do not permit.
        plan_every: Ticks of 20 Hz between plans.
        parameters: Of the planner, by name.

    Raises:
        ConfigError: A value is of another kind.
    """

    model: str = DEFAULT_MODEL
    rig: str = str(RIGS / "carla_mkz.yaml")
    track: str = "MAP"
    lights: str = "none"
    plan_every: int = 2
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, choices in (("track", TRACKS), ("lights", LIGHTS)):
            if getattr(self, name) not in choices:
                raise ConfigError(f"agent: {name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}")
        if not isinstance(self.plan_every, int) or not 1 <= self.plan_every <= 4:
            raise ConfigError(f"agent: plan_every must lie in 1 .. 4 ticks, got {self.plan_every!r}")
        if not isinstance(self.parameters, dict):
            raise ConfigError(f"agent: parameters must be a mapping, got {self.parameters!r}")

    @property
    def has_map(self) -> bool:
        """Whether the track gives the OpenDRIVE map."""
        return self.track.startswith("MAP")

    def load_rig(self) -> Rig:
        """Read the rig file.

        Raises:
            ConfigError: It cannot be used.
        """
        return Rig.load(self.rig)

    def config(self) -> PlannerConfig:
        """Return the planner's configuration.

        Raises:
            ConfigError: A parameter is unknown or out of bounds.
        """
        return PlannerConfig.from_dict(self.parameters)

    @staticmethod
    def load(path: str) -> AgentSettings:
        """Read settings.

        Args:
            path: YAML file, empty for the defaults; what follows a plus sign is left out.

        Raises:
            ConfigError: The file cannot be read, or a key or value is wrong.
        """
        path = str(path).partition(_NAME_SEPARATOR)[0]
        if not path:
            return AgentSettings()
        try:
            data = yaml.safe_load(read_text(Path(path)))
        except OSError as error:
            raise ConfigError(f"agent settings {path}: cannot be read ({error.strerror})") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"agent settings {path}: not valid YAML ({str(error).splitlines()[0]})") from None
        known = [item.name for item in fields(AgentSettings)]
        if not isinstance(data or {}, dict) or set(data or {}) - set(known):
            raise ConfigError(f"agent settings {path}: expected a mapping with keys among {', '.join(known)}")
        return AgentSettings(**(data or {}))
