"""ROS parameters generated from the typed configuration: names, defaults, descriptions and bounds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.planner_config import (
    RENAMED_PARAMETERS,
    NodeConfig,
    PlannerConfig,
    reject_renamed_parameters,
)
from transdiffuser_planner.params import RIGS

RELOAD_FIELDS = ("backend", "provider", "strict_provider", "num_threads", "precision")
"""Fields that take effect when the model is loaded again (service ``~/reload_model``); everything else with the next cycle."""


def declare_config(node: Node) -> None:
    """Declare every field of PlannerConfig with description, unit and bounds.

    Args:
        node: Declares them.

    Raises:
        ConfigError: An override is invalid.
    """
    for item in fields(PlannerConfig):
        data = item.metadata
        unit = f" [{data['unit']}]" if data["unit"] else ""
        descriptor = ParameterDescriptor(description=data["text"] + unit)
        if "minimum" in data and isinstance(item.default, float):
            bounds = FloatingPointRange(from_value=float(data["minimum"]), to_value=float(data["maximum"]), step=0.0)
            descriptor.floating_point_range = [bounds]
        elif "minimum" in data:
            span = IntegerRange(from_value=int(data["minimum"]), to_value=int(data["maximum"]), step=1)
            descriptor.integer_range = [span]
        elif data.get("options"):
            descriptor.additional_constraints = f"one of {', '.join(data['options'])}"
        _declare(node, item.name, item.default, descriptor)


def declare_node(node: Node) -> None:
    """Declare every field of NodeConfig: model, rig and start behavior.

    Args:
        node: Declares them.

    Raises:
        ConfigError: An override is invalid.
    """
    for item in fields(NodeConfig):
        default = str(RIGS / item.default) if item.name == "rig" else item.default
        _declare(node, item.name, default, ParameterDescriptor(description=item.metadata["text"]))


def declare_text(node: Node, name: str, default: str, text: str) -> None:
    """Declare a text parameter of another node.

    Args:
        node: Declares it.
        name: Parameter name.
        default: Default value.
        text: Description.

    Raises:
        ConfigError: The override is invalid.
    """
    _declare(node, name, default, ParameterDescriptor(description=text))


def _declare(node: Node, name: str, default: Any, descriptor: ParameterDescriptor) -> None:
    from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException

    try:
        node.declare_parameter(name, default, descriptor)
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        raise ConfigError(f"parameter {name}: {error}") from None


def config_of(node: Node) -> PlannerConfig:
    """Return the configuration that the node's parameters state.

    Args:
        node: A node with declared parameters.

    Raises:
        ConfigError: Values contradict each other, or an override has the name that a parameter had earlier.
    """
    reject_renamed_parameters([name for name in RENAMED_PARAMETERS if _is_overridden(node, name)], "ROS parameters")
    return PlannerConfig.from_dict({item.name: node.get_parameter(item.name).value for item in fields(PlannerConfig)})


def _is_overridden(node: Node, name: str) -> bool:
    """Whether the user gave a value for a parameter that does not exist: ROS 2 ignores it without a message."""
    node.declare_parameter(name, descriptor=ParameterDescriptor(dynamic_typing=True))
    value = node.get_parameter(name).value
    node.undeclare_parameter(name)
    return value is not None


def changed_config(config: PlannerConfig, parameters: Iterable[Parameter]) -> tuple[PlannerConfig, SetParametersResult]:
    """Apply a set-parameters request to a configuration.

    Args:
        config: Before the request.
        parameters: Requested values; names of other parameters are ignored.

    Returns:
        The new configuration, or the old one when a value is invalid, and the answer to the request.
    """
    names = {item.name for item in fields(PlannerConfig)}
    changes = {parameter.name: parameter.value for parameter in parameters if parameter.name in names}
    try:
        changed = replace(config, **changes)
    except ConfigError as error:
        return config, SetParametersResult(successful=False, reason=str(error))
    after_reload = [name for name in RELOAD_FIELDS if name in changes]
    reason = f"{', '.join(after_reload)}: in use after ~/reload_model" if after_reload else ""
    return changed, SetParametersResult(successful=True, reason=reason)
