"""A replayed drive: every cycle, all metrics and what was not used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from transdiffuser_planner.core.types import FallbackLevel
from transdiffuser_planner.replay.cycle_records import DriveRecord
from transdiffuser_planner.replay.metrics.drive_metrics import ReplayMetrics


@dataclass(kw_only=True, slots=True)
class ReplayResult:
    """What happened.

    Attributes:
        bag, out: Read and written.
        model_name, model_hash: Of the model.
        masked: Inputs that the bag does not hold.
        drive, metrics: Every cycle, and all numbers.
        refused: Messages that were not used, by reason.
        not_copied: Messages that are not in the written bag, by reason.
        violations: Plans that a check found wrong, by fault; must stay empty.
        plan_hash: SHA-256 over all published trajectories: the same bag, model and seed give the same.
        damage: Why the bag could not be read to its end, or "".
        is_simulated: Whether the bag carries a simulator's ground truth.
        wall_s: How long it took.
    """

    bag: Path
    out: Path | None
    model_name: str
    model_hash: str
    masked: tuple[str, ...]
    drive: DriveRecord
    metrics: ReplayMetrics
    refused: Counter[str] = field(default_factory=Counter)
    not_copied: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    plan_hash: str = ""
    damage: str = ""
    is_simulated: bool = False
    wall_s: float = 0.0

    @property
    def num_plans(self) -> int:
        """Cycles with a plan of the model."""
        return int(self.metrics.totals["num_plans"])

    @property
    def not_ready(self) -> Counter[str]:
        """Cycles in which the node would publish nothing but a reason, by reason."""
        nothing = FallbackLevel.NONE
        return Counter(cycle.reason for cycle in self.drive.cycles if cycle.plan is None and cycle.fallback == nothing)

    @property
    def fallbacks(self) -> Counter[str]:
        """Cycles whose inputs did not suffice and in which the node would publish a fallback, by reason."""
        return Counter(cycle.reason for cycle in self.drive.cycles if cycle.fallback != FallbackLevel.NONE)

    @property
    def fallback_levels(self) -> Counter[FallbackLevel]:
        """Everything published, per fallback rung."""
        planned = Counter(cycle.plan.fallback_level for cycle in self.drive.cycles if cycle.plan is not None)
        return planned + Counter(cycle.fallback for cycle in self.drive.cycles if cycle.fallback != FallbackLevel.NONE)

    @property
    def duration_s(self) -> float:
        """Of the drive, in its own time."""
        cycles = self.drive.cycles
        return (cycles[-1].log_time_ns - cycles[0].log_time_ns) * 1e-9 if cycles else 0.0
