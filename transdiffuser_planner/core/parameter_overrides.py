"""Checks the parameters that a user gives to the planner's node: one rule, and one message, for node and replay."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.planner_config import (
    NodeConfig,
    PlannerConfig,
    check_value,
    reject_renamed_parameters,
    with_real_numbers,
)

QOS_OVERRIDES = "qos_overrides."
"""Prefix of the parameters by which ROS 2 overrides the QoS of a topic."""
QOS_POLICIES = {
    "history": ("keep_last", "keep_all", "system_default"),
    "reliability": ("reliable", "best_effort", "system_default", "best_available"),
    "durability": ("volatile", "transient_local", "system_default", "best_available"),
}
"""Policy -> its values in parameters; the depth is a number."""
ROS_PARAMETERS = ("use_sim_time", "start_type_description_service")
"""Parameters of every ROS 2 node."""


def planner_overrides(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Check the parameters that are given to the planner's node.

    Args:
        given: Parameter name -> value.
        where: Source of the values, for messages about names.

    Returns:
        Those of the planner, without the parameters of every ROS 2 node; whole numbers of real-valued parameters are
        converted.

    Raises:
        ConfigError: A name is unknown or was renamed, or a value has the wrong type or lies outside its bounds.
    """
    own = {
        name: value
        for name, value in given.items()
        if name not in ROS_PARAMETERS and not name.startswith(QOS_OVERRIDES)
    }
    for name in sorted(set(given) - set(own)):
        _check_ros(name, given[name])
    reject_renamed_parameters(own, where)
    known = [item.name for kind in (NodeConfig, PlannerConfig) for item in fields(kind)]
    unknown = sorted(set(own) - set(known))
    if unknown:
        close = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {close[0]}?" if close else "parameters of other nodes belong in sections with their names"
        raise ConfigError(f"{where}: unknown parameters {unknown}; {hint} (docs/parameters.md)")
    values = with_real_numbers(own)
    for name, value in values.items():
        check_value(name, value)
    return values


def _check_ros(name: str, value: Any) -> None:
    """Check a parameter of every ROS 2 node.

    Raises:
        ConfigError: ROS 2 would refuse the value later, or ignore it.
    """
    if name in ROS_PARAMETERS:
        if type(value) is not bool:
            raise ConfigError(f"parameter {name}: expected bool, got {value!r}")
        return
    policy = name.rpartition(".")[2]
    options = QOS_POLICIES.get(policy, ())
    if options and (not isinstance(value, str) or value.lower() not in options):
        raise ConfigError(f"parameter {name}: must be one of {', '.join(options)}, got {value!r}")
    if policy == "depth" and (type(value) is not int or value < 0):
        raise ConfigError(f"parameter {name}: must be a whole number from 0 on, got {value!r}")
