"""Reads the node's ROS 2 parameter file, so that a replay plans with the settings of the vehicle."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.parameter_overrides import QOS_OVERRIDES, planner_overrides
from transdiffuser_planner.replay.parameter_file import Sections, absolute, matches, parameters_of, read_sections

NODE = "transdiffuser_planner"
_START = ("shadow",)
"""Parameters of the node that a replay has no use for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeParameters:
    """Parameters of one node.

    Attributes:
        node: Its fully qualified name.
        values: Planner parameters, "model" and "rig" by name.
        qos: Overrides of QoS by the names of ROS 2 parameters.
    """

    node: str = f"/{NODE}"
    values: dict[str, Any] = field(default_factory=dict)
    qos: dict[str, Any] = field(default_factory=dict)


def node_parameters(path: Path, node: str | None = None) -> NodeParameters:
    """Read the parameters of the planner's node from a ROS 2 parameter file, as ROS 2 reads it.

    Args:
        path: YAML file with a section for the node.
        node: Fully qualified name of the node; by default the only node in the file that is called
            ``transdiffuser_planner``, in any namespace.

    Returns:
        Its parameters.

    Raises:
        ConfigError: The file is wrong, has no section for the node or different ones for several nodes, or an unknown or
            renamed parameter, or a value out of bounds.
    """
    where = f"parameter file {path}"
    sections = read_sections(path)
    names = [f"/{node.strip('/')}"] if node else _planners(sections)
    if not any(matches(section, name) for section in sections for name in names):
        there = ", ".join(sections) or "none at all"
        raise ConfigError(
            f"{where}: no section for the node {node or NODE}; there are {there}; expected {NODE}: ros__parameters:, "
            "or give the node's full name with --node"
        )
    given = {name: parameters_of(sections, name) for name in names}
    if any(values != given[names[0]] for values in given.values()):
        raise ConfigError(f"{where}: different parameters for {', '.join(names)}; give one of them with --node")
    values = planner_overrides(given[names[0]], where)
    return NodeParameters(
        node=names[0],
        values={name: value for name, value in values.items() if name not in _START},
        qos={name: value for name, value in given[names[0]].items() if name.startswith(QOS_OVERRIDES)},
    )


def _planners(sections: Sections) -> list[str]:
    """Return the full names that planners may have, given a file's sections: those in it, and an example per wildcard."""
    names = list(dict.fromkeys(map(absolute, sections)))
    exact = [name for name in names if "*" not in name and name.rpartition("/")[2] == NODE]
    found = list(exact)
    for section in names:
        if "*" in section and not any(matches(section, name) for name in exact):
            namespace = section.rpartition("/")[0].replace("/**", "").replace("/*", "/any")
            examples = (f"/{NODE}", f"{namespace}/{NODE}", f"{namespace}/any/{NODE}")
            found += [name for name in examples if matches(section, name)][:1]
    return list(dict.fromkeys(found)) or [f"/{NODE}"]
