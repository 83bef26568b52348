"""The vehicle passes from samples and scored candidates into the run, and a run accepts drives of one vehicle only."""

import json
from pathlib import Path

import numpy as np
import pytest
from scored_plan_tables import save_plans
from vehicles import KART, Truck

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.errors import InputError, TrainingError
from transdiffuser_planner.core.vehicle import EGO_VEHICLE, VehicleModel
from transdiffuser_planner.data.candidates.scored_candidates import ScoredPlans
from transdiffuser_planner.data.counterfactuals.maneuvers import stays_on_road
from transdiffuser_planner.data.samples.sample_set import META_NAME, SampleFolder, SampleSet
from transdiffuser_planner.training.run_vehicle import keep_vehicle, kept_vehicle


def folder_of(meta: dict) -> SampleFolder:
    return SampleFolder(path=Path("drive"), arrays={"stamp_ns": np.zeros(1, dtype=np.int64)}, meta=meta)


def test_samples_state_their_vehicle_and_old_ones_are_of_the_default_car() -> None:
    assert folder_of({}).vehicle == EGO_VEHICLE
    assert SampleSet([folder_of({"vehicle": Truck.to_dict()})] * 2).vehicle == Truck
    with pytest.raises(InputError, match=f"{META_NAME}: vehicle: missing"):
        assert folder_of({"vehicle": {"length_m": 10.0}}).vehicle


def test_samples_of_two_vehicles_are_not_trained_on_together() -> None:
    with pytest.raises(InputError, match="samples of different vehicles"):
        assert SampleSet([folder_of({}), folder_of({"vehicle": KART.to_dict()})]).vehicle


def scored(folder: Path, vehicle: VehicleModel, name: str = "drive") -> Path:
    save_plans(folder / name, vehicle=vehicle)
    return folder


def test_scored_plans_state_their_vehicle(tmp_path: Path) -> None:
    assert ScoredPlans.open(scored(tmp_path / "truck", Truck)).vehicle == Truck
    scored(tmp_path / "truck", KART, "other")
    with pytest.raises(InputError, match="scored plans of different vehicles"):
        ScoredPlans.open(tmp_path / "truck")


def test_a_run_keeps_the_vehicle_and_refuses_drives_of_another(tmp_path: Path) -> None:
    assert kept_vehicle(tmp_path) is None
    keep_vehicle(tmp_path, Truck)
    keep_vehicle(tmp_path, Truck)
    assert kept_vehicle(tmp_path) == Truck
    with pytest.raises(TrainingError, match="give another --out"):
        keep_vehicle(tmp_path, EGO_VEHICLE)
    (tmp_path / "vehicle.json").write_text(json.dumps({"length_m": -1.0}))
    with pytest.raises(TrainingError, match=r"vehicle\.json cannot be used"):
        kept_vehicle(tmp_path)


def test_a_lane_too_narrow_for_the_truck_is_an_alternative_for_the_kart_only() -> None:
    lane = np.zeros((TINY.bev_cells, TINY.bev_cells), dtype=np.uint8)
    middle = TINY.bev_cells // 2
    lane[:, middle - 1 : middle + 1] = 1  # BevClass.ROAD, 2 m wide
    straight = np.stack([3.0 * TINY.plan_times_s, np.zeros(8), np.zeros(8)], axis=-1)
    assert stays_on_road(straight, lane, TINY, KART) and not stays_on_road(straight, lane, TINY, Truck)
