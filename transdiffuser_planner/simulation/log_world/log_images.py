"""The log's own camera images during a window, for reports. They show the human's drive and are not rendered again."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.data.logs.drive_log import LogMessage, LogRequest
from transdiffuser_planner.data.logs.log_sources import read_log
from transdiffuser_planner.messages.input_registry import CAMERA
from transdiffuser_planner.simulation.log_world.log_scenario import LogScenario
from transdiffuser_planner.simulation.log_world.recorded_world import recorded_world

INTERVAL_NS: Final = 490_000_000
"""LogImages of one camera are at least this far apart: two a second."""

LogImages = dict[str, list[tuple[int, NDArray[np.uint8]]]]
"""Camera -> (stamp in ns since the window's begin, RGB (H, W, 3)) in order of stamps."""


def log_images(scenario: LogScenario) -> LogImages:
    """Read the camera images that were recorded during a window; images that cannot be decoded are left out.

    Args:
        scenario: The window.

    Raises:
        PlannerError: The log cannot be read.
    """
    world = recorded_world(scenario.place)
    stretch, first = world.stretch_at(scenario.begin_s)
    begin_ns = stretch.begin_ns + 100_000_000 * first
    found: LogImages = {}

    def take(message: LogMessage) -> None:
        since_ns = message.stamp_ns - begin_ns
        if message.name != CAMERA.name or not 0 <= since_ns <= scenario.duration_s * 1e9:
            return
        own = found.setdefault(message.camera, [])
        if own and since_ns - own[-1][0] < INTERVAL_NS:
            return
        try:
            rgb_HW3 = message.decode().rgb_HW3
        except InputError:
            return
        own.append((since_ns, np.ascontiguousarray(rgb_HW3[:, ::-1]) if world.is_mirrored else rgb_HW3))

    place = scenario.place
    read_log(LogRequest(path=place.path, topics=place.topics, on_input=take), place.source)
    return {camera: frames for camera, frames in found.items() if frames}
