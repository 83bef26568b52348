"""Options that set parameters of the planner: "--set NAME=VALUE"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transdiffuser_planner.core.errors import ConfigError


def parameters(texts: Sequence[str], own_options: Sequence[str] = ()) -> tuple[tuple[str, Any], ...]:
    """Read parameters of "NAME=VALUE".

    Args:
        texts: As given.
        own_options: Parameters with options of their own.

    Raises:
        ConfigError: A text is none, or a name or value is refused.
    """
    import yaml

    from transdiffuser_planner.core.parameter_overrides import planner_overrides

    given: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if name in own_options:
            raise ConfigError(f"--set {text}: use --{name}")
        if not equals:
            raise ConfigError(f"--set {text}: expected NAME=VALUE of a planner parameter, as sampler=ddpm")
        try:
            given[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigError(f"--set {text}: the value cannot be read; quote it") from None
    return tuple(sorted(planner_overrides(given, "--set").items()))
