"""All metrics of a replay: unit, which way is better, and what they mean. docs/replay.md holds this table."""

from __future__ import annotations

from dataclasses import dataclass

from transdiffuser_planner.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        unit, text: For people.
        better: "lower", "higher" or "" where neither is.
        floor: Changes up to this are never a regression in a baseline, however small the value.
        is_machine: Depends on the machine rather than on the planner: not in baselines unless asked for.
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
            f"ade_{s}s_m": Metric(unit="m", text=f"mean distance of plan and driven path over {s} s", floor=0.05),
            f"fde_{s}s_m": Metric(unit="m", text=f"distance of plan and driven path after {s} s", floor=0.1),
            f"lateral_{s}s_m": Metric(unit="m", text=f"the same, across the driven heading, after {s} s", floor=0.05),
            f"longitudinal_{s}s_m": Metric(
                unit="m", text=f"the same, along the driven heading, after {s} s", floor=0.1
            ),
            f"ahead_{s}s_m": Metric(
                unit="m", better="", text=f"with sign: positive when the plan is ahead after {s} s"
            ),
            f"heading_{s}s_rad": Metric(unit="rad", text=f"difference of headings after {s} s", floor=0.01),
        }
    return found


METRICS: dict[str, Metric] = {
    **_horizons(),
    "min_ade_m": Metric(unit="m", text="ADE over 4 s of the nearest candidate (chosen knowing the future)", floor=0.05),
    "min_fde_m": Metric(unit="m", text="FDE of that candidate", floor=0.1),
    "constant_velocity_ade_m": Metric(unit="m", better="", text="ADE over 4 s of a car that keeps its speed and turn"),
    "constant_velocity_fde_m": Metric(unit="m", better="", text="its FDE"),
    "agent_recall": Metric(
        unit="share", better="higher", text="recorded road users within 30 m that were predicted", floor=0.05
    ),
    "agent_precision": Metric(
        unit="share", better="higher", text="predicted agents that are recorded ones", floor=0.05
    ),
    "agent_position_m": Metric(unit="m", text="distance of matched agents now", floor=0.05),
    "agent_ade_m": Metric(unit="m", text="mean distance of matched agents' paths over 4 s", floor=0.1),
    "agent_fde_m": Metric(unit="m", text="distance of matched agents' paths after 4 s", floor=0.2),
    "pdm_score": Metric(
        unit="0..1", better="higher", text="PDM score (NAVSIM v1) against the recorded traffic", floor=0.02
    ),
    "pdm_no_collision": Metric(unit="0..1", better="higher", text="its part: no collision at fault", floor=0.02),
    "pdm_drivable_area": Metric(unit="0..1", better="higher", text="its part: stays on the drivable area", floor=0.02),
    "pdm_progress": Metric(unit="0..1", better="higher", text="its part: progress along the route", floor=0.02),
    "pdm_time_to_collision": Metric(unit="0..1", better="higher", text="its part: time to collision", floor=0.02),
    "pdm_comfort": Metric(unit="0..1", better="higher", text="its part: comfort", floor=0.02),
    "max_accel_mps2": Metric(unit="m/s2", text="largest acceleration of the plan", floor=0.2),
    "max_decel_mps2": Metric(unit="m/s2", text="largest braking of the plan", floor=0.2),
    "max_lateral_accel_mps2": Metric(unit="m/s2", text="largest lateral acceleration of the plan", floor=0.2),
    "max_jerk_mps3": Metric(unit="m/s3", text="largest change of acceleration of the plan", floor=0.5),
    "comfortable": Metric(unit="0/1", better="higher", text="the plan keeps nuPlan's comfort limits", floor=0.03),
    "plan_deviation_m": Metric(unit="m", text="distance from the plan before at the same times, over 2 s", floor=0.03),
    "plan_deviation_lateral_m": Metric(unit="m", text="the same, across the path", floor=0.02),
    "plan_deviation_speed_mps": Metric(unit="m/s", text="difference of planned speeds at the same times", floor=0.05),
    "latency_ms": Metric(unit="ms", text="from the frame's last message to the plan", is_machine=True),
    "late": Metric(unit="0/1", text="the plan took longer than deadline_ms", is_machine=True),
    "fallback": Metric(unit="0/1", text="a fallback was published", floor=0.03),
    "fallback_level": Metric(
        unit="", text="fallback rung: 0 model plan, 1 last plan, 2 comfort stop, 3 emergency stop", floor=0.05
    ),
    "faults": Metric(unit="", text="faults that the checks found in the plan"),
    "num_frames": Metric(unit="", better="", text="sensor frames in the drive", is_total=True),
    "num_plans": Metric(unit="", better="higher", text="cycles with a plan", is_total=True),
    "num_evaluated": Metric(
        unit="", better="higher", text="plans with a recorded future of 1 s or more", is_total=True
    ),
    "num_fallbacks": Metric(unit="", text="fallbacks published because the inputs did not suffice", is_total=True),
    "num_not_ready": Metric(unit="", text="cycles without a plan of the model", is_total=True),
    "num_refused": Metric(unit="", text="messages that were refused", is_total=True),
    "longest_gap_s": Metric(unit="s", text="longest time of the drive without a new plan", floor=0.1, is_total=True),
    "planned_share": Metric(unit="share", better="higher", text="cycles with a plan among all cycles", is_total=True),
}
AGE_PREFIX, AGE_SUFFIX = "age_", "_s"
_AGE = Metric(unit="s", text="age of an input at the frame's stamp", floor=0.01)


def metric(name: str, where: str) -> Metric:
    """A metric by name.

    Raises:
        ConfigError: There is none of that name.
    """
    if name in METRICS:
        return METRICS[name]
    if name.startswith(AGE_PREFIX) and name.endswith(AGE_SUFFIX):
        return _AGE
    raise ConfigError(f"{where}: metric '{name}' does not exist; known are {', '.join(METRICS)}, age_<input>_s")


def metric_table() -> str:
    """All metrics as a Markdown table."""
    rows = ["| metric | unit | better | meaning |", "| --- | --- | --- | --- |"]
    rows += [f"| `{name}` | {item.unit} | {item.better or '–'} | {item.text} |" for name, item in METRICS.items()]
    return "\n".join([*rows, f"| `age_<input>_s` | {_AGE.unit} | {_AGE.better} | {_AGE.text} |"])
