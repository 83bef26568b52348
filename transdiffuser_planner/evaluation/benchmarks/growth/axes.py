"""Axes along which the planning cycle is measured: one size changes, all others stay as shipped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig

NUM_AGENTS: Final = 6
"""Agents around the ego on all axes but their own."""
SIZES: Final = {
    "candidates": (10, 20, 30, 60, 120),
    "agents": (0, 2, 4, 8, 16, 32),
    "cameras": (1, 2, 3, 4, 5, 6),
    "steps": (1, 2, 3, 5, 10),
    "threads": (1, 2, 3, 4),
}
QUICK_SIZES: Final = {
    "candidates": (10, 30),
    "agents": (0, 4),
    "cameras": (1, 2),
    "steps": (1, 2),
    "threads": (1, 2),
}
TITLES: Final = {
    "candidates": "candidates",
    "agents": "agents",
    "cameras": "cameras",
    "steps": "denoise steps",
    "threads": "threads",
}
RANDOM_WEIGHTS: Final = ("agents", "cameras")
"""Axes with sizes that the shipped model does not have: all their points use random weights of its architecture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GrowthPoint:
    """A planner of one size.

    Attributes:
        size: Value on the axis.
        model: Model folder.
        rig: The vehicle's sensors.
        config: The planner's configuration.
        num_agents: Agents around the ego.
    """

    size: int
    model: Path
    rig: Rig
    config: PlannerConfig
    num_agents: int = NUM_AGENTS


class MakeModel(Protocol):
    """Makes a model folder with random weights of the shipped architecture; see ``training.export.sized_model``."""

    def __call__(self, *, num_agents: int | None = None, rig: Rig | None = None) -> Path:
        """Return a folder for so many agents, or whose view is that of a rig's cameras."""


def points(
    axis: str,
    sizes: tuple[int, ...],
    model: Path,
    rig: Rig,
    config: PlannerConfig,
    make_model: MakeModel,
    advance: Callable[[], object] = lambda: None,
) -> list[GrowthPoint]:
    """Return the planners of an axis.

    Args:
        axis: A key of ``SIZES``.
        sizes: Values on it.
        model: The shipped model, for axes that it can follow.
        rig: Its rig.
        config: Settings of the other sizes.
        make_model: Makes models of other sizes.
        advance: Called after every point.
    """
    found = []
    for size in sizes:
        point = GrowthPoint(size=size, model=model, rig=rig, config=config)
        if axis == "candidates":
            point = replace(point, config=replace(config, num_candidates=size))
        elif axis == "steps":
            point = replace(point, config=replace(config, num_denoise_steps=size))
        elif axis == "threads":
            point = replace(point, config=replace(config, num_threads=size))
        elif axis == "agents":
            point = replace(point, num_agents=size, model=make_model(num_agents=max(size, 8)))
        else:
            cameras = camera_rig(rig, size)
            point = replace(point, rig=cameras, model=make_model(rig=cameras))
        found.append(point)
        advance()
    return found


CAMERA_COLUMNS: Final = 160
_YAWS_RAD: Final = (0.0, 0.78, -0.78, 1.56, -1.56, 2.34)


def camera_rig(rig: Rig, num_cameras: int) -> Rig:
    """Return a rig with 1 to 6 cameras like the first of a rig, 160 columns each, side by side without overlap.

    Args:
        rig: Rig with a camera and everything else.
        num_cameras: Number of cameras.
    """
    first = rig.cameras[0]
    cameras = [
        replace(first, name=f"camera_{index}", width=CAMERA_COLUMNS, cx=CAMERA_COLUMNS / 2, yaw_rad=yaw_rad)
        for index, yaw_rad in enumerate(_YAWS_RAD[:num_cameras])
    ]
    return replace(rig, cameras=tuple(sorted(cameras, key=lambda camera: -camera.yaw_rad)))
