"""Plan normalizer: model space and poses convert into each other."""

import numpy as np

from transdiffuser_planner.core.geometry import wrap_angle
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer


def _futures(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    ego = np.cumsum(rng.normal(size=(5, 8, 3)) * [2.0, 0.3, 0.1], axis=1)
    origin = rng.normal(size=(5, 4, 3)) * [10.0, 10.0, 2.0]
    agents = origin[:, :, None] + np.cumsum(rng.normal(size=(5, 4, 8, 3)) * [1.0, 1.0, 0.1], axis=2)
    return ego, agents, origin


def test_poses_survive_the_way_through_model_space() -> None:
    ego, agents, origin = _futures(0)
    normalizer = PlanNormalizer.fit(ego, agents.reshape(-1, 8, 3))
    model = normalizer.to_model(ego, agents, origin)
    assert model.shape == (5, 5, 24)
    for b in range(5):
        poses = normalizer.to_poses(model[b : b + 1], origin[b])[0]
        assert np.allclose(poses[0], ego[b], atol=1e-4)
        assert np.allclose(poses[1:, :, :2], agents[b, :, :, :2], atol=1e-4)
        assert np.abs(wrap_angle(poses[1:, :, 2] - agents[b, :, :, 2])).max() < 1e-4


def test_model_space_of_the_training_data_is_standardized() -> None:
    ego, agents, origin = _futures(1)
    normalizer = PlanNormalizer.fit(ego, agents.reshape(-1, 8, 3))
    model = normalizer.to_model(ego, agents, origin)[:, 0]
    assert np.allclose(model.mean(axis=0), 0.0, atol=1e-5)
    assert np.allclose(model.std(axis=0), 1.0, atol=1e-4)


def test_json_keeps_every_number() -> None:
    ego, agents, _ = _futures(2)
    normalizer = PlanNormalizer.fit(ego, agents.reshape(-1, 8, 3))
    again = PlanNormalizer.from_json(normalizer.to_json())
    assert np.array_equal(again.ego_std_T3, normalizer.ego_std_T3)
    assert np.array_equal(again.agent_mean_T3, normalizer.agent_mean_T3)
