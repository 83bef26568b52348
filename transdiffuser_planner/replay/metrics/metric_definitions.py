"""Definitions of all metrics of a replay: unit, direction and meaning. docs/replay.md holds this table."""

from __future__ import annotations

from dataclasses import dataclass

from transdiffuser_planner.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        unit, text: Human-readable unit and meaning.
        better: "lower", "higher" or "" where neither is better.
        floor: Smallest tolerance in a baseline, for values near 0.
        is_machine: Depends on the machine rather than on the planner: not in baselines by default.
        is_total: One number for the drive, without statistic and time window.
    """

    unit: str
    text: str
    better: str = "lower"
    floor: float = 0.0
    is_machine: bool = False
    is_total: bool = False


def _horizons() -> dict[str, Metric]:
    found: dict[str, Metric] = {}
    for s in (1, 2, 3, 4):
        found |= {
            f"ade_{s}s_m": Metric(
                unit="m", text=f"mean distance between plan and recorded path over {s} s", floor=0.05
            ),
            f"fde_{s}s_m": Metric(unit="m", text=f"distance between plan and recorded path after {s} s", floor=0.1),
            f"lateral_{s}s_m": Metric(unit="m", text=f"the same, across the recorded heading, after {s} s", floor=0.05),
            f"longitudinal_{s}s_m": Metric(
                unit="m", text=f"the same, along the recorded heading, after {s} s", floor=0.1
            ),
            f"longitudinal_error_signed_{s}s_m": Metric(
                unit="m", better="", text=f"with sign: positive when the plan is ahead after {s} s"
            ),
            f"heading_{s}s_rad": Metric(unit="rad", text=f"difference of headings after {s} s", floor=0.01),
        }
    return found


METRICS: dict[str, Metric] = {
    **_horizons(),
    "min_ade_m": Metric(
        unit="m", text="ADE over 4 s of the nearest candidate (chosen with the recorded future)", floor=0.05
    ),
    "min_fde_m": Metric(unit="m", text="FDE over 4 s of that candidate", floor=0.1),
    "constant_velocity_ade_m": Metric(unit="m", better="", text="ADE over 4 s at constant speed and yaw rate"),
    "constant_velocity_fde_m": Metric(unit="m", better="", text="FDE over 4 s at constant speed and yaw rate"),
    "agent_recall": Metric(
        unit="share", better="higher", text="share of recorded agents within 30 m that were predicted", floor=0.05
    ),
    "agent_precision": Metric(
        unit="share", better="higher", text="share of predicted agents that match a recorded agent", floor=0.05
    ),
    "agent_position_m": Metric(unit="m", text="position error of matched agents at the frame's stamp", floor=0.05),
    "agent_ade_m": Metric(unit="m", text="mean error of matched agents' paths over 4 s", floor=0.1),
    "agent_fde_m": Metric(unit="m", text="error of matched agents' paths after 4 s", floor=0.2),
    "pdm_score": Metric(
        unit="0..1", better="higher", text="PDM score (NAVSIM v1) against the recorded traffic", floor=0.02
    ),
    "pdm_no_collision": Metric(unit="0..1", better="higher", text="PDM sub-score: no collision at fault", floor=0.02),
    "pdm_drivable_area": Metric(
        unit="0..1", better="higher", text="PDM sub-score: stays on the drivable area", floor=0.02
    ),
    "pdm_progress": Metric(unit="0..1", better="higher", text="PDM sub-score: progress along the route", floor=0.02),
    "pdm_time_to_collision": Metric(unit="0..1", better="higher", text="PDM sub-score: time to collision", floor=0.02),
    "pdm_comfort": Metric(unit="0..1", better="higher", text="PDM sub-score: comfort", floor=0.02),
    "max_accel_mps2": Metric(unit="m/s2", text="largest acceleration of the plan", floor=0.2),
    "max_decel_mps2": Metric(unit="m/s2", text="largest braking of the plan", floor=0.2),
    "max_lateral_accel_mps2": Metric(unit="m/s2", text="largest lateral acceleration of the plan", floor=0.2),
    "max_jerk_mps3": Metric(unit="m/s3", text="largest change of acceleration of the plan", floor=0.5),
    "comfortable": Metric(unit="0/1", better="higher", text="the plan is within nuPlan's comfort limits", floor=0.03),
    "plan_deviation_m": Metric(
        unit="m", text="mean distance from the previous plan at the same times, over 2 s", floor=0.03
    ),
    "plan_deviation_lateral_m": Metric(unit="m", text="the same, across the previous plan", floor=0.02),
    "plan_deviation_speed_mps": Metric(unit="m/s", text="difference of planned speeds at the same times", floor=0.05),
    "latency_ms": Metric(unit="ms", text="time from the frame's last message to the plan", is_machine=True),
    "deadline_missed": Metric(unit="0/1", text="the plan took longer than deadline_ms", is_machine=True),
    "fallback": Metric(unit="0/1", text="a fallback was published", floor=0.03),
    "fallback_level": Metric(
        unit="", text="fallback level: 0 model plan, 1 last plan, 2 comfortable stop, 3 emergency stop", floor=0.05
    ),
    "violations": Metric(unit="", text="violations that the checks found in the plan"),
    "num_frames": Metric(unit="", better="", text="sensor frames in the drive", is_total=True),
    "num_plans": Metric(unit="", better="higher", text="cycles with a plan", is_total=True),
    "num_evaluated": Metric(
        unit="", better="higher", text="plans with a recorded future of 1 s or more", is_total=True
    ),
    "num_fallbacks": Metric(unit="", text="fallbacks published because inputs were missing", is_total=True),
    "num_not_ready": Metric(unit="", text="cycles without a plan of the model", is_total=True),
    "num_refused": Metric(unit="", text="messages that were refused", is_total=True),
    "num_lost": Metric(
        unit="", text="messages of the planner's inputs that the bag counts and that could not be read", is_total=True
    ),
    "longest_gap_s": Metric(unit="s", text="longest time without a new plan", floor=0.1, is_total=True),
    "planned_share": Metric(unit="share", better="higher", text="share of cycles with a plan", is_total=True),
}
RENAMED_METRICS: dict[str, str] = {
    "best_ade_m": "min_ade_m",
    "best_fde_m": "min_fde_m",
    "constant_ade_m": "constant_velocity_ade_m",
    "constant_fde_m": "constant_velocity_fde_m",
    **{f"ahead_{s}s_m": f"longitudinal_error_signed_{s}s_m" for s in (1, 2, 3, 4)},
    "jitter_m": "plan_deviation_m",
    "jitter_lateral_m": "plan_deviation_lateral_m",
    "jitter_speed_mps": "plan_deviation_speed_mps",
    "late": "deadline_missed",
    "rung": "fallback_level",  # codespell:ignore rung
    "faults": "violations",
    "share_planned": "planned_share",
}
"""Names of earlier versions -> names of today, for a clear message about an old file."""

AGE_PREFIX, AGE_SUFFIX = "age_", "_s"
_AGE = Metric(unit="s", text="age of an input at the frame's stamp", floor=0.01)


def metric(name: str, where: str) -> Metric:
    """Look up a metric.

    Args:
        name: Name of the metric.
        where: File and entry that name it, for the message.

    Returns:
        Its definition.

    Raises:
        ConfigError: No metric has this name, or it was renamed.
    """
    if name in METRICS:
        return METRICS[name]
    if name.startswith(AGE_PREFIX) and name.endswith(AGE_SUFFIX):
        return _AGE
    if name in RENAMED_METRICS:
        raise ConfigError(f"{where}: metric '{name}' was renamed; write {RENAMED_METRICS[name]}")
    raise ConfigError(f"{where}: metric '{name}' does not exist; known are {', '.join(METRICS)}, age_<input>_s")


def metric_table() -> str:
    """Format all metrics as a Markdown table."""
    rows = ["| metric | unit | better | meaning |", "| --- | --- | --- | --- |"]
    rows += [f"| `{name}` | {item.unit} | {item.better or '–'} | {item.text} |" for name, item in METRICS.items()]
    return "\n".join([*rows, f"| `age_<input>_s` | {_AGE.unit} | {_AGE.better} | {_AGE.text} |"])
