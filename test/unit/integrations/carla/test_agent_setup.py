"""Settings and sensors of the leaderboard agent: within its limits, and one clear line where they are not."""

from dataclasses import replace
from pathlib import Path

import pytest

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.integrations.carla.agent.agent_sensors import sensor_list
from transdiffuser_planner.integrations.carla.agent.agent_settings import AgentSettings
from transdiffuser_planner.integrations.carla.sensor_setup import cameras_of
from transdiffuser_planner.params import RIGS


def _sensors(settings: AgentSettings, rig: Rig, ahead_m: float) -> list[dict]:
    return sensor_list(settings, rig, cameras_of(rig, ahead_m), ahead_m)


def test_the_default_rig_is_within_the_limits_of_every_track() -> None:
    rig = AgentSettings().load_rig()
    for track in ("MAP", "SENSORS", "MAP_QUALIFIER", "SENSORS_QUALIFIER"):
        found = _sensors(AgentSettings(track=track), rig, rig.base_from_odometry_child_x_m)
        kinds = [sensor["type"] for sensor in found]
        assert kinds.count("sensor.camera.rgb") == 3 and kinds.count("sensor.lidar.ray_cast") == 1
        assert ("sensor.opendrive_map" in kinds) == track.startswith("MAP")
        assert len({sensor["id"] for sensor in found}) == len(found)
    (gnss,) = (sensor for sensor in found if sensor["type"] == "sensor.other.gnss")
    assert (gnss["x"], gnss["y"], gnss["z"]) == (-1.649, 0.0, 0.0)


def test_the_dimensions_of_the_default_rig_put_carlas_origin_in_the_middle_of_the_box() -> None:
    rig = Rig.load(RIGS / "carla_mkz.yaml")
    assert rig.vehicle.center_offset_m == pytest.approx(rig.base_from_odometry_child_x_m, abs=1e-3)


def test_sensors_beyond_the_limits_are_named() -> None:
    rig = AgentSettings().load_rig()
    with pytest.raises(ConfigError, match="permits 3 m"):
        _sensors(AgentSettings(), rig, 5.0)
    many = replace(rig, cameras=tuple(replace(rig.cameras[0], name=f"camera_{index}") for index in range(5)))
    with pytest.raises(ConfigError, match="5 cameras, track SENSORS_QUALIFIER permits 4"):
        _sensors(AgentSettings(track="SENSORS_QUALIFIER"), many, 1.0)


def test_settings_are_read_up_to_the_name_that_bench2drive_appends(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text("track: SENSORS\nplan_every: 4\nparameters: {num_threads: 1}\n")
    settings = AgentSettings.load(f"{file}+RouteScenario_1")
    assert (settings.track, settings.plan_every, settings.config().num_threads) == ("SENSORS", 4, 1)
    assert AgentSettings.load("") == AgentSettings() == AgentSettings.load("+name")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("track: [1", "not valid YAML"),
        ("- 1", "expected a mapping"),
        ("trak: MAP", "expected a mapping with keys among"),
        ("track: NONE", "track must be one of"),
        ("lights: all", "lights must be one of"),
        ("plan_every: 9", "plan_every must lie in"),
        ("parameters: 3", "parameters must be a mapping"),
    ],
)
def test_bad_settings_are_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message) as raised:
        AgentSettings.load(str(file))
    assert "\n" not in str(raised.value)


def test_a_missing_settings_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        AgentSettings.load(str(tmp_path / "none.yaml"))
