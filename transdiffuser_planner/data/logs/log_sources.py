"""Sources of recorded drives by name: rosbag2, and those that other packages register.

A package registers a function ``(LogRequest) -> DriveLog`` in the entry-point group ``transdiffuser_planner.log_sources``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from transdiffuser_planner.core.errors import ConfigError, PlannerError, RecordingError
from transdiffuser_planner.data.logs.argoverse.read import is_argoverse, read_argoverse
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogRequest
from transdiffuser_planner.data.logs.openscene.frames import is_openscene
from transdiffuser_planner.data.logs.openscene.read import read_openscene
from transdiffuser_planner.data.logs.py123d.read import is_py123d, read_py123d
from transdiffuser_planner.data.logs.rosbag import is_rosbag, read_rosbag
from transdiffuser_planner.data.logs.scenarionet.read import is_scenario, read_scenario
from transdiffuser_planner.plugins import load_plugin, plugin_names

LogSource = Callable[[LogRequest], DriveLog]

GROUP: Final = "transdiffuser_planner.log_sources"
ROSBAG: Final = "rosbag"
OPENSCENE: Final = "openscene"
BUILT_IN: Final[dict[str, LogSource]] = {
    ROSBAG: read_rosbag,
    "argoverse2": read_argoverse,
    "py123d": read_py123d,
    OPENSCENE: read_openscene,
    "scenarionet": read_scenario,
}

_RECOGNIZED: Final[dict[str, Callable[[Path], bool]]] = {
    ROSBAG: is_rosbag,
    "argoverse2": is_argoverse,
    "py123d": is_py123d,
    OPENSCENE: is_openscene,
    "scenarionet": is_scenario,
}
_DESCRIPTIONS: Final = (
    "a rosbag2",
    "a log of Argoverse 2 (city_SE3_egovehicle.feather)",
    "a log of py123d (sync.arrow)",
    "a log of OpenScene (.pkl, as NAVSIM uses them)",
    "a scenario of ScenarioNet (.pkl)",
)


def recognize(path: Path) -> str:
    """Return the name of the source that reads a drive, by what the path holds.

    Args:
        path: Folder or file of a drive.

    Raises:
        RecordingError: Nothing is there, or no built-in source reads it.
    """
    if not path.exists():
        raise RecordingError(f"{path}: does not exist; give the folder or file of a log")
    for name, is_one in _RECOGNIZED.items():
        if is_one(path):
            return name
    raise RecordingError(
        f"{path}: expected {', '.join(_DESCRIPTIONS)}; found none of them, give the folder of one log, or --source"
    )


def source_names() -> tuple[str, ...]:
    """Return the names of all installed sources."""
    return tuple(dict.fromkeys((*BUILT_IN, *plugin_names(GROUP))))


def read_log(request: LogRequest, source: str = ROSBAG) -> DriveLog:
    """Read a recorded drive.

    Args:
        request: The drive, and the parts of it to read.
        source: One of ``source_names()``.

    Raises:
        ConfigError: The source is unknown, cannot be imported or does not return a DriveLog.
        RecordingError: The drive cannot be read.
        PlannerError: Any other error that the source raises itself.
    """
    if source == ROSBAG:
        return read_rosbag(request)
    reader = BUILT_IN.get(source)
    if reader is None:
        if source not in plugin_names(GROUP):
            raise ConfigError(f"log source '{source}': unknown; installed are {', '.join(source_names())}")
        reader = load_plugin(GROUP, source)
    try:
        log = reader(request)
    except PlannerError:
        raise
    except Exception as error:  # foreign code, and what files of others hold, can raise anything
        reason = (str(error).splitlines() or [""])[0]
        raise RecordingError(
            f"log source '{source}': {request.path} cannot be read ({type(error).__name__}: {reason})"
        ) from None
    if not isinstance(log, DriveLog):
        raise ConfigError(
            f"log source '{source}': expected a DriveLog (data/logs/drive_log.py), got {type(log).__name__}"
        )
    return log
