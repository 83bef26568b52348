"""Reads the node's ROS 2 parameter file, so that a replay plans with the settings of the vehicle."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.planner_config import PlannerConfig, reject_renamed_parameters
from transdiffuser_planner.replay.checks.yaml_file import load_mapping

NODE = "transdiffuser_planner"
_KEY = "ros__parameters"
_ROS_ONLY = ("use_sim_time", "shadow")


def node_parameters(path: Path) -> dict[str, Any]:
    """Read planner parameters, "model" and "rig" from a ROS 2 parameter file.

    Args:
        path: YAML file with a section for the node.

    Returns:
        Parameter name -> value, without those that only ROS reads.

    Raises:
        ConfigError: The file is wrong, has no section for the node, or an unknown parameter, or one that was renamed.
    """
    data = load_mapping(path, "parameter file")
    section = next((data[name] for name in (NODE, f"/{NODE}", "/**") if name in data), None)
    values = section.get(_KEY) if isinstance(section, dict) else None
    if not isinstance(values, dict):
        raise ConfigError(f"parameter file {path}: expected {NODE}: {_KEY}: with the node's parameters")
    reject_renamed_parameters(map(str, values), f"parameter file {path}")
    known = {item.name for item in fields(PlannerConfig)} | {"model", "rig", *_ROS_ONLY}
    unknown = sorted(map(str, set(values) - known))
    if unknown:
        raise ConfigError(f"parameter file {path}: unknown parameters {unknown}; see docs/parameters.md")
    return {name: value for name, value in values.items() if name not in _ROS_ONLY}
