"""Records the human's drive through a window as a bag of the simulator: its sensors are simulated, not the log's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from transdiffuser_planner.core.files import PARTIAL, writing
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.messages.definitions import make_message
from transdiffuser_planner.simulation.log_world.log_episode import LogEpisode
from transdiffuser_planner.simulation.log_world.log_scenario import LogScenario
from transdiffuser_planner.simulation.message_stream import MessageStream
from transdiffuser_planner.simulation.sensors.sensor_suite import SensorSuite


def record_human(
    scenario: LogScenario, out: Path, sensor_every: int, on_step: Callable[[], object] = lambda: None
) -> Path:
    """Record the human's drive.

    Args:
        scenario: The window; traffic is replayed, as it reacted to the human already.
        out: Folder for the bag; one that is there is kept.
        sensor_every: Steps of 0.1 s between sensor frames.
        on_step: Called after each step.

    Returns:
        Path of the bag.

    Raises:
        PlannerError: The log cannot be read, or the bag cannot be written.
    """
    path = out / scenario.file_name
    if path.is_dir():
        return path
    episode = LogEpisode(scenario, scenario.rig.vehicle)
    road_map = episode.load_map()
    suite = SensorSuite(road_map, scenario.rig, scenario.weather, scenario.seed)
    stream = MessageStream(make_message, scenario.rig, episode.route, road_map)
    partial = path.with_name(path.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    with writing(path, partial):
        partial.parent.mkdir(parents=True, exist_ok=True)
    with writing(path, partial), BagWriter(partial) as bag:
        for step, world in enumerate(episode.human_worlds()):
            items = list(stream.latched(world.stamp_ns)) if step == 0 else []
            items += stream.state(world)
            if step % sensor_every == 0:
                items += stream.sensors(suite.render(world))
            for topic, type_name, message in items:
                bag.write(topic, type_name, world.stamp_ns, message)
            on_step()
    partial.rename(path)
    return path
