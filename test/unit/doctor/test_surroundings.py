"""What a container may not have: each is one finding with the variable or option to set."""

import resource
import tempfile
from pathlib import Path

import pytest

from transdiffuser_planner import NO_TELEMETRY
from transdiffuser_planner.doctor import surroundings
from transdiffuser_planner.doctor.findings import Finding, Level


@pytest.fixture
def no_folder(tmp_path: Path) -> Path:
    """A path below a file: not even root can write there."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    return tmp_path / "file" / "below"


def found(subject: str, environment: dict[str, str], shared_memory: Path = Path("/dev/shm")) -> Finding:
    findings = list(surroundings.check(environment | NO_TELEMETRY, shared_memory))
    assert all(bool(item.remedy) == (item.level > Level.OK) and "\n" not in item.text for item in findings)
    return max((item for item in findings if item.subject == subject), key=lambda item: item.level)


@pytest.mark.parametrize("variable", ["ROS_LOG_DIR", "ROS_HOME", "HOME"])
def test_logs_that_cannot_be_written_are_an_error_that_names_the_variable(variable: str, no_folder: Path) -> None:
    finding = found("logs of ROS 2", {variable: str(no_folder)})
    assert finding.level == Level.ERROR and finding.remedy == "set ROS_LOG_DIR to a folder that can be written"
    assert str(no_folder) in finding.text and "Not a directory" in finding.text


def test_the_folder_of_logs_is_chosen_as_ros_does(tmp_path: Path, no_folder: Path) -> None:
    home, logs, root = {"HOME": str(tmp_path)}, {"ROS_LOG_DIR": "~/logs"}, {"ROS_HOME": str(tmp_path / "ros")}
    assert found("logs of ROS 2", home).text == f"{tmp_path}/.ros/log"
    assert found("logs of ROS 2", home | root).text == f"{tmp_path}/ros/log"
    assert found("logs of ROS 2", home | root | logs).text == f"{tmp_path}/logs"
    assert found("logs of ROS 2", {"ROS_LOG_DIR": str(tmp_path), "HOME": str(no_folder)}).level == Level.OK
    assert "HOME is not set" in found("logs of ROS 2", {}).text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_temporary_folder_that_cannot_be_written_is_found(monkeypatch: pytest.MonkeyPatch, no_folder: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(no_folder)])
    finding = found("temporary files", {})
    assert finding.level == Level.ERROR and "TMPDIR" in finding.remedy


def test_a_temporary_folder_that_python_passes_over_is_a_warning(no_folder: Path, tmp_path: Path) -> None:
    for wrong in (no_folder, tmp_path / "missing"):
        finding = found("TMPDIR", {"TMPDIR": str(wrong)})
        assert (
            finding.level == Level.WARN
            and f"{wrong}, which cannot be written; {tempfile.gettempdir()} is used" in finding.text
        )
    assert found("temporary files", {"TMPDIR": str(tmp_path)}).level < Level.ERROR


def test_a_cache_that_cannot_be_written_is_a_warning(monkeypatch: pytest.MonkeyPatch, no_folder: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(no_folder))
    finding = found("cache", {})
    assert finding.level == Level.WARN and "XDG_CACHE_HOME" in finding.remedy


def test_a_limit_of_the_size_of_files_is_a_warning() -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50 << 20, before[1]))
    try:
        finding = found("size of files", {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert finding.level == Level.WARN and "50.0 MB" in finding.text and "ulimit" in finding.remedy


def test_shared_memory_is_needed_only_where_no_other_way_is_left(no_folder: Path, tmp_path: Path) -> None:
    finding = found("shared memory", {}, no_folder)
    assert finding.level == Level.WARN and "does not exist" in finding.text and "--shm-size" in finding.remedy
    assert found("shared memory", {"FASTDDS_BUILTIN_TRANSPORTS": "SHM"}, no_folder).level == Level.ERROR
    assert found("shared memory", {"RMW_IMPLEMENTATION": "rmw_zenoh_cpp"}, no_folder).level == Level.OK
    assert found("shared memory", {}, tmp_path).level == Level.OK


@pytest.mark.parametrize(
    ("interfaces", "environment", "level"),
    [
        ({}, {}, Level.ERROR),
        ({}, {"FASTDDS_BUILTIN_TRANSPORTS": "SHM"}, Level.OK),
        ({"lo": True}, {}, Level.WARN),
        ({"lo": True}, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, Level.OK),
        ({"lo": True, "eth0": False}, {}, Level.OK),
        (None, {}, Level.OK),
    ],
)
def test_without_a_network_no_node_finds_another(
    interfaces: dict[str, bool] | None, environment: dict[str, str], level: Level, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surroundings, "interfaces_up", lambda: interfaces)
    assert found("network", environment).level == level
    assert bool(surroundings.why_no_network(environment)) == (level == Level.ERROR)


def test_the_interfaces_of_this_computer_are_read() -> None:
    interfaces = surroundings.interfaces_up()
    assert interfaces is not None and interfaces.get("lo", True) is True
