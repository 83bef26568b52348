"""Wanted scores as a condition: an extended network is unchanged without them, and batches give plans their scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scored_plan_tables import OFF_ROAD, frame_of, save_plans

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from transdiffuser_planner.core.contract import TINY, condition_inputs  # noqa: E402
from transdiffuser_planner.core.driving_style import wanted_scores  # noqa: E402
from transdiffuser_planner.core.errors import ConfigError  # noqa: E402
from transdiffuser_planner.data.candidates.scored_candidates import ScoredPlans  # noqa: E402
from transdiffuser_planner.networks.decoder.condition_cache import ScenePreparation  # noqa: E402
from transdiffuser_planner.networks.decoder.denoise_step import DenoiseStep  # noqa: E402
from transdiffuser_planner.networks.encoder.scene_encoder import FEATURE_NAMES  # noqa: E402
from transdiffuser_planner.networks.network_config import tiny_config  # noqa: E402
from transdiffuser_planner.training.batches.augmentation import mask_tokens  # noqa: E402
from transdiffuser_planner.training.engine.warm_start import grow_from  # noqa: E402
from transdiffuser_planner.training.export.model_folder import random_observation  # noqa: E402
from transdiffuser_planner.training.export.random_model import random_network  # noqa: E402
from transdiffuser_planner.training.preferences.scored_draws import ScoredDraws  # noqa: E402
from transdiffuser_planner.training.preferences.table_record import check_table  # noqa: E402
from transdiffuser_planner.training.recipe import TrainingConfig  # noqa: E402

KNOWING = replace(TINY, score_condition=True)


def test_a_grown_decoder_is_unchanged_without_wanted_scores_and_its_graph_form_equals_it_with_them() -> None:
    old, new = (random_network(tiny_config(), c, seed=1).decoder.eval() for c in (TINY, KNOWING))
    added = grow_from(new, old.state_dict())
    assert added and all("score_condition_encoder" in name for name in added)
    for name, value in new.named_parameters():
        if name in added:
            torch.nn.init.normal_(value, std=0.2)
    values = {name: torch.from_numpy(value) for name, value in random_observation(KNOWING, 3).items()}
    values["agents_valid"] = torch.ones(1, TINY.num_agents)
    counts = {name: (1, old.positions[name].shape[0], tiny_config().width) for name in FEATURE_NAMES}
    features = {name: torch.randn(shape, generator=torch.Generator().manual_seed(2)) for name, shape in counts.items()}
    noise = torch.randn(1, 3, 9, 24, generator=torch.Generator().manual_seed(3))

    def predicted(network, **changes):  # type: ignore[no-untyped-def]
        given = {name: (values | changes)[name] for name in condition_inputs(network.contract)}
        prepared = network.prepare(features, given, values["agents"], values["agents_valid"])
        return network(noise, torch.tensor([[4]]), prepared)[0]

    with torch.no_grad():
        nothing, calm, brisk = (
            {name: torch.from_numpy(value) for name, value in wanted_scores(style).items()}
            for style in (-1.0, 0.0, 1.0)
        )
        torch.testing.assert_close(predicted(new, **nothing), predicted(old), atol=1e-6, rtol=1e-5)
        assert (predicted(new, **calm) - predicted(new, **brisk)).abs().max() > 1e-3
        given = {name: (values | brisk)[name] for name in condition_inputs(KNOWING)}
        cache = ScenePreparation(new)(features, given, values["agents"], values["agents_valid"])
        fast = DenoiseStep(new)(noise[0], torch.tensor([4]), cache)
        torch.testing.assert_close(fast, predicted(new, **brisk)[0], atol=1e-4, rtol=1e-3)


def test_draws_give_plans_their_own_scores_and_rare_ones_more_often(tmp_path: Path) -> None:
    values = frame_of(0)
    values["score"][0] = OFF_ROAD
    save_plans(tmp_path / "drive", [values])
    draws = ScoredDraws(ScoredPlans.open(tmp_path).drives)
    plan, scores, given = draws.draw(np.zeros(400, dtype=np.int64), np.random.default_rng(0))
    is_bad = plan[:, 0, 1] == np.float32(0.2)
    assert 0.25 < is_bad.mean() < 0.5  # one plan of five, and its score is rare
    known = given[:, 1] > 0.0
    np.testing.assert_array_equal(scores[known, 1], np.where(is_bad[known], 0.0, 1.0))
    assert not scores[~known, 1].any() and 0.1 < (~known).mean() < 0.3


def test_tokens_are_masked_where_scores_lead_and_kept_where_a_maneuver_needs_them() -> None:
    tokens = {"action_tokens": np.ones((3, 8, 3)), "action_tokens_valid": np.ones((3, 8))}
    mask_tokens(tokens, np.asarray([True, True, False]), np.asarray([False, True, False]))
    assert tokens["action_tokens_valid"].any(axis=1).tolist() == [False, True, True]
    assert not tokens["action_tokens"][0].any()


def test_a_recipe_with_half_of_the_condition_is_refused(tmp_path: Path) -> None:
    save_plans(tmp_path / "drive")
    with pytest.raises(ConfigError, match="score_condition and the preference's scored_share go together"):
        check_table(ScoredPlans.open(tmp_path), TrainingConfig(), KNOWING, None)
