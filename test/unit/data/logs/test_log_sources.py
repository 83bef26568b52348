"""Recorded drives by the name of their source: a source of another package is read like a bag."""

from pathlib import Path

import pytest
from support.plugin_package import write_package

pytest.importorskip("rosbags", reason="bags cannot be read without rosbags")

from transdiffuser_planner.core.errors import ConfigError, RecordingError
from transdiffuser_planner.data.logs.drive_log import LogRequest
from transdiffuser_planner.data.logs.log_sources import GROUP, read_log, source_names
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.reports.drive.drive_to_json import page_data
from transdiffuser_planner.reports.drive.log_to_drive import collect

MODULE = """
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.data.logs.drive_log import DriveLog
from transdiffuser_planner.data.logs.tracks import EgoTrack


def straight(request):
    states = [
        EgoState(stamp_ns=i * 10**8, frame_id="world", x_m=0.5 * i, y_m=0.0, heading_rad=0.0, vx_mps=5.0)
        for i in range(51)
    ]
    return DriveLog(path=request.path, inputs=frozenset({"odometry"}), ego=EgoTrack(states))


def fails(request):
    raise KeyError("token")


def number(request):
    return 7
"""
POINTS = {name: f"extra_planners:{name}" for name in ("straight", "fails", "number")}
REQUEST = LogRequest(path=Path("drives/7"), topics=TopicMap())


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package with log sources."""
    monkeypatch.delitem(__import__("sys").modules, "extra_planners", raising=False)
    monkeypatch.syspath_prepend(write_package(tmp_path / "site", GROUP, POINTS, MODULE))


@pytest.mark.usefixtures("installed")
def test_a_log_source_of_another_package_is_reported_like_a_bag() -> None:
    assert source_names() == (
        "rosbag",
        "argoverse2",
        "py123d",
        "openscene",
        "scenarionet",
        "fails",
        "number",
        "straight",
    )
    drive = collect(REQUEST.path, REQUEST.topics, None, "straight")
    assert (drive.frame_id, drive.duration_s, drive.distance_m) == ("world", 5.0, 25.0)
    assert page_data(drive, "straight")["bag"] == "7"


@pytest.mark.usefixtures("installed")
def test_a_log_source_that_fails_is_one_clear_line() -> None:
    with pytest.raises(RecordingError, match=r"log source 'fails': drives/7 cannot be read \(KeyError: 'token'\)"):
        read_log(REQUEST, "fails")
    with pytest.raises(ConfigError, match=r"log source 'number': expected a DriveLog .*, got int"):
        read_log(REQUEST, "number")
    with pytest.raises(ConfigError, match=r"log source 'other': unknown; installed are rosbag, .*straight"):
        read_log(REQUEST, "other")
