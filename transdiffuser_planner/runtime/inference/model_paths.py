"""Locates model folders: in the checkout, or below share/ of an installation."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from transdiffuser_planner.core.errors import ModelError

PACKAGE = "transdiffuser_planner"


def model_folder(model: str | Path) -> Path:
    """Return the folder of a model.

    Args:
        model: Name ("tiny") or path.

    Raises:
        ModelError: Neither a folder nor a known name.
    """
    if Path(model).is_dir():
        return Path(model)
    prefixes = [Path(text) for text in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if text]
    roots = [Path(__file__).resolve().parents[3] / "models"]
    roots += [prefix / "share" / PACKAGE / "models" for prefix in (*prefixes, Path(sys.prefix))]
    for root in roots:
        if (root / model).is_dir():
            return root / model
    known = sorted({folder.name for root in roots if root.is_dir() for folder in root.iterdir() if folder.is_dir()})
    raise ModelError(
        f"model '{model}': no such folder and no model of that name; known are {', '.join(known) or 'none'}"
    )
