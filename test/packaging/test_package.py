"""The package as tools see it: names agree, ROS finds its files, the vehicle needs little."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKSPACE = ROOT / "ros2_ws" / "src"


def test_versions_agree_everywhere():
    versions = {ElementTree.parse(path).findtext("version") for path in [ROOT / "package.xml", *WORKSPACE.glob("*/package.xml")]}
    project = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert versions == {project[1]}


def test_the_workspace_links_to_the_package_by_a_relative_link():
    link = WORKSPACE / "transdiffuser_planner"
    assert link.is_symlink() and str(link.readlink()) == "../.."
    assert (link / "package.xml").is_file()


@pytest.mark.parametrize("package", ["transdiffuser_msgs", "carla_msgs", "derived_object_msgs", "ackermann_msgs"])
def test_every_field_of_our_own_messages_has_a_comment(package):
    for path in (WORKSPACE / package / "msg").glob("*.msg"):
        lines = path.read_text().splitlines()
        for previous, line in zip(["", *lines], lines, strict=False):
            is_field = line and not line.startswith("#") and "=" not in line
            assert not is_field or previous.startswith("#") or "#" in line, f"{path.name}: {line}"


@pytest.mark.parametrize("path", sorted((ROOT / "launch").glob("*.launch.py")), ids=lambda path: path.name)
def test_launch_files_are_python_and_name_existing_parameter_files(path):
    text = path.read_text()
    compile(text, path.name, "exec")
    for name in re.findall(r'"([\w.]+\.yaml)"', text):
        assert (path.parent / name).is_file()


def test_planning_needs_no_torch_no_simulator_and_no_bag_library():
    heavy = ["torch", "libsumo", "embreex", "rosbags", "rclpy", "tqdm", "matplotlib"]
    code = (
        "import sys, transdiffuser_planner.runtime.planner, transdiffuser_planner.runtime.snapshot_assembler, "
        "transdiffuser_planner.recording.feed, transdiffuser_planner.recording.encode_plan; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr


def test_make_says_in_one_line_that_a_python_is_too_old(tmp_path):
    old = tmp_path / "python_old"
    old.write_text('#!/bin/sh\ncase "$*" in *--version*) echo "Python 3.8.1";; *) exit 1;; esac\n')
    old.chmod(0o755)
    run = subprocess.run(["make", "machine", f"PYTHON={old}"], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert run.returncode != 0
    assert "Python 3.8.1 is not supported; Python 3.10 to 3.13 is needed" in run.stderr


def test_make_lists_its_targets():
    run = subprocess.run(["make"], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert run.returncode == 0 and "make demo" in run.stdout and "make test" in run.stdout
