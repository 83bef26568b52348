"""Policy gradient through the denoise steps: group-relative (GRPO), feasibility first, with a progress floor.

Several plans of a scene are drawn by the network as it is, some of the denoise steps with noise. Each gets the sub-scores of the
nearest plan in the table (look-up instead of simulation, as in HAD); one that is far from all of them teaches nothing. Noise
that led to better plans than the group's becomes likelier. As in AMPT (arXiv 2608.30122) only plans that neither collide nor
leave the road and are not slower than the floor gain, failing ones lose, and groups in which all fail are left to imitation.
Differences are divided by a constant, not by the group's spread (Plan-R1), and the ordinary loss is the behavior-cloning term.

Letters: B scenes, G plans of a group, W plans of the table, N = 1 + A road users, T plan steps, P = T x 3, Q sub-scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from transdiffuser_planner.networks.decoder.denoising_decoder import DenoisingDecoder
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.planning.selection.predicted_pdm_score import pdm_score
from transdiffuser_planner.training.preference_recipe import PreferenceConfig
from transdiffuser_planner.training.preferences.noise_prediction import Batch, recovered_x0

NUM_STEPS: Final = 5
NOISY_STEPS: Final = 3
"""The last steps but one have noise; the very last has none, as its noise would only make plans rough."""
LEAST_SIGMA: Final = 0.1
"""Smallest standard deviation of a noisy step in model space."""
SPREAD: Final = 0.25
"""Difference of the PDM score that counts as an advantage of 1."""
FAILING: Final = -1.0
"""Advantage of a plan that collides or leaves the road, in a group where another one does not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoisyStep:
    """A denoise step with noise.

    Attributes:
        x: Samples (B, G, N, P) before it.
        after: Samples after it.
        k, k_prev: Denoise steps of both.
    """

    x: Tensor
    after: Tensor
    k: int
    k_prev: int


class DenoisePolicy:
    """The network as a policy whose actions are the noisy denoise steps.

    Args:
        network: The decoder.
        schedule: Its noise schedule.
        prepared: Result of ``DenoisingDecoder.prepare`` for the scenes.
    """

    def __init__(self, network: DenoisingDecoder, schedule: NoiseSchedule, prepared: dict[str, Tensor]) -> None:
        self._network, self._schedule, self._prepared = network, schedule, prepared

    @torch.no_grad()
    def draw(self, noise: Tensor) -> tuple[Tensor, list[NoisyStep]]:
        """Draw joint samples.

        Args:
            noise: Start samples (B, G, N, P).

        Returns:
            Samples (B, G, N, P) in model space, and the noisy steps that led to them.
        """
        pairs = self._schedule.pairs(NUM_STEPS)
        first_noisy = max(len(pairs) - 1 - NOISY_STEPS, 0)
        x, steps = noise, []
        for place, (k, k_prev) in enumerate(pairs):
            mean, sigma = self.step(x, k, k_prev)
            if not first_noisy <= place < len(pairs) - 1:
                x = mean if k_prev == 0 else self._deterministic(x, k, k_prev)
                continue
            after = mean + sigma * torch.randn_like(mean)
            steps.append(NoisyStep(x=x, after=after, k=k, k_prev=k_prev))
            x = after
        return x, steps

    def step(self, x: Tensor, k: int, k_prev: int) -> tuple[Tensor, float]:
        """Mean (B, G, N, P) and standard deviation of an ancestral step; at k_prev 0 the mean is the plan itself."""
        weight_x0, weight_x, sigma = self._schedule.posterior(k, k_prev)
        return weight_x0 * self._x0(x, k) + weight_x * x, max(sigma, LEAST_SIGMA)

    def log_probability(self, step: NoisyStep) -> Tensor:
        """Logarithm (B, G) of the density of the ego's part of a noisy step, averaged over its numbers, without constants."""
        mean, sigma = self.step(step.x, step.k, step.k_prev)
        return -(step.after[:, :, 0] - mean[:, :, 0]).square().mean(dim=-1) / (2.0 * sigma**2)

    def _x0(self, x: Tensor, k: int) -> Tensor:
        predicted = self._network(x, torch.full((1, 1), k, dtype=torch.int64, device=x.device), self._prepared)[0]
        return recovered_x0(x, predicted.float(), x.new_tensor(self._schedule.alpha_bar_K1[k]))

    def _deterministic(self, x: Tensor, k: int, k_prev: int) -> Tensor:
        a, a_prev = self._schedule.alpha_bar_K1[k], self._schedule.alpha_bar_K1[k_prev]
        x0 = self._x0(x, k)
        return a_prev**0.5 * x0 + (1.0 - a_prev) ** 0.5 * (x - a**0.5 * x0) / (1.0 - a) ** 0.5


