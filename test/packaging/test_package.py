"""Packaging: names agree, ROS finds its files, planning has few dependencies."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from transdiffuser_planner.messages.definitions import INTERFACE_PACKAGES

ROOT = Path(__file__).resolve().parents[2]
WORKSPACE = ROOT / "ros2_ws" / "src"


def test_versions_agree_everywhere():
    versions = {
        ElementTree.parse(path).findtext("version") for path in [ROOT / "package.xml", *WORKSPACE.glob("*/package.xml")]
    }
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


def test_planning_imports_no_torch_no_scipy_no_simulator_and_no_bag_library():
    heavy = ["torch", "libsumo", "embreex", "rosbags", "rclpy", "tqdm", "matplotlib", "scipy"]
    code = (
        "import sys, transdiffuser_planner.runtime.planner, transdiffuser_planner.runtime.inputs.snapshot_assembler, "
        "transdiffuser_planner.messages.input_router, transdiffuser_planner.messages.encode_outputs; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr


def test_make_reports_a_too_old_python_in_one_line(tmp_path):
    old = tmp_path / "python_old"
    old.write_text('#!/bin/sh\ncase "$*" in *--version*) echo "Python 3.8.1";; *) exit 1;; esac\n')
    old.chmod(0o755)
    run = subprocess.run(["make", "machine", f"PYTHON={old}"], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert run.returncode != 0
    assert "Python 3.8.1 is not supported; Python 3.10 to 3.13 is needed" in run.stderr


def machine(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`make machine` of a checkout in that folder, with this Python."""
    inherited = {name: value for name, value in os.environ.items() if name != "ROS_DISTRO"}
    command = [shutil.which("make"), "-f", str(ROOT / "Makefile"), "machine", f"PYTHON={sys.executable}"]
    env = {**inherited, **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, timeout=300)


def test_make_reports_a_missing_compiler_in_one_line(tmp_path):
    (tmp_path / "bash").symlink_to(shutil.which("bash"))
    run = machine(tmp_path, PATH=str(tmp_path))
    assert run.returncode != 0
    assert run.stderr.startswith("make: no C++ compiler found; ")


def test_make_reports_an_unusable_ros_installation_in_one_line(tmp_path):
    (tmp_path / "python").write_text(
        f'#!/bin/sh\ncase "$*" in *rclpy*) exit 1;; *) exec {sys.executable} "$@";; esac\n'
    )
    (tmp_path / "python").chmod(0o755)
    command = ["make", "-f", str(ROOT / "Makefile"), "machine", f"PYTHON={tmp_path / 'python'}", "ROS_DISTRO=kilted"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert run.returncode != 0
    assert "cannot import rclpy; source that ROS 2" in run.stderr


def test_make_refuses_an_environment_made_for_another_ros(tmp_path):
    (tmp_path / ".venv/.made").mkdir(parents=True)
    (tmp_path / ".venv/.made/demo").write_text("kilted\n")
    run = machine(tmp_path)
    assert run.returncode != 0
    assert run.stderr.startswith("make: .venv was made for ROS 2 kilted, this shell has wheels; run make clean first")


def test_make_installs_all_extras_in_one_resolver_call():
    """A second resolver call once lifted setuptools above the version that colcon supports."""
    recipe = (ROOT / "Makefile").read_text().split("$(STAMPS)/dev:")[1].split("\n\n")[0]
    assert '-e ".[$(EXTRAS),training,dev]"' in recipe


def test_colcon_test_finds_pytest_among_the_extras():
    project = (ROOT / "pyproject.toml").read_text()
    assert re.search(r'^test = \["pytest', project, re.M)


@pytest.mark.parametrize("package", INTERFACE_PACKAGES)
def test_interface_packages_declare_their_build_dependencies(package):
    manifest = ElementTree.parse(WORKSPACE / package / "package.xml").getroot()
    declared = {item.text for item in manifest if item.tag.endswith("depend")}
    needed = set(re.findall(r"find_package\((\w+)", (WORKSPACE / package / "CMakeLists.txt").read_text()))
    assert needed <= declared
    assert manifest.findtext("member_of_group") == "rosidl_interface_packages"
    assert manifest.get("format") == "3" and manifest.findtext("export/build_type") == "ament_cmake"


def test_make_lists_its_targets():
    run = subprocess.run(["make"], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert run.returncode == 0 and "make demo" in run.stdout and "make test" in run.stdout
