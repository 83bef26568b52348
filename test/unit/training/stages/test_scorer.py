"""The plan scorer: its inputs, their influence, and its training plans."""

import numpy as np
import pytest

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")

from transdiffuser_planner.core.contract import (  # noqa: E402
    NUM_AGENT_FEATURES,
    SCORE_NAMES,
    SCORER_INPUTS,
    TINY,
    AgentIndex,
    BevClass,
)
from transdiffuser_planner.core.vehicle import EGO_VEHICLE  # noqa: E402
from transdiffuser_planner.data.candidates.plan_variants import altered  # noqa: E402
from transdiffuser_planner.data.candidates.scored_candidates import NUM_ALTERED  # noqa: E402
from transdiffuser_planner.networks.network_config import tiny_config  # noqa: E402
from transdiffuser_planner.networks.scorer.plan_scorer import PlanScorer, _chance_of_contact  # noqa: E402
from transdiffuser_planner.planning.selection.predicted_pdm_score import pdm_score  # noqa: E402
from transdiffuser_planner.training.export.model_folder import random_observation  # noqa: E402
from transdiffuser_planner.training.export.random_model import random_scorer  # noqa: E402
from transdiffuser_planner.training.stages import scorer as scorer_stage  # noqa: E402

CELLS = TINY.bev_cells


def _scorer() -> PlanScorer:
    return random_scorer(tiny_config(), TINY)


def _scene(num_agents: int = 3) -> dict:
    values = random_observation(TINY, 4)
    rng = np.random.default_rng(1)
    values["bev_logits"] = rng.standard_normal((1, len(BevClass), CELLS, CELLS)).astype(np.float32)
    values["bev_tokens"] = rng.standard_normal((1, 64, tiny_config().width)).astype(np.float32)
    values |= {name: values[name][:, :num_agents] for name in ("agents", "agents_valid")}
    return {name: torch.from_numpy(values[name]) for name in SCORER_INPUTS}


def _plans(num_agents: int = 3) -> tuple:
    rng = np.random.default_rng(2)
    step = np.asarray([2.0, 0.1, 0.02]) + 0.3 * rng.standard_normal((1, 5, 8, 3))
    agents = 10.0 * rng.standard_normal((1, 5, num_agents, 8, 3))
    return torch.from_numpy(step.cumsum(axis=2)).float(), torch.from_numpy(agents).float()


