"""The section ``vehicle`` of a rig file."""

from pathlib import Path

import pytest
import yaml
from vehicles import KART, Truck

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.vehicle import VehicleModel, vehicle_table
from transdiffuser_planner.params import RIGS

ROOT = Path(__file__).parents[3]
SIZE = {"length_m": 10.0, "width_m": 2.5, "height_m": 3.6, "wheelbase_m": 5.5, "rear_overhang_m": 2.6}


def rig_with(folder: Path, vehicle: object) -> Path:
    """The simulator's rig file with another section ``vehicle``."""
    content = yaml.safe_load((RIGS / "carla.yaml").read_text(encoding="utf-8"))
    path = folder / "rig.yaml"
    path.write_text(yaml.safe_dump(content | {"vehicle": vehicle}), encoding="utf-8")
    return path


@pytest.mark.parametrize("preset", sorted(RIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_preset_drives_the_default_car_or_carlas_own(preset: Path) -> None:
    is_carlas = preset.stem in ("carla_mkz", "carla_native", "carla_development")
    assert Rig.load(preset).vehicle == (Rig.load(RIGS / "carla_mkz.yaml").vehicle if is_carlas else VehicleModel())


def test_a_file_without_the_section_has_the_default_car(tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text("lidar: {z_m: 1.8}\n", encoding="utf-8")
    assert Rig.load(tmp_path / "rig.yaml").vehicle == VehicleModel()


@pytest.mark.parametrize("vehicle", [Truck, KART])
def test_a_written_vehicle_is_the_one_that_is_read(tmp_path: Path, vehicle: VehicleModel) -> None:
    assert Rig.load(rig_with(tmp_path, vehicle.to_dict())).vehicle == vehicle


def test_limits_that_are_absent_are_the_default_cars(tmp_path: Path) -> None:
    vehicle = Rig.load(rig_with(tmp_path, SIZE)).vehicle
    assert vehicle.differences() == SIZE and vehicle.max_steer_rad == VehicleModel().max_steer_rad


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"width_m": -2.5}, "width_m must lie in 0.3 .. 4 m, got -2.5"),
        ({"rear_overhang_m": 11.0}, "rear_overhang_m must lie in 0 .. 10 m, got 11"),
        ({"length_m": 2.0}, "rear_overhang_m 2.6 and wheelbase_m 5.5 together exceed length_m 2"),
        ({"wheels": 6}, "unknown keys ['wheels']; known are length_m"),
        ({"height_m": "tall"}, "height_m must be a number, got 'tall'"),
        ({"height_m": True}, "height_m must be a number, got True"),
        ({"max_speed_mps": float("nan")}, "max_speed_mps must lie in 0.5 .. 100 m/s, got nan"),
    ],
)
def test_an_impossible_vehicle_is_one_line_with_the_file(tmp_path: Path, change: dict, reason: str) -> None:
    path = rig_with(tmp_path, SIZE | change)
    with pytest.raises(ConfigError) as caught:
        Rig.load(path)
    line = str(caught.value)
    assert line.startswith(f"rig file {path}: vehicle: ") and reason in line and "\n" not in line


@pytest.mark.parametrize(("vehicle", "reason"), [({"length_m": 10.0}, "missing width_m"), (None, "expected a mapping")])
def test_half_a_vehicle_is_refused(tmp_path: Path, vehicle: object, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Rig.load(rig_with(tmp_path, vehicle))


def test_interfaces_page_states_every_key() -> None:
    assert vehicle_table() in (ROOT / "docs" / "interfaces.md").read_text(encoding="utf-8")
