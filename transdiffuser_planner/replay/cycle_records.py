"""What is kept of each planning cycle, small enough for hours of driving. T plan steps, M candidates, A agents, F fine steps."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.types import EgoState, FallbackLevel, NotReady, PlanResult, Trajectory
from transdiffuser_planner.replay.bag_planner import Cycle

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentForecast:
    """Agents of one cycle in the odometry's frame.

    Attributes:
        existence_A: Probability that it is there.
        pose_A3: Now.
        path_AT3: In the future drawn with the published candidate (the likeliest where a fallback was published).
    """

    existence_A: FloatArray
    pose_A3: FloatArray
    path_AT3: FloatArray


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanRecord:
    """A cycle that gave a plan.

    Attributes:
        ego, trajectory: What it was planned from and what was published.
        time_s_T, candidate_MT2: All candidates' positions.
        agents: The predicted ones.
        fallback_level, latency_ms: As in the planner's status.
        ages_s: Per input.
        faults: What the checks found wrong.
    """

    ego: EgoState
    trajectory: Trajectory
    time_s_T: FloatArray
    candidate_MT2: FloatArray
    agents: AgentForecast
    fallback_level: FallbackLevel
    latency_ms: float
    ages_s: dict[str, float]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleRecord:
    """One cycle.

    Attributes:
        stamp_ns, log_time_ns: The frame's stamp (or that of the fallback), and when on the bag's clock.
        plan: What was planned from a frame; None when the inputs did not suffice.
        reason: Why there is no plan.
        fallback: What the node would publish instead; ``FallbackLevel.NONE`` for nothing but the reason.
        has_frame: Whether a sensor frame has led to the cycle.
    """

    stamp_ns: int
    log_time_ns: int
    plan: PlanRecord | None = None
    reason: str = ""
    fallback: FallbackLevel = FallbackLevel.NONE
    has_frame: bool = True


@dataclass(kw_only=True, slots=True)
class DriveRecord:
    """A whole drive.

    Attributes:
        cycles: In order.
        ego: All odometry in base_link.
        num_frames: Frames of the sensor that frames are counted by, used or not.
        num_skipped_busy: Frames that passed while the planner was at work (only with ``--realtime``).
        begin_ns, end_ns: Log times of the first and the last odometry.
        deadline_ms: A plan that takes longer is late.
    """

    deadline_ms: float
    cycles: list[CycleRecord] = field(default_factory=list)
    ego: list[EgoState] = field(default_factory=list)
    num_frames: int = 0
    num_skipped_busy: int = 0
    begin_ns: int = 0
    end_ns: int = 0

    @property
    def longest_gap(self) -> tuple[float, float]:
        """The longest time without a plan, and the seconds since the first odometry at which it begins."""
        planned = [cycle.log_time_ns for cycle in self.cycles if cycle.plan is not None]
        times = [self.begin_ns, *planned, max(self.end_ns, *planned, self.begin_ns)]
        length_ns, begin_ns = max((after - before, before) for before, after in itertools.pairwise(times))
        return length_ns * 1e-9, (begin_ns - self.begin_ns) * 1e-9

    @property
    def start_ns(self) -> int:
        """The first odometry's stamp: where times of figures and of the report begin."""
        return self.ego[0].stamp_ns if self.ego else 0

    def time_s(self, stamp_ns: int) -> float:
        """Seconds since the start."""
        return (stamp_ns - self.start_ns) * 1e-9


def record(cycle: Cycle, faults: tuple[str, ...]) -> CycleRecord:
    """What is kept of a cycle."""
    outcome = cycle.outcome
    if isinstance(outcome, NotReady) or not cycle.is_planned:
        return CycleRecord(
            stamp_ns=cycle.stamp_ns,
            log_time_ns=cycle.log_time_ns,
            reason=outcome.reason,
            fallback=FallbackLevel.NONE if isinstance(outcome, NotReady) else outcome.fallback_level,
            has_frame=cycle.has_frame,
        )
    assert cycle.ego is not None
    plan = PlanRecord(
        ego=cycle.ego,
        trajectory=outcome.trajectory,
        time_s_T=outcome.candidates.time_s_T,
        candidate_MT2=np.array(outcome.candidates.pose_MT3[..., :2]),
        agents=_forecast(outcome),
        fallback_level=outcome.fallback_level,
        latency_ms=cycle.latency_ms,
        ages_s={name: age * 1e-9 for name, age in outcome.provenance.ages_ns.items()},
        faults=faults,
    )
    return CycleRecord(stamp_ns=cycle.stamp_ns, log_time_ns=cycle.log_time_ns, plan=plan)


def _forecast(result: PlanResult) -> AgentForecast:
    """The agents with their paths in the published or likeliest candidate; without paths when nothing was sampled."""
    if not len(result.candidates.probability_M):
        nothing = np.zeros((0, len(result.agents.time_s_T), 3))
        return AgentForecast(existence_A=np.zeros(0), pose_A3=np.zeros((0, 3)), path_AT3=nothing)
    best = result.chosen if result.chosen >= 0 else int(result.candidates.probability_M.argmax())
    agents = result.agents
    return AgentForecast(
        existence_A=agents.existence_A, pose_A3=agents.pose_A3, path_AT3=np.asarray(agents.path_MAT3[best])
    )
