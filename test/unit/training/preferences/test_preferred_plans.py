"""Which plans of a table are learned from, and what a batch gets of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scored_plan_tables import GOOD, OFF_ROAD, ORIGIN, frame_of, save_plans, straight

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.errors import ConfigError, InputError, TrainingError
from transdiffuser_planner.data.candidates.scored_candidates import ScoredPlans
from transdiffuser_planner.data.samples.sample_set import SampleFolder, SampleSet
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.training.preference_recipe import PreferenceConfig
from transdiffuser_planner.training.preferences.preferred_plans import PreferredPlans, preference_tensors
from transdiffuser_planner.training.preferences.table_record import check_table, keep_table
from transdiffuser_planner.training.recipe import TrainingConfig

ALWAYS = PreferenceConfig(driven_share=0.0)
DRIVEN = 4


def _samples(path: Path, count: int = 4, name: str = "drive") -> SampleSet:
    stamps = np.arange(count) * 500_000_000
    return SampleSet([SampleFolder(path=path / name, arrays={"stamp_ns": stamps}, meta={})])


def _raw(count: int) -> dict[str, np.ndarray]:
    plan = np.stack([straight(10.0)] * count).astype(np.float32)
    return {"plan": plan, "plan_valid": np.ones(plan.shape[:2], dtype=bool)}


def _drawn(tmp_path: Path, frames: list, config: PreferenceConfig = ALWAYS) -> dict[str, np.ndarray]:
    save_plans(tmp_path / "table" / "drive", frames)
    plans = PreferredPlans(ScoredPlans.open(tmp_path / "table"), _samples(tmp_path), config, None)
    index = np.arange(4)
    return plans.substitute(_raw(4), index, np.random.default_rng(0))


def _scores(*rows: tuple[float, ...]) -> np.ndarray:
    return np.asarray(rows)


def test_targets_are_drawn_plans_that_score_high_and_samples_without_a_row_keep_theirs(tmp_path: Path) -> None:
    frame = frame_of(1, score=_scores(OFF_ROAD, GOOD, GOOD, GOOD, GOOD))
    found = {float(_drawn(tmp_path / str(i), [frame])["plan"][1, 0, 1]) for i in range(1)}
    out = _drawn(tmp_path / "again", [frame])
    assert found <= {np.float32(-0.2), np.float32(0.4)}
    np.testing.assert_array_equal(out["plan"][[0, 2, 3]], _raw(3)["plan"])


@pytest.mark.parametrize(
    "change",
    [
        {"target_score": 1.0, "score": (1.0, 1.0, 0.5, 1.0, 1.0)},
        {"near_driven_m": 0.1},
        {"pose": 9.0, "progress": 90.0 / 100.0},
    ],
    ids=["low score", "far from the driven plan", "slower"],
)
def test_plans_beyond_a_limit_are_no_targets(tmp_path: Path, change: dict) -> None:
    values = frame_of(0)
    if "score" in change:
        values["score"] = _scores(*[change["score"]] * 4, GOOD)
    if "pose" in change:
        values["pose"][:3] = straight(9.0)
        values["progress_m"][:3] *= change["progress"]
    config = replace(ALWAYS, **{k: v for k, v in change.items() if k in ("target_score", "near_driven_m")})
    np.testing.assert_array_equal(_drawn(tmp_path, [values], config)["plan"], _raw(4)["plan"])


def test_a_driven_plan_that_fails_is_replaced_by_the_best_one_near_it(tmp_path: Path) -> None:
    """Shifted plans are no targets, but better than leaving the road; the driven plan is then the one to stay away from."""
    values = frame_of(0, score=_scores(OFF_ROAD, OFF_ROAD, OFF_ROAD, GOOD, OFF_ROAD))
    out = _drawn(tmp_path, [values], replace(ALWAYS, driven_share=1.0))
    np.testing.assert_allclose(out["plan"][0], straight(10.0, 1.0))
    assert out["has_loser"].tolist() == [True, False, False, False]
    np.testing.assert_array_equal(out["loser"][0], straight(10.0).astype(np.float32))


def test_the_loser_is_the_nearest_violator_and_never_the_target_itself(tmp_path: Path) -> None:
    values = frame_of(0, score=_scores(OFF_ROAD, GOOD, OFF_ROAD, GOOD, GOOD))
    out = _drawn(tmp_path, [values], replace(ALWAYS, driven_share=1.0))
    np.testing.assert_array_equal(out["plan"], _raw(4)["plan"])
    np.testing.assert_allclose(out["loser"][0], straight(10.0, 0.2), atol=1e-6)
    assert out["has_failing"][0].tolist() == [True, True, False, False, False]
    near = frame_of(0, score=_scores(OFF_ROAD, GOOD, GOOD, GOOD, GOOD))
    near["pose"][0] = straight(10.0, 0.05)
    assert not _drawn(tmp_path / "near", [near], replace(ALWAYS, driven_share=1.0))["has_loser"].any()


def test_tensors_are_in_model_space_and_masked_for_counterfactual_maneuvers(tmp_path: Path) -> None:
    one = np.ones((8, 3))
    normalizer = PlanNormalizer(ego_mean_T3=0.0 * one, ego_std_T3=2.0 * one, agent_mean_T3=one, agent_std_T3=one)
    out = _drawn(tmp_path, [frame_of(0, score=_scores(OFF_ROAD, GOOD, GOOD, GOOD, GOOD))])
    tensors = preference_tensors(out, normalizer)
    np.testing.assert_allclose(tensors["loser"][0].reshape(8, 3)[:, 0], 2.5)
    np.testing.assert_allclose(tensors["failing"][0, 0], tensors["loser"][0])
    assert tensors["has_loser"].tolist() == [1.0, 0.0, 0.0, 0.0]
    masked = preference_tensors(out | {"is_counterfactual": np.asarray([True, False, False, False])}, normalizer)
    assert not masked["has_loser"].any() and not masked["has_failing"].any()


def test_tables_of_other_samples_are_refused(tmp_path: Path) -> None:
    save_plans(tmp_path / "table" / "drive", [frame_of(0, stamp_ns=np.asarray(7))])
    table = ScoredPlans.open(tmp_path / "table")
    with pytest.raises(InputError, match="stamps differ"):
        PreferredPlans(table, _samples(tmp_path), ALWAYS, None)
    with pytest.raises(InputError, match="of none of the drives of the samples, which begin with other"):
        PreferredPlans(table, _samples(tmp_path, name="other"), ALWAYS, None)


def test_a_table_of_another_model_or_a_missing_one_is_refused_and_a_run_keeps_its_own(tmp_path: Path) -> None:
    save_plans(tmp_path / "table" / "drive")
    table, config = ScoredPlans.open(tmp_path / "table"), TrainingConfig()
    check_table(table, config, TINY, ORIGIN)
    check_table(table, config, TINY, None)
    with pytest.raises(InputError, match=r"made by model tiny \(000000000000\), now given model new \(222222222222\)"):
        check_table(table, config, TINY, replace(ORIGIN, model="new", model_hash="2" * 64))
    with pytest.raises(InputError, match="contract: num_agents 8 and 4"):
        check_table(table, config, replace(TINY, num_agents=4), None)
    with pytest.raises(ConfigError, match="give --table DIR"):
        check_table(None, replace(config, preference=PreferenceConfig(pairs=0.1)), TINY, None)
    keep_table(tmp_path, table)
    keep_table(tmp_path, table)
    with pytest.raises(TrainingError, match=r"begun with a table of 1 frames of 1 drives .* now with no table"):
        keep_table(tmp_path, None)
