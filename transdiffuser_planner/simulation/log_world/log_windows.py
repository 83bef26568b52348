"""The windows of a log as scenarios, with the sensors that are simulated in them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.rig import CameraMount, Rig
from transdiffuser_planner.simulation.log_world.log_scenario import LogPlace, LogScenario, window_begins_s
from transdiffuser_planner.simulation.log_world.recorded_world import RecordedWorld, recorded_world

FOCAL_PX: Final = 220.0
"""Images are simulated no finer than this: planners reduce them to about 200 pixels of focal length anyway."""
VIEW_RAD: Final = 1.2
"""Planners look ahead and to the sides; cameras that see nothing nearer to straight ahead than this are not simulated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowChoice:
    """Which windows of a log to drive, and how.

    Attributes:
        window_s: Length of each.
        stride_s: From begin to begin.
        reactive: Whether recorded vehicles yield to the ego.
        rig: Vehicle and sensors instead of the log's own.
        default_rig: Of logs without calibration.
        assume_signals: As in LogScenario.
    """

    window_s: float
    stride_s: float
    reactive: bool
    rig: Rig | None
    default_rig: Rig
    assume_signals: bool = True


def log_scenarios(place: LogPlace, choice: WindowChoice, first_number: int) -> tuple[list[LogScenario], list[str]]:
    """Return the windows of a log.

    Args:
        place: The log.
        choice: Which windows.
        first_number: Number of the first one; windows of several logs have different numbers.

    Returns:
        The windows, and one line for each thing that is missing in the log and that its drives go on without.

    Raises:
        SimulationError: The log is shorter than a window, or does not hold what a world needs.
        PlannerError: The log cannot be read.
    """
    world = recorded_world(place)
    longest_s = max(stretch.length_s for stretch in world.stretches)
    if longest_s < choice.window_s - 1e-6:
        raise SimulationError(
            f"log {world.name}: {longest_s:.1f} s without a gap, shorter than a window of {choice.window_s:g} s; "
            f"give --window {math.floor(longest_s * 10.0) / 10.0:g}"
        )
    begins = [
        round(stretch.begin_s + begin, 1)
        for stretch in world.stretches
        for begin in window_begins_s(stretch.length_s, choice.window_s, choice.stride_s)
    ]
    lines, rig, fingerprint = _missing(world, choice), _rig(world, choice), place.fingerprint()
    scenarios = [
        LogScenario(
            map_name=f"{world.name} {begin_s:.1f} s",
            seed=first_number + number,
            duration_s=choice.window_s,
            place=place,
            fingerprint=fingerprint,
            begin_s=begin_s,
            reactive=choice.reactive,
            rig=rig,
            assume_signals=choice.assume_signals,
        )
        for number, begin_s in enumerate(begins)
    ]
    return scenarios, lines


def log_scenario(
    place: LogPlace, choice: WindowChoice, begin_s: float, duration_s: float | None
) -> tuple[LogScenario, list[str]]:
    """Return one window of a log.

    Args:
        place: The log.
        choice: How to drive it; its lengths are not used.
        begin_s: Since the log's begin.
        duration_s: Length; None for the rest of the log until its next gap.

    Returns:
        The window, and the lines of ``log_scenarios``.

    Raises:
        SimulationError: The log ends before the window does, or does not hold what a world needs.
        PlannerError: The log cannot be read.
    """
    world = recorded_world(place)
    begin_s = round(begin_s, 1)
    stretch, first = world.stretch_at(begin_s)
    rest_s = round(stretch.length_s - 0.1 * first, 1)
    scenario = LogScenario(
        map_name=f"{world.name} {begin_s:.1f} s",
        seed=0,
        duration_s=rest_s if duration_s is None else duration_s,
        place=place,
        fingerprint=place.fingerprint(),
        begin_s=begin_s,
        reactive=choice.reactive,
        rig=_rig(world, choice),
        assume_signals=choice.assume_signals,
    )
    if scenario.duration_s > rest_s + 1e-6:
        raise SimulationError(
            f"log {world.name}: goes on for {rest_s:g} s after {begin_s:g} s, shorter than --duration {duration_s:g}; leave it out"
        )
    return scenario, _missing(world, choice)


def _missing(world: RecordedWorld, choice: WindowChoice) -> list[str]:
    """One line of what the source left out, and one for each reduction of the world."""
    texts = [] if not world.log.notes else ["; ".join(world.log.notes)]
    texts += world.reductions
    if not world.has_signals:
        texts.append(
            "no traffic signals are recorded; "
            + (
                "where the human waits at a free junction one is assumed"
                if choice.assume_signals
                else "none is assumed"
            )
        )
    if choice.rig is None and not (world.log.rig is not None and world.log.rig.cameras):
        texts.append("no calibrated cameras; the sensors of the default rig are simulated")
    return [f"log {world.name}: {text}" for text in texts]


def _rig(world: RecordedWorld, choice: WindowChoice) -> Rig:
    """The rig of the drives: the given one, else the log's own, else the default one on the log's vehicle."""
    own = world.log.rig
    if choice.rig is not None:
        return simulated_rig(choice.rig)
    if own is not None and own.cameras:
        return simulated_rig(own)
    return simulated_rig(choice.default_rig if own is None else replace(choice.default_rig, vehicle=own.vehicle))


def simulated_rig(rig: Rig) -> Rig:
    """Return the rig with the cameras that planners use, in the resolution that they use.

    Args:
        rig: As calibrated.
    """
    cameras = tuple(_reduced(camera) for camera in rig.cameras if _looks_ahead(camera))
    if not cameras and rig.lidar is None:
        cameras = tuple(_reduced(camera) for camera in rig.cameras)
    return replace(rig, cameras=cameras)


def _reduced(camera: CameraMount) -> CameraMount:
    scale = min(1.0, FOCAL_PX / camera.fx)
    if scale == 1.0:
        return camera
    width, height = max(1, round(camera.width * scale)), max(1, round(camera.height * scale))
    across, down = width / camera.width, height / camera.height
    return replace(
        camera,
        width=width,
        height=height,
        fx=camera.fx * across,
        fy=camera.fy * down,
        cx=camera.cx * across,
        cy=camera.cy * down,
    )


def _looks_ahead(camera: CameraMount) -> bool:
    ahead = camera.base_from_sensor()[:3, 0]
    yaw_rad = abs(math.atan2(ahead[1], ahead[0]))
    return yaw_rad - math.atan(0.5 * camera.width / camera.fx) < VIEW_RAD
