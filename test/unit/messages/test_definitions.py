"""The interface packages' definitions are found in the checkout, in an installation, and in a sourced workspace."""

import shutil
import sys
from pathlib import Path

import pytest

from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.messages import definitions

SOURCE = Path(__file__).resolve().parents[3] / definitions.SOURCES


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """As if installed into an empty environment: neither checkout nor interface packages."""
    monkeypatch.setattr(
        definitions, "__file__", str(tmp_path / "lib" / "transdiffuser_planner" / "recording" / "definitions.py")
    )
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    definitions.typestore.cache_clear()
    yield tmp_path
    definitions.typestore.cache_clear()


def copied(to):
    for package in definitions.INTERFACE_PACKAGES:
        shutil.copytree(SOURCE / package / "msg", to / package / "msg")


@pytest.mark.parametrize("where", ["share", "share/transdiffuser_planner/ros2_ws/src"])
def test_an_installation_has_definitions_as_packages_or_next_to_the_models(installed, where):
    copied(installed / where)
    assert all((installed / where) in path.parents for path in definitions.definition_files())
    assert "transdiffuser_msgs/msg/Trajectory" in definitions.typestore().types


def test_a_sourced_workspace_has_definitions(installed, monkeypatch):
    copied(installed / "ws" / "install" / "share")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/opt/ros/none:{installed / 'ws' / 'install'}")
    assert len(definitions.definition_files()) == len(list(SOURCE.glob("*/msg/*.msg")))


def test_missing_definitions_are_reported_without_blaming_the_bag(installed):
    bag = Path(__file__).resolve().parents[2] / "golden" / "town_drive"
    with pytest.raises(RecordingError, match=r"^definitions of transdiffuser_msgs not found; run 'make build'"):
        BagReader(bag)