@pytest.mark.parametrize(("ahead_m", "left_m", "on_road"), [(10, 10, 1.0), (10, -10, 0.0), (-10, 10, 0.0), (3, 3, 1.0)])
def test_road_is_read_where_the_plan_is(ahead_m: float, left_m: float, on_road: float) -> None:
    """Only the quarter ahead on the left is road: the first rows are ahead, the first columns left."""
    logits = torch.zeros(1, len(BevClass), CELLS, CELLS)
    logits[:, BevClass.BACKGROUND] = 20.0
    logits[:, :, : CELLS // 2, : CELLS // 2] = 0.0
    logits[:, BevClass.ROAD, : CELLS // 2, : CELLS // 2] = 20.0
    pose = torch.tensor([ahead_m, left_m, 0.0]).expand(1, 1, TINY.num_plan_steps, 3)
    road = _scorer()._road(pose, logits)
    assert road.shape == (1, 1, TINY.num_plan_steps, 6)
    np.testing.assert_allclose(road[..., :5].numpy(), on_road, atol=1e-4)


def test_masked_agents_cannot_influence_the_score_and_present_ones_do() -> None:
    scorer, scene = _scorer(), _scene()
    pose, agents = _plans()
    scene["agents_valid"][:, 1] = 0.0
    moved = agents.clone()
    moved[:, :, 1] += 3.0
    first = scorer(pose, agents, scene)
    torch.testing.assert_close(scorer(pose, moved, scene), first)
    moved[:, :, 0] += 3.0
    assert (scorer(pose, moved, scene) - first).abs().max() > 1e-4
    fewer = {**scene, "agents": scene["agents"][:, [0, 2]], "agents_valid": scene["agents_valid"][:, [0, 2]]}
    torch.testing.assert_close(scorer(pose, agents[:, :, [0, 2]], fewer), first)


@pytest.mark.parametrize("name", ["route", "signal", "speed_limit"])
def test_masked_conditions_cannot_influence_the_score(name: str) -> None:
    scorer, scene = _scorer(), _scene()
    scene[f"{name}_valid"] = torch.zeros_like(scene[f"{name}_valid"])
    other = {**scene, name: scene[name] + 5.0}
    torch.testing.assert_close(scorer(*_plans(), other), scorer(*_plans(), scene))


def test_other_plans_do_not_matter_but_the_agents_in_their_samples_do() -> None:
    scorer, scene = _scorer(), _scene()
    pose, agents = _plans()
    elsewhere = pose.clone()
    elsewhere[:, :2] += 1.0
    first = scorer(pose, agents, scene)[:, 2:]
    torch.testing.assert_close(scorer(elsewhere, agents, scene)[:, 2:], first)
    here = agents.clone()
    here[:, :2, 0, :, :2] = pose[:, 2:3, :, :2]  # in two samples an agent follows the third plan
    assert (scorer(pose, here, scene)[:, 2] - first[:, 0]).abs().max() > 1e-4


def test_the_probability_of_contact_is_its_share_of_the_samples() -> None:
    """An agent is stationary on the plan's path in one sample of four, far away in the others."""
    pose = torch.tensor([10.0, 0.0, 0.0]).expand(1, 1, 8, 3)
    agents = torch.full((1, 4, 1, 8, 3), 50.0)
    agents[:, 0, 0] = torch.tensor([10.0 + EGO_VEHICLE.center_offset_m, 0.0, 0.0])
    features = torch.zeros(1, 1, NUM_AGENT_FEATURES)
    features[..., [AgentIndex.LENGTH_M, AgentIndex.WIDTH_M]] = torch.tensor([4.0, 2.0])
    chance = _chance_of_contact(pose, agents, {"agents": features, "agents_valid": torch.ones(1, 1)}, EGO_VEHICLE)
    np.testing.assert_allclose(chance[..., :2].numpy(), 0.25, atol=0.01)
    masked = {"agents": features, "agents_valid": torch.zeros(1, 1)}
    assert not _chance_of_contact(pose, agents, masked, EGO_VEHICLE).any()
    without = {"agents": features[:, :0], "agents_valid": torch.zeros(1, 0)}
    assert not _chance_of_contact(pose, agents[:, :, :0], without, EGO_VEHICLE).any()


def test_ranking_prefers_the_order_of_the_truth() -> None:
    score = torch.rand(3, 6, 5, generator=torch.Generator().manual_seed(0))
    batch = {"score": score}

    def ranking(logits: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> float:
        monkeypatch.setattr(scorer_stage, "logits_of", lambda network, batch: logits)
        return float(scorer_stage.losses(None, batch)["ranking"])  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as monkeypatch:
        right = ranking(score.logit(), monkeypatch)
        assert right < ranking(torch.zeros_like(score), monkeypatch) < ranking((1.0 - score).logit(), monkeypatch)


def test_the_formula_is_that_of_pdms() -> None:
    assert SCORE_NAMES == ("no_at_fault_collision", "drivable_area", "time_to_collision", "ego_progress", "comfort")
    np.testing.assert_allclose(
        pdm_score(np.asarray([[1.0, 1.0, 1.0, 1.0, 1.0], [0.5, 1.0, 0.0, 0.4, 1.0]])), [1.0, 1.0 / 6.0]
    )


def test_altered_plans_differ_from_the_models_plans_and_do_not_change_them() -> None:
    joint = np.random.default_rng(0).standard_normal((10, 3, 8, 3)).cumsum(axis=2)
    before = joint.copy()
    worse = altered(joint)
    assert worse.shape == (NUM_ALTERED, 3, 8, 3)
    np.testing.assert_array_equal(joint, before)
    np.testing.assert_array_equal(worse[:, 1:], joint[:NUM_ALTERED, 1:])
    assert (np.abs(worse[:, 0] - joint[:NUM_ALTERED, 0]).max(axis=(1, 2)) > 0.01).all()
