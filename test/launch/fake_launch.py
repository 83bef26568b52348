"""A fake of launch and launch_ros: executes a launch file where neither is installed and records the started actions."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@dataclass
class Recorded:
    """An action or substitution: its class and arguments."""

    kind: str
    positional: tuple[Any, ...]
    named: dict[str, Any] = field(default_factory=dict)


MODULES = {
    "launch": ["LaunchDescription"],
    "launch.actions": ["DeclareLaunchArgument", "ExecuteProcess", "IncludeLaunchDescription", "Shutdown"],
    "launch.launch_description_sources": ["PythonLaunchDescriptionSource"],
    "launch.substitutions": ["LaunchConfiguration", "PathJoinSubstitution", "ThisLaunchFileDir"],
    "launch_ros": [],
    "launch_ros.actions": ["Node"],
    "launch_ros.substitutions": ["ExecutableInPackage"],
}


def description(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Recorded]:
    """The actions of a launch file."""
    for name, kinds in MODULES.items():
        module = ModuleType(name)
        for kind in kinds:
            setattr(module, kind, _recorder(kind))
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location(path.name.replace(".", "_"), path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.generate_launch_description().positional[0])


def _recorder(kind: str) -> Any:
    return lambda *positional, **named: Recorded(kind, positional, named)


def defaults(actions: list[Recorded], folder: Path) -> dict[str, str]:
    """Launch argument -> default, files in the launch folder by their path."""
    found = {}
    for action in actions:
        if action.kind == "DeclareLaunchArgument":
            value = action.named["default_value"]
            found[action.positional[0]] = value if isinstance(value, str) else str(folder / value.positional[0][1])
    return found


def command(action: Recorded, values: dict[str, str]) -> list[str]:
    """Executable and arguments of a Node or ExecuteProcess, with launch arguments filled in."""
    words = [action.named["executable"], *action.named["arguments"]] if action.kind == "Node" else action.named["cmd"]
    named = []
    for word in words:
        if isinstance(word, Recorded):
            word = values[word.positional[0]] if word.kind == "LaunchConfiguration" else word.named["executable"]
        named.append(word)
    return named
