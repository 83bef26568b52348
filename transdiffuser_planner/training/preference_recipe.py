"""Part of a recipe: how the decoder learns from a table of scored plans (train --table)."""

from __future__ import annotations

from dataclasses import dataclass

from transdiffuser_planner.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class PreferenceConfig:
    """Which plans of the table are learned from, and how; without a table it has no effect.

    A target is a plan of a scene that the decoder learns to denoise instead of the driven one: drawn by the model or under
    action tokens, of a high score, near the model's own samples (AMPT, arXiv 2608.30122), near the driven plan, and hardly
    slower than it. One is drawn per scene and step; the other road users keep their recorded futures.

    Attributes:
        driven_share: Probability that a scene keeps its driven plan, where that one is good enough.
        driven_score: PDM score from which the driven plan is good enough; below, the best plan of the table near it is learned.
        target_score: Lowest PDM score of a target, which is also at least that of the driven plan.
        near_driven_m: Largest distance of a target from the driven plan at any plan step.
        near_own_m: Largest mean distance of a target from the nearest of the model's own samples.
        least_progress: Smallest progress of a target as a share of the driven plan's.
        pairs: Weight of the preference term of pairs relative to the winner's denoising loss: -log sigmoid(beta (loss of the
            loser - loss of the winner)) with the same noise and step (DriveReferee, arXiv 2609.22762, weights the winner
            with w = 10 instead, which is 0.1 here). The loser is the plan nearest to the driven one that collides or leaves
            the road.
        beta: Its sharpness.
        repulsion: Weight of the repulsion of the denoised plan from the nearest plan below failing_score (ReWorld,
            arXiv 2606.27504).
        failing_score: PDM score below which plans repel.
        repulsion_reach: Mean absolute difference in model space beyond which they no longer do.
        scored_share: Share of the samples that learn any plan of the table, good or bad, under its sub-scores as a condition
            (FlowR2A, arXiv 2606.24231); for recipes with score_condition.
        policy: Weight of the policy gradient through the denoise steps, in addition to the ordinary loss.
        group: Plans that are drawn per scene for it.
        near_table_m: Largest mean distance of such a plan from the plan of the table whose scores it gets.
    """

    driven_share: float = 0.4
    driven_score: float = 0.8
    target_score: float = 0.9
    near_driven_m: float = 4.0
    near_own_m: float = 1.0
    least_progress: float = 0.95
    pairs: float = 0.0
    beta: float = 10.0
    repulsion: float = 0.0
    failing_score: float = 0.6
    repulsion_reach: float = 0.3
    scored_share: float = 0.0
    policy: float = 0.0
    group: int = 8
    near_table_m: float = 0.75

    def __post_init__(self) -> None:
        shares = ("driven_share", "driven_score", "target_score", "least_progress", "failing_score", "scored_share")
        wrong = [name for name in shares if not 0.0 <= getattr(self, name) <= 1.0]
        if wrong:
            raise ConfigError(f"preference: {', '.join(wrong)} must lie in 0 .. 1")
        if min(self.pairs, self.repulsion, self.policy) < 0.0:
            raise ConfigError("preference: pairs, repulsion and policy are weights and must not be negative")
        if self.group < 2:
            raise ConfigError(f"preference: group {self.group}: expected at least 2 plans to compare")
        positive = ("near_driven_m", "near_own_m", "near_table_m", "beta", "repulsion_reach")
        wrong = [name for name in positive if not getattr(self, name) > 0.0]
        if wrong:
            raise ConfigError(f"preference: {', '.join(wrong)} must be positive")

    @property
    def needs_table(self) -> bool:
        """Whether a term cannot be computed without a table."""
        return max(self.pairs, self.repulsion, self.scored_share, self.policy) > 0.0
