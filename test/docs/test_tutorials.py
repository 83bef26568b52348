"""Every command of the tutorials runs as written, in the order in which a reader runs it."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from tutorial_script import blocks, script

pytestmark = [pytest.mark.ros, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
# In the order of the navigation: each may use what the ones before it left.
PAGES = ("own-vehicle", "own-data", "fine-tune", "own-model", "nightly-replay", "carla", "own-planner")
NEEDS = {
    "own-vehicle": ("libsumo", "rosbags", "rclpy", "transdiffuser_msgs.msg"),
    "own-data": ("torch", "pytorch_lightning"),
    "fine-tune": ("torch", "pytorch_lightning"),
    "own-model": (),
    "nightly-replay": (),
    "carla": ("rclpy", "transdiffuser_msgs.msg"),
    "own-planner": ("setuptools",),
}
BASED_ON = {
    "own-data": "own-vehicle",
    "fine-tune": "own-data",
    "own-model": "own-data",
    "nightly-replay": "own-vehicle",
}
SECURITY = ROOT / "docs" / "how-to" / "security.md"
TIMEOUT_S = 1800


def run(page: Path, folder: Path) -> None:
    """Run a page's script with the tests' environment first on PATH, on a ROS domain of this machine.

    Raises:
        AssertionError: A command failed.
    """
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ROS_DOMAIN_ID": str(random.randint(100, 200)),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    output = folder / f"{page.stem}.output.txt"
    with output.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            ["bash", "-c", script(page)], cwd=folder, env=environment, stdout=file, stderr=file, timeout=TIMEOUT_S
        )
    end = "\n".join(output.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()[-40:])
    assert done.returncode == 0, f"{page.name}:\n{end}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reader's folder, one for all tutorials."""
    return tmp_path_factory.mktemp("tutorials")


@pytest.fixture(scope="module")
def finished() -> set[str]:
    """Names of the tutorials that went through."""
    return set()


@pytest.mark.tutorial
@pytest.mark.parametrize("name", PAGES)
def test_every_command_of_the_tutorial_runs_as_written(name: str, folder: Path, finished: set[str]) -> None:
    for module in NEEDS[name]:
        pytest.importorskip(module)
    if name in BASED_ON and BASED_ON[name] not in finished:
        pytest.skip(f"continues '{BASED_ON[name]}', which did not run or failed; run the whole file")
    run(TUTORIALS / f"{name}.md", folder)
    finished.add(name)


def test_the_keys_of_the_security_page_can_be_made_as_written(folder: Path) -> None:
    run(SECURITY, folder)
    made = folder / "keystore" / "enclaves" / "transdiffuser_planner"
    assert "PKCS7" in (made / "permissions.p7s").read_text() or "smime" in (made / "permissions.p7s").read_text()


def test_every_tutorial_is_run_and_has_commands() -> None:
    assert {page.stem for page in TUTORIALS.glob("*.md")} == set(PAGES)
    for name in PAGES:
        assert any(block.kind == "bash" for block in blocks(TUTORIALS / f"{name}.md")), name
