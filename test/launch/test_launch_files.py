"""Commands of the launch files are accepted by the program; needs neither launch nor ROS."""

import argparse
import importlib
import re
from pathlib import Path

import pytest
from fake_launch import Recorded, command, defaults, description

from transdiffuser_planner.cli.main import COMMANDS
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.replay.node_parameters import node_parameters
from transdiffuser_planner.runtime.inference.model_paths import model_folder

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = ROOT / "launch"
FILES = sorted(LAUNCH.glob("*.launch.py"))


def started(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Recorded], dict[str, str]]:
    """The processes of a launch file, and the defaults of its arguments."""
    actions = description(path, monkeypatch)
    return [action for action in actions if action.kind in ("Node", "ExecuteProcess")], defaults(actions, LAUNCH)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_launched_command_is_accepted_by_the_program(path, monkeypatch):
    processes, values = started(path, monkeypatch)
    assert processes
    for process in processes:
        executable, subcommand, *options = command(process, values)
        assert re.search(rf"^{executable} = ", (ROOT / "pyproject.toml").read_text(), re.M)
        assert subcommand in COMMANDS
        parser = argparse.ArgumentParser(exit_on_error=False)
        importlib.import_module(f"transdiffuser_planner.cli.{subcommand}").add_arguments(parser)
        parser.parse_args(options)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_launch_argument_is_described_and_used(path, monkeypatch):
    text = path.read_text()
    for action in description(path, monkeypatch):
        if action.kind == "DeclareLaunchArgument":
            assert action.named["description"] and f'LaunchConfiguration("{action.positional[0]}")' in text


@pytest.mark.parametrize("path", sorted(LAUNCH.glob("*.params.yaml")), ids=lambda path: path.name)
def test_parameter_files_are_for_the_node_in_any_namespace_with_allowed_values(path):
    values = node_parameters(path).values
    assert values == node_parameters(path, "/car1/transdiffuser_planner").values
    PlannerConfig.from_dict({name: value for name, value in values.items() if name not in ("model", "rig")})
    assert (model_folder(values["model"]) / "manifest.json").is_file()


def test_the_vehicle_topic_map_has_every_needed_input_of_the_default_rig():
    topics = TopicMap.load(LAUNCH / "topics_vehicle.yaml")
    assert set(topics.images) == set(topics.camera_infos) == {"rgb_left", "rgb_front", "rgb_right"}
    assert topics.lidar and topics.odometry and topics.route


def test_the_simulation_starts_the_carla_launch_file_and_ends_with_its_simulator(monkeypatch):
    actions = description(LAUNCH / "simulation.launch.py", monkeypatch)
    (included,) = [action for action in actions if action.kind == "IncludeLaunchDescription"]
    assert (LAUNCH / included.positional[0].positional[0].positional[0][1]).name == "carla.launch.py"
    (simulator,) = [action for action in actions if action.kind == "ExecuteProcess"]
    assert simulator.named["on_exit"].kind == "Shutdown"