def policy_loss(
    config: PreferenceConfig,
    schedule: NoiseSchedule,
    network: DenoisingDecoder,
    batch: Batch,
    prepared: dict[str, Tensor],
) -> dict[str, Tensor]:
    """Draw a group of plans per scene and compute the loss whose gradient makes the better ones likelier.

    Args:
        config: Size of the group and limits.
        schedule: Noise schedule.
        network: The decoder; its dropout is off meanwhile.
        batch: With ``preferred_plans.preference_tensors``.
        prepared: Result of ``DenoisingDecoder.prepare``.

    Returns:
        "policy", and as curves "policy_score", the mean PDM score of the drawn plans, "policy_feasible" and "policy_known",
        shares of them.
    """
    was_training = network.training
    network.eval()
    policy = DenoisePolicy(network, schedule, prepared)
    shape = (len(batch["plan"]), config.group, *batch["plan"].shape[1:])
    drawn, steps = policy.draw(torch.randn(shape, device=batch["plan"].device))
    found = looked_up(drawn[:, :, 0], batch, config)
    advantage_BG = advantages(found, config)
    loss = torch.stack([-(advantage_BG * policy.log_probability(step)).mean() for step in steps]).mean()
    network.train(was_training)
    known = found.known_BG.float()
    count = known.sum().clamp(min=1.0)
    return {
        "policy": loss,
        "policy_score": (found.score_BG * known).sum() / count,
        "policy_feasible": (found.feasible_BG.float() * known).sum() / count,
        "policy_known": known.mean(),
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class LookedUp:
    """What the table knows of drawn plans.

    Attributes:
        score_BG: PDMS.
        feasible_BG: Whether they neither collide nor leave the road.
        progress_BG: Progress as a share of the driven plan's.
        known_BG: Whether a plan of the table is near enough.
    """

    score_BG: Tensor
    feasible_BG: Tensor
    progress_BG: Tensor
    known_BG: Tensor


def looked_up(ego_BGP: Tensor, batch: Batch, config: PreferenceConfig) -> LookedUp:
    """Give drawn plans the scores of the nearest plan in the table.

    Args:
        ego_BGP: Plans in model space.
        batch: With ``preferred_plans.preference_tensors``.
        config: How near that plan must be.
    """
    steps_BGT3 = (ego_BGP * batch["plan_std"][0] + batch["plan_mean"][0]).unflatten(-1, (-1, 3))
    xy_BGT2 = steps_BGT3[..., :2].cumsum(dim=2)
    gap_BGW = torch.linalg.vector_norm(xy_BGT2[:, :, None] - batch["table_xy"][:, None], dim=-1).mean(dim=-1)
    nearest_m_BG, index_BG = gap_BGW.min(dim=-1)
    score_BGQ = torch.take_along_dim(batch["table_score"], index_BG[..., None], dim=1)
    progress_BG = torch.take_along_dim(batch["table_progress"], index_BG, dim=1)
    return LookedUp(
        score_BG=pdm_score(score_BGQ),
        feasible_BG=(score_BGQ[..., :2] >= 1.0).all(dim=-1),
        progress_BG=progress_BG,
        known_BG=(nearest_m_BG <= config.near_table_m) & (batch["in_table"][:, None] > 0.0),
    )


def advantages(found: LookedUp, config: PreferenceConfig) -> Tensor:
    """Advantages (B, G) within each group, feasibility first.

    Args:
        found: Scores of the drawn plans.
        config: The progress floor.
    """
    known, feasible = found.known_BG, found.feasible_BG & found.known_BG
    share_BG = feasible.float()
    mean_B1 = (found.score_BG * share_BG).sum(dim=1, keepdim=True) / share_BG.sum(dim=1, keepdim=True).clamp(min=1.0)
    gain_BG = (found.score_BG - mean_B1) / SPREAD
    too_slow_BG = found.progress_BG < config.least_progress
    gain_BG = torch.where(too_slow_BG, gain_BG.clamp(max=0.0), gain_BG)
    any_feasible_B1 = feasible.any(dim=1, keepdim=True)
    lost_BG = torch.where(known & ~feasible & any_feasible_B1, FAILING, 0.0)
    return torch.where(feasible, gain_BG, lost_BG)
