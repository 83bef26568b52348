"""Scene filters of NAVSIM: YAML files that select logs and frames, such as navtrain.yaml and navtest.yaml of its devkit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.files import read_text


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneFilter:
    """Selection of scenes.

    Attributes:
        logs: Names of the logs; None for all.
        tokens: Names of the present frame of each scene; None for all.
    """

    logs: frozenset[str] | None
    tokens: frozenset[str] | None

    @staticmethod
    def load(path: Path) -> SceneFilter:
        """Read a filter.

        Args:
            path: File of the devkit's folder config/common/train_test_split/scene_filter.

        Raises:
            ConfigError: It cannot be read, or is none.
        """
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # navtrain has 100,000 lines
        try:
            content = yaml.load(read_text(path), loader)
        except OSError as error:
            raise ConfigError(f"scene filter {path}: cannot be read ({error.strerror})") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"scene filter {path}: not valid YAML ({str(error).splitlines()[0]})") from None
        if not isinstance(content, dict) or not {"log_names", "tokens"} & set(content):
            raise ConfigError(f"scene filter {path}: expected the keys log_names and tokens of NAVSIM's scene filters")
        return SceneFilter(logs=_names(path, content, "log_names"), tokens=_names(path, content, "tokens"))


def _names(path: Path, content: dict[str, Any], key: str) -> frozenset[str] | None:
    """A list of names; None where the filter has none.

    Raises:
        ConfigError: It is no list of texts.
    """
    values = content.get(key)
    if values is None:
        return None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ConfigError(f"scene filter {path}: {key} must be a list of names")
    return frozenset(values)
