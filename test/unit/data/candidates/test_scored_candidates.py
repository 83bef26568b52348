"""The table of scored plans on disk: what it gives back, and what does not go together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scored_plan_tables import GOOD, KINDS, ORIGIN, frame_of, save_plans

from transdiffuser_planner.core.contract import SCORER_INPUTS, TINY
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.data.candidates.known_references import KnownReferences
from transdiffuser_planner.data.candidates.scored_candidates import About, ScoredPlans, save_drive


def test_frames_of_all_drives_are_one_table(tmp_path: Path) -> None:
    save_plans(tmp_path / "one" / "a", [frame_of(0), frame_of(3)])
    save_plans(tmp_path / "b", [frame_of(1, score=np.asarray([[*GOOD[:4], 0.5]] * 5))])
    plans = ScoredPlans.open(tmp_path)
    assert len(plans) == 3 and plans.num_candidates == 2 and plans.vehicle == EGO_VEHICLE
    assert sorted(plans.whole("row")) == [0, 1, 3]
    assert plans.whole("score")[plans.whole("row") == 1, :, 4] == pytest.approx(0.5)
    with pytest.raises(InputError, match="made with --plans-only"):
        plans.gather(np.asarray([0]))


def test_agents_futures_are_stored_once_for_plans_that_share_them(tmp_path: Path) -> None:
    agents = np.arange(2 * 8 * 8 * 3, dtype=np.float64).reshape(2, 8, 8, 3)
    scene = {name: np.full(2, 0.5) for name in SCORER_INPUTS}
    about = About(origin=ORIGIN, vehicle=EGO_VEHICLE, num_candidates=2, agents_of_M=(0, 1, 1, 0, 0))
    save_drive(tmp_path / "drive", [frame_of(0, agent_pose=agents, **scene)], about)
    batch = ScoredPlans.open(tmp_path).gather(np.asarray([0]))
    assert batch["agent_pose"].shape == (1, len(KINDS), 8, 8, 3)
    np.testing.assert_array_equal(batch["agent_pose"][0], agents[[0, 1, 1, 0, 0]])
    assert all(value.dtype == np.float32 for value in batch.values())


def test_tables_of_two_models_are_refused_with_both_named(tmp_path: Path) -> None:
    save_plans(tmp_path / "a")
    other = replace(ORIGIN, model="other", model_hash="1" * 64, contract=replace(TINY, num_denoise_steps=5))
    save_plans(tmp_path / "b", origin=other)
    with pytest.raises(InputError, match=r"model tiny \(000000000000\).*model other \(111111111111\)") as error:
        ScoredPlans.open(tmp_path)
    assert "num_denoise_steps 10 and 5" in str(error.value)
    with pytest.raises(InputError, match=r"made by model tiny .* now given model other"):
        ScoredPlans.open(tmp_path / "a").origin.check(other, "a")


def test_nothing_old_and_damaged_folders_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="make them with 'transdiffuser score-candidates'"):
        ScoredPlans.open(tmp_path)
    (tmp_path / "drive.npz").write_bytes(b"")
    with pytest.raises(InputError, match=r"those of earlier versions \(\.npz\) cannot be read"):
        ScoredPlans.open(tmp_path)
    (save_plans(tmp_path / "drive") / "pose.npy").write_bytes(b"half")
    with pytest.raises(InputError, match="drive: cannot be read"):
        ScoredPlans.open(tmp_path)


def test_references_of_an_earlier_table_are_taken_by_stamp(tmp_path: Path) -> None:
    save_plans(tmp_path / "first" / "drive", [frame_of(2, reference=np.full((41, 3), 1.0 / 3.0))])
    known = KnownReferences.of(tmp_path, "drive")
    np.testing.assert_array_equal(known.plan(1_000_000_000, None), np.full((41, 3), 1.0 / 3.0))  # type: ignore[arg-type]
    assert KnownReferences.of(tmp_path, "another")._known == {} == KnownReferences.of(None, "drive")._known
