"""ROS tests communicate over real DDS on a random domain of this machine."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ["ROS_DOMAIN_ID"] = str(random.randint(100, 200))
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


@pytest.fixture(scope="session", autouse=True)
def ros() -> Iterator[None]:
    """rclpy, initialized once per session."""
    import needs_ros  # noqa: F401
    import rclpy

    rclpy.init()
    yield
    rclpy.try_shutdown()


@pytest.fixture
def make_bench() -> Iterator[Callable[..., Any]]:
    """Creates testbenches of planner parameters; they are closed after the test."""
    from node_testbench import NodeTestbench

    benches: list[NodeTestbench] = []

    def build(**parameters: Any) -> NodeTestbench:
        benches.append(NodeTestbench(**parameters))
        return benches[-1]

    yield build
    for bench in benches:
        bench.close()


@pytest.fixture
def bench(make_bench: Callable[..., Any]) -> Any:
    """A planner that has published its first plan."""
    built = make_bench()
    built.connect()
    return built


@pytest.fixture
def rig_with_absent_camera(tmp_path: Path) -> Path:
    """A rig that names a camera which the vehicle does not have."""
    from transdiffuser_planner.params import RIGS

    text = (RIGS / "carla.yaml").read_text(encoding="utf-8")
    path = tmp_path / "rig.yaml"
    path.write_text(text.replace("rgb_left", "rgb_nowhere"), encoding="utf-8")
    return path
