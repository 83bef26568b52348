"""Result of a replay: cycles, metrics, and refused messages."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from transdiffuser_planner.core.types import FallbackLevel
from transdiffuser_planner.data.bags.losses import Loss
from transdiffuser_planner.replay.cycle_records import DriveRecord
from transdiffuser_planner.replay.metrics.drive_metrics import ReplayMetrics


@dataclass(kw_only=True, slots=True)
class ReplayResult:
    """Result of one drive.

    Attributes:
        bag, out: The input bag and the written bag.
        model_name, model_hash: Name and hash of the model.
        masked: Inputs that the bag does not hold.
        drive, metrics: All cycles, and all metrics.
        refused: Number of messages that were refused, by reason.
        notices: What the node would notice, such as jumps of odometry, and how often.
        not_copied: Number of messages that are not in the written bag, by reason.
        violations: Number of invalid plans by violation; must stay empty.
        plan_hash: SHA-256 of all published trajectories; equal for the same bag, model and seed.
        damages: One line per damaged part of the bag and per incomplete topic.
        losses: Topics of which the bag counts more messages than could be read, as far as they were read.
        notes: One line per entry of metadata or definitions that was not used.
        num_lost: Number of lost messages of the planner's inputs.
        is_simulated: The bag holds ground truth of a simulator.
        wall_s: Duration of the replay.
    """

    bag: Path
    out: Path | None
    model_name: str
    model_hash: str
    masked: tuple[str, ...]
    drive: DriveRecord
    metrics: ReplayMetrics
    refused: Counter[str] = field(default_factory=Counter)
    notices: Counter[str] = field(default_factory=Counter)
    not_copied: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    plan_hash: str = ""
    damages: tuple[str, ...] = ()
    losses: tuple[Loss, ...] = ()
    notes: tuple[str, ...] = ()
    num_lost: int = 0
    is_simulated: bool = False
    wall_s: float = 0.0

    @property
    def damage(self) -> str:
        """All damage in one line, or ""."""
        return "; ".join(self.damages)

    @property
    def num_plans(self) -> int:
        """Number of cycles with a plan of the model."""
        return int(self.metrics.totals["num_plans"])

    @property
    def not_ready(self) -> Counter[str]:
        """Number of cycles in which the node would publish only a reason, by reason."""
        nothing = FallbackLevel.NONE
        return Counter(cycle.reason for cycle in self.drive.cycles if cycle.plan is None and cycle.fallback == nothing)

    @property
    def fallbacks(self) -> Counter[str]:
        """Number of cycles in which the node would publish a fallback for missing inputs, by reason."""
        return Counter(cycle.reason for cycle in self.drive.cycles if cycle.fallback != FallbackLevel.NONE)

    @property
    def fallback_levels(self) -> Counter[FallbackLevel]:
        """Number of published trajectories per fallback level."""
        planned = Counter(cycle.plan.fallback_level for cycle in self.drive.cycles if cycle.plan is not None)
        return planned + Counter(cycle.fallback for cycle in self.drive.cycles if cycle.fallback != FallbackLevel.NONE)

    @property
    def duration_s(self) -> float:
        """Duration of the drive by log time."""
        cycles = self.drive.cycles
        return (cycles[-1].log_time_ns - cycles[0].log_time_ns) * 1e-9 if cycles else 0.0

    @property
    def realtime_factor(self) -> float:
        """Duration of the drive per duration of its replay."""
        return self.duration_s / self.wall_s if self.wall_s > 0.0 else 0.0
