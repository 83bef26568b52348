"""The policy gradient: who gains and loses in a group, scores by look-up, and a small policy that learns."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_lightning")

from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule  # noqa: E402
from transdiffuser_planner.training.preference_recipe import PreferenceConfig  # noqa: E402
from transdiffuser_planner.training.preferences.policy_gradient import (  # noqa: E402
    LookedUp,
    advantages,
    looked_up,
    policy_loss,
)

SCHEDULE, CONFIG = NoiseSchedule.cosine(10), PreferenceConfig(policy=1.0, group=8)
GOOD, OFF_ROAD = [1.0, 1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0, 1.0]


def _found(score: list[float], feasible: list[bool], progress: list[float], known: list[bool]) -> LookedUp:
    return LookedUp(
        score_BG=torch.tensor([score]),
        feasible_BG=torch.tensor([feasible]),
        progress_BG=torch.tensor([progress]),
        known_BG=torch.tensor([known]),
    )


def test_only_feasible_plans_that_are_not_slow_gain_and_unknown_ones_count_for_nothing() -> None:
    found = _found(
        [1.0, 0.5, 0.0, 1.0, 1.0], [True, True, False, True, True], [1.0, 1.0, 1.0, 0.5, 1.0], [True] * 4 + [False]
    )
    gains = advantages(found, CONFIG)[0].tolist()
    mean = 2.5 / 3.0
    assert gains == pytest.approx([(1.0 - mean) / 0.25, (0.5 - mean) / 0.25, -1.0, 0.0, 0.0])


def test_a_group_in_which_all_fail_is_left_to_imitation() -> None:
    found = _found([0.0, 0.0], [False, False], [1.0, 1.0], [True, True])
    assert not advantages(found, CONFIG).any()


def _batch(num_scenes: int = 2) -> dict:
    """The table holds a plan to the left, which is good, and one to the right, which leaves the road; model space is meters."""
    side = torch.tensor([1.0, -1.0])[:, None].expand(2, 8)
    xy = torch.stack([torch.zeros(2, 8), side], dim=-1).cumsum(dim=1)[None].repeat(num_scenes, 1, 1, 1)
    return {
        "plan": torch.zeros(num_scenes, 2, 24),
        "plan_mean": torch.zeros(num_scenes, 24),
        "plan_std": torch.ones(num_scenes, 24),
        "table_xy": xy,
        "table_score": torch.tensor([GOOD, OFF_ROAD])[None].repeat(num_scenes, 1, 1),
        "table_progress": torch.ones(num_scenes, 2),
        "in_table": torch.ones(num_scenes),
    }


def test_plans_get_the_scores_of_the_nearest_one_in_the_table() -> None:
    batch = _batch(1)
    ego = torch.zeros(1, 3, 24)
    ego.view(1, 3, 8, 3)[:, :, :, 1] = torch.tensor([0.9, -0.9, 0.0])[None, :, None]
    found = looked_up(ego, batch, PreferenceConfig(near_table_m=0.75))
    assert found.feasible_BG[0, :2].tolist() == [True, False] and found.known_BG[0].tolist() == [True, True, False]
    batch["in_table"][:] = 0.0
    assert not looked_up(ego, batch, CONFIG).known_BG.any()


class Shifted(torch.nn.Module):
    """A policy with one parameter, the lateral motion per step that its plans tend to; the rest follows the noise."""

    def __init__(self) -> None:
        super().__init__()
        self.aside = torch.nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor, k: torch.Tensor, prepared: dict) -> tuple[torch.Tensor, None]:
        a = SCHEDULE.alpha_bar_K1[int(k)]
        x0 = 0.8 * x + self.aside * torch.tensor([0.0, 1.0, 0.0]).repeat(8)
        return (x - a**0.5 * x0) / (1.0 - a) ** 0.5, None


def test_a_policy_moves_towards_the_better_plan() -> None:
    torch.manual_seed(0)
    network, config = Shifted(), PreferenceConfig(policy=1.0, group=16, near_table_m=9.0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    first = None
    for _ in range(40):
        parts = policy_loss(config, SCHEDULE, network, _batch(8), {})  # type: ignore[arg-type]
        first = parts["policy_feasible"] if first is None else first
        optimizer.zero_grad()
        parts["policy"].backward()
        optimizer.step()
    assert network.training and float(network.aside) > 0.1
    assert float(parts["policy_feasible"]) > float(first) and np.isfinite(float(parts["policy"]))
