"""Mapping from the planner's inputs to topics of a bag or vehicle."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

import yaml

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.files import read_text
from transdiffuser_planner.core.rig import BAG_RIG_NAME
from transdiffuser_planner.params import RIGS, TOPICS

OWN_TOPICS = "topics.yaml"
"""Topic map in the folder of a bag, as `transdiffuser import` writes it; its rig lies next to it."""
DEFAULT_PRESET = "carla"


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicMap:
    """Topic names; an empty name means an absent input.

    Attributes:
        images, camera_infos: Rig camera name -> topic of its images and of its CameraInfo.
        lidar, odometry, acceleration, route, command, speed_limit, traffic_signal, action_tokens: The planner's other
            inputs.
        objects, map: Ground truth for training labels and scoring.
    """

    images: dict[str, str] = field(default_factory=dict)
    camera_infos: dict[str, str] = field(default_factory=dict)
    lidar: str = ""
    odometry: str = ""
    acceleration: str = ""
    route: str = ""
    command: str = ""
    speed_limit: str = ""
    traffic_signal: str = ""
    action_tokens: str = ""
    objects: str = ""
    map: str = ""

    @staticmethod
    def load(path: str | Path) -> TopicMap:
        """Read a mapping from YAML.

        Args:
            path: The topic file.

        Raises:
            ConfigError: Unreadable file, unknown key or wrong type.
        """
        try:
            data = yaml.safe_load(read_text(path))
        except OSError as error:
            raise ConfigError(f"topic file {path}: cannot be read ({error.strerror})") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"topic file {path}: not valid YAML ({str(error).splitlines()[0]})") from None
        known = {item.name: item for item in fields(TopicMap)}
        if not isinstance(data, dict) or set(data) - set(known):
            raise ConfigError(f"topic file {path}: expected a mapping with keys among {sorted(known)}")
        for name, value in data.items():
            mapping = name in ("images", "camera_infos")
            if not isinstance(value, dict if mapping else str):
                raise ConfigError(f"topic file {path}: '{name}' must be {'a mapping' if mapping else 'a topic name'}")
        return TopicMap(**data)

    def all_topics(self) -> set[str]:
        """Return all topics of the map."""
        single = {getattr(self, item.name) for item in fields(self) if item.name not in ("images", "camera_infos")}
        return (single | set(self.images.values()) | set(self.camera_infos.values())) - {""}


def own_files(bag: Path) -> tuple[Path, Path] | None:
    """Return topic map and rig that lie in a bag's folder, or None without both.

    Args:
        bag: Folder or file of a bag.
    """
    topics, rig = _places(bag)
    return (topics, rig) if topics.is_file() and rig.is_file() else None


def _places(bag: Path) -> tuple[Path, Path]:
    """Where a bag's folder has its topic map and rig, if any."""
    folder = bag if bag.is_dir() else bag.parent
    return folder / OWN_TOPICS, folder / BAG_RIG_NAME


def files_for(bag: Path, preset: str | None) -> tuple[Path, Path]:
    """Return topic map and rig of a bag: of a preset where one is given, else its own, each else of ``DEFAULT_PRESET``.

    Args:
        bag: Folder or file of a bag.
        preset: Name of a preset, or None.

    Raises:
        ConfigError: No such preset; names the existing ones.
    """
    topics, rig = preset_files(preset or DEFAULT_PRESET)
    own_topics, own_rig = _places(bag)
    if preset is None:
        topics, rig = own_topics if own_topics.is_file() else topics, own_rig if own_rig.is_file() else rig
    return topics, rig


def preset_files(name: str) -> tuple[Path, Path]:
    """Return the files of a preset: topic map and rig.

    Args:
        name: One of the files in ``params/topics`` without ``.yaml``.

    Raises:
        ConfigError: No such preset; names the existing ones.
    """
    topics, rig = TOPICS / f"{name}.yaml", RIGS / f"{name}.yaml"
    if not topics.is_file() or not rig.is_file():
        known = sorted(path.stem for path in TOPICS.glob("*.yaml"))
        raise ConfigError(f"preset '{name}' does not exist; known are {', '.join(known)}")
    return topics, rig
