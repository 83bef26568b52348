"""Why a plan lost points, and how many steps in."""

from __future__ import annotations

from dataclasses import dataclass

from transdiffuser_planner.metrics.pdm.scene import STEP_S


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """One thing that went wrong.

    Attributes:
        metric: Name of the sub-score that fell.
        step: When, in steps of 0.1 s from time 0.
        agent: Token of the agent or red light concerned, if any.
        corner: Corners of the ego concerned, if any.
        detail: The rest, for people.
    """

    metric: str
    step: int
    agent: str | None = None
    corner: str | None = None
    detail: str = ""

    @property
    def time_s(self) -> float:
        """When, in seconds from time 0."""
        return self.step * STEP_S

    def __str__(self) -> str:
        parts = [f"{self.metric} at {self.time_s:.1f} s"]
        parts += [part for part in (self.agent, self.corner, self.detail) if part]
        return ", ".join(parts)


Reasons = tuple[tuple[Reason, ...], ...]
"""For each plan its reasons, earliest first."""


def gather(num_plans: int, found: list[tuple[int, Reason]]) -> Reasons:
    """Sort pairs of plan and reason into one tuple for each plan."""
    lists: list[list[Reason]] = [[] for _ in range(num_plans)]
    for plan, reason in found:
        lists[plan].append(reason)
    return tuple(tuple(sorted(reasons, key=lambda reason: reason.step)) for reasons in lists)


def join(*parts: Reasons) -> Reasons:
    """Reasons of several sub-scores together."""
    return tuple(
        tuple(sorted((reason for of_part in of_plan for reason in of_part), key=lambda reason: reason.step))
        for of_plan in zip(*parts, strict=True)
    )
