"""Reasons for lost points of a plan, with the step at which they occur."""

from __future__ import annotations

from dataclasses import dataclass

from transdiffuser_planner.metrics.pdm.scene import STEP_S


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """One deduction.

    Attributes:
        metric: Name of the lowered sub-score.
        step: Time in steps of 0.1 s from time 0.
        agent: Token of the agent or red light concerned, if any.
        corner: Corners of the ego concerned, if any.
        detail: Further human-readable information.
    """

    metric: str
    step: int
    agent: str | None = None
    corner: str | None = None
    detail: str = ""

    @property
    def time_s(self) -> float:
        """Time in seconds from time 0."""
        return self.step * STEP_S

    def __str__(self) -> str:
        parts = [f"{self.metric} at {self.time_s:.1f} s"]
        parts += [part for part in (self.agent, self.corner, self.detail) if part]
        return ", ".join(parts)


Reasons = tuple[tuple[Reason, ...], ...]
"""Reasons of each plan, earliest first."""


def gather(num_plans: int, found: list[tuple[int, Reason]]) -> Reasons:
    """Sort pairs of plan index and reason into one tuple for each of the plans."""
    lists: list[list[Reason]] = [[] for _ in range(num_plans)]
    for plan, reason in found:
        lists[plan].append(reason)
    return tuple(tuple(sorted(reasons, key=lambda reason: reason.step)) for reasons in lists)


def join(*parts: Reasons) -> Reasons:
    """Merge the reasons of several sub-scores."""
    return tuple(
        tuple(sorted((reason for of_part in of_plan for reason in of_part), key=lambda reason: reason.step))
        for of_plan in zip(*parts, strict=True)
    )
