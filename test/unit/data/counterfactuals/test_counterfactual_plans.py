"""Counterfactual plans as conditions and targets."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from transdiffuser_planner.core.contract import TINY, BevClass  # noqa: E402
from transdiffuser_planner.core.vehicle import EGO_VEHICLE  # noqa: E402
from transdiffuser_planner.data.counterfactuals import counterfactual_plans  # noqa: E402
from transdiffuser_planner.data.counterfactuals.counterfactual_plans import CounterfactualPlans  # noqa: E402
from transdiffuser_planner.data.counterfactuals.maneuvers import MEASURED, Style, stays_on_road  # noqa: E402
from transdiffuser_planner.data.samples.sample_set import LABELS, SampleSet  # noqa: E402
from transdiffuser_planner.data.samples.targets import fit_normalizer, visible_agents  # noqa: E402
from transdiffuser_planner.planning.action_codebook import ActionCodebook, integrate_segments  # noqa: E402
from transdiffuser_planner.training.recipe import AugmentationConfig, TrainingConfig  # noqa: E402
from transdiffuser_planner.training.stages import decoder as decoder_stage  # noqa: E402


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory, samples_folder: Path) -> SampleSet:
    """Everything is road."""
    folder = tmp_path_factory.mktemp("road") / "train"
    folder.mkdir()
    for path in (samples_folder / "train").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    np.save(folder / "bev.npy", np.full_like(np.load(folder / "bev.npy"), int(BevClass.ROAD)))
    return SampleSet.open(folder.parent, TINY)


@pytest.fixture(scope="module")
def codebook() -> ActionCodebook:
    """Fine in every direction a maneuver needs."""
    dx, dheading = np.meshgrid(np.linspace(0.0, 7.5, 31), np.linspace(-1.0, 1.0, 41))
    dy = dx * 0.5 * dheading
    return ActionCodebook(segment_C3=np.stack([dx, dy, dheading], axis=-1).reshape(-1, 3), interval_s=0.5)


@pytest.fixture(scope="module")
def others(samples: SampleSet, codebook: ActionCodebook) -> CounterfactualPlans:
    """Of all samples."""
    return CounterfactualPlans.make(samples, codebook, TINY, 0)


def test_other_plans_stay_on_the_road_and_their_tokens_lead_there(
    samples: SampleSet, others: CounterfactualPlans
) -> None:
    assert (others.count_N > 0).mean() > 0.8
    for row in np.flatnonzero(others.count_N):
        for place in range(others.count_N[row]):
            plan = others.plan_NOT3[row, place].astype(np.float64)
            assert stays_on_road(plan, samples.whole("bev")[row], TINY, EGO_VEHICLE)
            gap = integrate_segments(others.token_path_NOT3[row, place].astype(np.float64))[:, :2] - plan[:, :2]
            assert np.hypot(*gap.T).mean() < 0.8


def test_styles_differ_and_the_measured_one_is_among_the_possible() -> None:
    drawn = [Style.drawn(np.random.default_rng(seed)) for seed in range(50)]
    for name in ("brake_mps2", "start_mps2", "cruise_mps", "turn_speed_mps"):
        values = [getattr(style, name) for style in drawn]
        assert min(values) < getattr(MEASURED, name) < max(values)


def test_what_is_told_is_what_is_wanted(
    samples: SampleSet, codebook: ActionCodebook, others: CounterfactualPlans
) -> None:
    motion = decoder_stage.DecoderSamples(samples, codebook, others)
    index = np.arange(len(motion))
    raw = motion.gather(index)
    changed_batch = others.substitute(raw, index, 0.5, np.random.default_rng(0))
    changed = changed_batch["is_counterfactual"]
    assert 0.2 < changed.mean() < 0.8
    np.testing.assert_array_equal(changed_batch["plan"][~changed], raw["plan"][~changed])
    np.testing.assert_array_equal(changed_batch["action_token_path"][~changed], raw["action_token_path"][~changed])
    for row in np.flatnonzero(changed):
        place = np.abs(others.plan_NOT3[row] - changed_batch["plan"][row]).sum(axis=(1, 2)).argmin()
        np.testing.assert_array_equal(changed_batch["plan"][row], others.plan_NOT3[row, place])
        np.testing.assert_array_equal(changed_batch["action_token_path"][row], others.token_path_NOT3[row, place])


def test_other_maneuvers_are_always_said_in_full(
    samples: SampleSet, codebook: ActionCodebook, others: CounterfactualPlans
) -> None:
    config = TrainingConfig(augmentation=AugmentationConfig(drop_tokens=1.0, counterfactual_share=1.0))
    labels = {name: samples.whole(name) for name in LABELS}
    normalizer = fit_normalizer(labels["plan"], visible_agents(labels, TINY))
    index = np.arange(len(samples))
    motion = decoder_stage.DecoderSamples(samples, codebook, others)
    batch = decoder_stage.make_batch(motion, None, TINY, normalizer, config, index, np.random.default_rng(0))
    np.testing.assert_array_equal(batch["action_tokens_valid"].numpy().min(axis=1), others.count_N > 0)
    assert batch["plan_mask"][:, 0].all()


def test_they_are_made_once(
    tmp_path: Path, samples: SampleSet, codebook: ActionCodebook, others: CounterfactualPlans
) -> None:
    path = tmp_path / "features"
    first = CounterfactualPlans.cached(path, samples, codebook, TINY, 0)
    np.testing.assert_array_equal(first.plan_NOT3, others.plan_NOT3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counterfactual_plans, "alternative_maneuvers", lambda *_, **__: {})
        np.testing.assert_array_equal(
            CounterfactualPlans.cached(path, samples, codebook, TINY, 0).count_N, others.count_N
        )
        assert not CounterfactualPlans.cached(
            path, samples, codebook, TINY, 1
        ).count_N.any()  # another seed: made again
