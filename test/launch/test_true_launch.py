"""The launch files under the true launch system: nodes start, plan, and end without an error."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("launch_ros.actions", reason="launch and launch_ros are not installed; they have no wheels")
pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("transdiffuser_msgs.msg", reason="the interfaces are not built; run 'make build'")

pytestmark = pytest.mark.ros

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_SERVICE = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
path, *arguments = sys.argv[1:]
service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    PythonLaunchDescriptionSource(path), launch_arguments=[tuple(text.split(":=")) for text in arguments])]))
sys.exit(service.run())
"""


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An installation of this package as made by colcon with symlinks."""
    name = "transdiffuser_planner"
    index, share, lib = (
        tmp_path / "share/ament_index/resource_index/packages",
        tmp_path / "share" / name,
        tmp_path / "lib" / name,
    )
    for folder in (index, share, lib):
        folder.mkdir(parents=True)
    (index / name).touch()
    (share / "launch").symlink_to(ROOT / "launch")
    (share / "models").symlink_to(ROOT / "models")
    program = lib / "transdiffuser"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m transdiffuser_planner.cli.main "$@"\n')
    program.chmod(0o755)
    return tmp_path


class Launched:
    """A launch service in its own process group, and its output."""

    def __init__(self, prefix: Path, name: str, *arguments: str) -> None:
        self.output = prefix / "output.txt"
        environment = {
            **os.environ,
            "AMENT_PREFIX_PATH": os.pathsep.join([str(prefix), os.environ.get("AMENT_PREFIX_PATH", sys.prefix)]),
            "ROS_DOMAIN_ID": str(random.randint(100, 200)),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_LOG_DIR": str(prefix / "log"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "PYTHONUNBUFFERED": "1",
        }
        path = prefix / "share/transdiffuser_planner/launch" / name
        with self.output.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", LAUNCH_SERVICE, str(path), *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=prefix,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.output.read_text()

    def wait_for(self, *words: str) -> None:
        deadline = time.monotonic() + 240.0
        while not all(word in self.text() for word in words):
            assert time.monotonic() < deadline and self.process.poll() is None, self.text()
            threading.Event().wait(0.05)

    def interrupt(self) -> None:
        """Interrupt every process of the group, as Ctrl-C in a terminal."""
        os.killpg(self.process.pid, signal.SIGINT)

    def assert_ended_cleanly(self) -> None:
        assert self.process.wait(240.0) == 0, self.text()
        assert "has died" not in self.text() and "Traceback" not in self.text(), self.text()
        with pytest.raises(ProcessLookupError):
            os.killpg(self.process.pid, 0)


@pytest.fixture
def launched() -> Iterator[list[Launched]]:
    running: list[Launched] = []
    yield running
    for one in running:
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)


@pytest.mark.parametrize(("name", "num_processes"), [("planner.launch.py", 1), ("carla.launch.py", 2)])
def test_ctrl_c_ends_the_nodes_of(name, num_processes, prefix, launched):
    launched.append(Launched(prefix, name))
    launched[0].wait_for("model tiny", "no plan: no frame yet of rgb_left")
    launched[0].interrupt()
    launched[0].assert_ended_cleanly()
    assert launched[0].text().count("process has finished cleanly") == num_processes


def test_the_simulation_drives_and_ends_without_intervention(prefix, launched):
    pytest.importorskip("libsumo", reason="the simulator is not installed")
    launched.append(Launched(prefix, "simulation.launch.py", "seed:=8003", "duration:=2"))
    launched[0].wait_for("following the trajectory", "end_reason duration", "process has finished cleanly")
    launched[0].assert_ended_cleanly()
    assert launched[0].text().count("process has finished cleanly") == 3


def test_ctrl_c_during_a_drive_ends_every_process_cleanly(prefix, launched):
    pytest.importorskip("libsumo", reason="the simulator is not installed")
    launched.append(Launched(prefix, "simulation.launch.py", "duration:=60"))
    launched[0].wait_for("following the trajectory")
    launched[0].interrupt()
    launched[0].assert_ended_cleanly()
    assert "end_reason interrupted" in launched[0].text()
