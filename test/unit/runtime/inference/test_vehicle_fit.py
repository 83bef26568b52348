"""Vehicle that a model's scorer assumes: in the manifest, reported by the doctor and by the planner at loading."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from vehicles import KART, Truck

from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.vehicle import EGO_VEHICLE, VehicleModel
from transdiffuser_planner.doctor.findings import Level
from transdiffuser_planner.doctor.model import check_vehicle
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
from transdiffuser_planner.runtime.inference.vehicle_fit import beyond_scorer
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.runtime.supervision.model_manager import ModelManager

RIG = Rig.load(RIGS / "carla.yaml")


def model_for(folder: Path, vehicle: object) -> Path:
    """The shipped model with another entry ``vehicle`` in its manifest."""
    shutil.copytree(model_folder("tiny"), folder)
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"vehicle": vehicle}))
    return folder


def test_a_manifest_without_vehicle_assumes_the_default_car() -> None:
    assert "vehicle" not in json.loads((model_folder("tiny") / "manifest.json").read_text())
    assert load_manifest(model_folder("tiny")).vehicle == EGO_VEHICLE


def test_a_manifest_states_its_vehicle_and_an_impossible_one_is_refused(tmp_path: Path) -> None:
    assert load_manifest(model_for(tmp_path / "truck", Truck.to_dict())).vehicle == Truck
    with pytest.raises(ModelError, match=r"manifest\.json: vehicle: width_m must lie in"):
        load_manifest(model_for(tmp_path / "wrong", Truck.to_dict() | {"width_m": 0.0}))


@pytest.mark.parametrize(
    ("vehicle", "is_beyond"),
    [
        (EGO_VEHICLE, False),
        (replace(EGO_VEHICLE, length_m=4.5, width_m=1.8, rear_overhang_m=0.8), False),
        (replace(EGO_VEHICLE, height_m=2.0, max_speed_mps=30.0), False),
        (replace(EGO_VEHICLE, width_m=2.2), True),
        (replace(EGO_VEHICLE, rear_overhang_m=0.5), True),
        (Truck, True),
        (KART, True),
    ],
)
def test_only_another_footprint_is_beyond_the_scorer(vehicle: VehicleModel, is_beyond: bool) -> None:
    assert bool(beyond_scorer(EGO_VEHICLE, vehicle)) == is_beyond


def test_doctor_prints_the_vehicle_and_warns_of_one_beyond_the_scorer(tmp_path: Path) -> None:
    (fine,) = check_vehicle("tiny", RIG)
    assert fine.level is Level.OK and "4.9 x 1.9 x 1.6 m, wheelbase 2.9 m" in fine.text
    (beyond,) = check_vehicle("tiny", replace(RIG, vehicle=Truck))
    assert beyond.level is Level.WARN and beyond.remedy and "\n" not in beyond.text
    assert "10 x 2.5 x 3.6 m" in beyond.text and "the scorer assumes a vehicle of 4.9 x 1.9 m" in beyond.text
    (fits,) = check_vehicle(str(model_for(tmp_path / "truck", Truck.to_dict())), replace(RIG, vehicle=Truck))
    assert fits.level is Level.OK


def test_the_model_manager_reports_a_vehicle_that_the_scorer_does_not_fit() -> None:
    def load(rig: Rig) -> ModelManager:
        backend = OnnxBackend(load_manifest(model_folder("tiny")), 1)
        return ModelManager(lambda config, memory: Planner(backend, rig, config, memory), PlannerConfig(), print)

    assert load(RIG).vehicle_notice == ""
    assert "the rig's has 10 x 2.5 m" in load(replace(RIG, vehicle=Truck)).vehicle_notice
