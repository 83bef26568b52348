"""A diffusion planner for automated driving: cameras, LiDAR and odometry in, a checked trajectory out."""

import os
from pathlib import Path
from typing import Any

_NAME = "transdiffuser_planner"

# Libraries that report to their makers unless they are stopped before they are imported; child processes inherit it.
NO_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1", "RAY_USAGE_STATS_ENABLED": "0"}
os.environ.update(NO_TELEMETRY)


def __getattr__(name: str) -> Any:
    """Return ``__version__``, looked up on first use: at every import it would cost time on the vehicle.

    Args:
        name: Of the attribute.

    Raises:
        AttributeError: Any other name.
    """
    if name == "__version__":
        return _version()
    raise AttributeError(f"module {_NAME!r} has no attribute {name!r}")


def _version() -> str:
    """The version in the checkout's pyproject.toml, which an editable install may be older than, else the installed one."""
    import importlib.metadata
    import re

    project = Path(__file__).resolve().parents[1] / "pyproject.toml"
    if project.is_file():
        text = project.read_text(encoding="utf-8")
        found = re.search(r'^version = "(.+)"$', text, re.MULTILINE)
        if found is not None and f'name = "{_NAME}"' in text:
            return found[1]
    return importlib.metadata.version(_NAME)
