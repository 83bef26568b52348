"""Plots a model's candidates for the same samples without tokens and with tokens of other maneuvers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.contract import BevClass
from transdiffuser_planner.reports.figures import new_figure, save_figure

MAX_SAMPLES, MANEUVERS = 3, 3
_COLORS = {
    BevClass.BACKGROUND: "#eef0ec",
    BevClass.ROAD: "#b9bec4",
    BevClass.WALKWAY: "#dcd8cc",
    BevClass.CENTER_LINE: "#f5f5f5",
    BevClass.VEHICLE: "#5b6b7d",
    BevClass.PERSON: "#c0563f",
}


def plot_instructed(instructed: Sequence[dict[str, Any]], range_m: float, path: Path) -> bool:
    """Plot the samples with most other possible maneuvers, one row each.

    Args:
        instructed: As ``instructed_candidates.instructed_candidates`` returns it.
        range_m: Half the edge length of the bird's-eye labels.
        path: File to write, PNG or SVG.

    Returns:
        Whether there was anything to draw.

    Raises:
        EvaluationError: matplotlib is not installed.
    """
    samples: dict[int, list[dict[str, Any]]] = {}
    for item in instructed:
        if not item["logged"]:
            samples.setdefault(item["sample"], []).append(item)
    most = sorted(samples.values(), key=lambda items: -len(items))[:MAX_SAMPLES]
    if not most:
        return False
    figure = new_figure(3.0 * (MANEUVERS + 1), 3.2 * len(most))
    grid = figure.subplots(len(most), MANEUVERS + 1, squeeze=False)
    for axes, items in zip(grid, most, strict=True):
        _panel(axes[0], items[0], "without", "without tokens", range_m)
        for axis, item in zip(axes[1:], items, strict=False):
            _panel(axis, item, "with", f"tokens: {item['maneuver']}", range_m)
        for axis in axes[1 + len(items) :]:
            axis.axis("off")
    save_figure(figure, path, dpi=90)
    return True


def _panel(axis: Any, item: dict[str, Any], which: str, title: str, range_m: float) -> None:
    """Plot the bird's-eye label with x ahead and y left, all candidates, and the instructed trajectory dashed."""
    from matplotlib.colors import ListedColormap

    colors = ListedColormap([_COLORS[kind] for kind in BevClass])
    extent = (range_m, -range_m, -range_m, range_m)
    axis.imshow(item["bev"], cmap=colors, vmin=0, vmax=len(BevClass) - 1, extent=extent, interpolation="nearest")
    for plan_T3 in item[which]:
        path = np.concatenate([np.zeros((1, 3)), plan_T3])
        axis.plot(path[:, 1], path[:, 0], color="#1f6fb2", linewidth=0.8, alpha=0.5)
    if which == "with":
        instructed = np.concatenate([np.zeros((1, 3)), item["instructed"]])
        axis.plot(instructed[:, 1], instructed[:, 0], "--", color="#d1495b", linewidth=1.6)
    axis.plot(0.0, 0.0, marker="^", color="black", markersize=6)
    axis.set_xlim(20.0, -20.0)
    axis.set_ylim(-8.0, 32.0)
    axis.set_title(title, fontsize=9)
    axis.set_xticks([])
    axis.set_yticks([])
