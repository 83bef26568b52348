"""Figures of results as image files, by matplotlib of the extra ``plots``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.files import writing


def new_figure(width_in: float, height_in: float) -> Any:
    """Return an empty matplotlib figure.

    Args:
        width_in: Width in inches.
        height_in: Height in inches.

    Raises:
        EvaluationError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise EvaluationError(
            "plots need matplotlib; install it with: pip install 'transdiffuser_planner[plots]'"
        ) from None
    return Figure(figsize=(width_in, height_in), layout="constrained")


def save_figure(figure: Any, path: Path, dpi: int = 110) -> None:
    """Write a figure, with its folder.

    Args:
        figure: Result of ``new_figure``.
        path: PNG or SVG file.
        dpi: Pixels per inch.

    Raises:
        OutputError: It cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=dpi)
