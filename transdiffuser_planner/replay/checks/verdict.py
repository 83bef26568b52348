"""Whether a replayed drive passed: one check per expectation, each with a sentence that says what to do."""

from __future__ import annotations

from dataclasses import dataclass

from transdiffuser_planner.messages.topic_matching import Choice
from transdiffuser_planner.replay.metrics.drive_metrics import ReplayMetrics
from transdiffuser_planner.replay.replay_result import ReplayResult

SAME_OVER_DDS = 0.9
"""Share of a node's plans that must be the replay's: on a busy machine an optional input may come after its frame."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One expectation.

    Attributes:
        group: replay, condition, baseline, golden or node.
        name: Short and stable, for CI.
        has_passed: Whether it holds.
        message: What was expected and what was found.
    """

    group: str
    name: str
    has_passed: bool
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DriveVerdict:
    """A drive, replayed and judged."""

    name: str
    choice: Choice
    result: ReplayResult
    checks: tuple[Check, ...]

    @property
    def has_passed(self) -> bool:
        """Whether every check holds."""
        return all(check.has_passed for check in self.checks)

    @property
    def failures(self) -> list[str]:
        """What does not hold."""
        return [f"{check.group} {check.name}: {check.message}" for check in self.checks if not check.has_passed]

    @property
    def metrics(self) -> ReplayMetrics:
        """All numbers."""
        return self.result.metrics


def basic_checks(result: ReplayResult) -> list[Check]:
    """What must hold without being asked for: something was planned and evaluated, and every plan is sound."""
    totals, skipped = result.metrics.totals, result.metrics.skipped
    reasons = "; ".join(f"{count} x {reason}" for reason, count in skipped.most_common(3)) or "no sensor frame"
    refused = "; ".join(f"{count} x {reason}" for reason, count in result.refused.most_common(2))
    reasons += f"; refused: {refused}" if refused else ""
    faults = "; ".join(f"{count} x {fault}" for fault, count in result.violations.items())
    num_plans, num_evaluated = int(totals["num_plans"]), int(totals["num_evaluated"])
    return [
        Check(
            group="replay",
            name="something_was_planned",
            has_passed=num_plans > 0,
            message=f"{num_plans} plans" if num_plans else f"not one plan could be made ({reasons})",
        ),
        Check(
            group="replay",
            name="something_was_evaluated",
            has_passed=num_evaluated > 0,
            message=f"{num_evaluated} plans have a recorded future"
            if num_evaluated
            else f"no plan has a recorded future of 1 s to compare with ({reasons})",
        ),
        Check(
            group="replay",
            name="every_plan_is_sound",
            has_passed=not result.violations,
            message=f"plans with faults: {faults}"
            if faults
            else "every plan is finite, continuous and within the limits",
        ),
    ]


def node_checks(num_plans: int, num_received: int, num_identical: int) -> list[Check]:
    """What must hold for a node that the drive was played to over DDS.

    Args:
        num_plans: Plans of the replay.
        num_received: Plans of the node for the same frames.
        num_identical: Those that say the same in every number.
    """
    return [
        Check(
            group="node",
            name="every_frame_was_planned",
            has_passed=num_received == num_plans,
            message=f"{num_received} of {num_plans} frames planned over DDS",
        ),
        Check(
            group="node",
            name="plans_are_those_of_the_replay",
            has_passed=num_identical >= SAME_OVER_DDS * num_received,
            message=f"{num_identical} of {num_received} exactly as replayed here, at least {SAME_OVER_DDS:.0%} must be",
        ),
    ]
