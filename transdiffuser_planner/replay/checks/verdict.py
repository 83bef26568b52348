"""Checks of a replayed drive: one per expectation, each with a message."""

from __future__ import annotations

from dataclasses import dataclass

from transdiffuser_planner.messages.topic_matching import Choice
from transdiffuser_planner.replay.metrics.drive_metrics import ReplayMetrics
from transdiffuser_planner.replay.replay_result import ReplayResult

SAME_OVER_DDS = 0.9
"""Share of a node's plans that must equal the replay's: under load an optional input may arrive after its frame."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One expectation.

    Attributes:
        group: replay, condition, baseline, golden or node.
        name: Short and stable, for CI.
        has_passed: The expectation is met.
        message: Expected and found values.
    """

    group: str
    name: str
    has_passed: bool
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DriveVerdict:
    """A replayed drive with its checks.

    Attributes:
        name: Name of the drive.
        choice: Mapping of topics and rig.
        result: Plans and metrics.
        checks: All checks.
    """

    name: str
    choice: Choice
    result: ReplayResult
    checks: tuple[Check, ...]

    @property
    def has_passed(self) -> bool:
        """True when every check passed."""
        return all(check.has_passed for check in self.checks)

    @property
    def failures(self) -> list[str]:
        """One line per failed check."""
        return [f"{check.group} {check.name}: {check.message}" for check in self.checks if not check.has_passed]

    @property
    def metrics(self) -> ReplayMetrics:
        """All metrics."""
        return self.result.metrics


def basic_checks(result: ReplayResult) -> list[Check]:
    """Run the checks of every replay: plans exist, plans were evaluated, and every plan is valid.

    Args:
        result: The replayed drive.

    Returns:
        Three checks.
    """
    totals, skipped = result.metrics.totals, result.metrics.skipped
    reasons = "; ".join(f"{count} x {reason}" for reason, count in skipped.most_common(3)) or "no sensor frame"
    refused = "; ".join(f"{count} x {reason}" for reason, count in result.refused.most_common(2))
    reasons += f"; refused: {refused}" if refused else ""
    violations = "; ".join(f"{count} x {name}" for name, count in result.violations.items())
    num_plans, num_evaluated = int(totals["num_plans"]), int(totals["num_evaluated"])
    return [
        Check(
            group="replay",
            name="something_was_planned",
            has_passed=num_plans > 0,
            message=f"{num_plans} plans" if num_plans else f"no plan could be made ({reasons})",
        ),
        Check(
            group="replay",
            name="something_was_evaluated",
            has_passed=num_evaluated > 0,
            message=f"{num_evaluated} plans have a recorded future"
            if num_evaluated
            else f"no plan has a recorded future of 1 s ({reasons})",
        ),
        Check(
            group="replay",
            name="every_plan_is_sound",
            has_passed=not result.violations,
            message=f"plans with violations: {violations}"
            if violations
            else "every plan is finite, continuous and within the limits",
        ),
    ]


def loss_check(result: ReplayResult) -> Check:
    """Check that no message of the planner's inputs was lost; a condition on num_lost takes its place.

    Args:
        result: The replayed drive.
    """
    lines = "; ".join(loss.line() for loss in result.losses[:3])
    return Check(
        group="condition",
        name="no_input_was_lost",
        has_passed=not result.num_lost,
        message=f"{result.num_lost} messages of the planner's inputs could not be read: {lines}; "
        "a condition on num_lost can allow them"
        if result.num_lost
        else "every message of the planner's inputs that the bag counts was read",
    )


def node_checks(num_plans: int, num_received: int, num_identical: int) -> list[Check]:
    """Check the plans of a node that received the drive over DDS.

    Args:
        num_plans: Number of plans of the replay.
        num_received: Number of the node's plans for the same frames.
        num_identical: Number of these that are bit-identical.

    Returns:
        Two checks.
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
            message=f"{num_identical} of {num_received} identical to the replay, at least {SAME_OVER_DDS:.0%} required",
        ),
    ]
