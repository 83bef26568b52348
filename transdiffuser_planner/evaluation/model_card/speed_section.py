"""The model card's sections on speed: cycles, deadline, node, budget, precision, simulator."""

from __future__ import annotations

from typing import Any

from transdiffuser_planner.evaluation.benchmarks.planner_tables import cycle_table, eager_table, graph_table, peak_text
from transdiffuser_planner.reports.markdown_tables import markdown_table

Measured = dict[str, Any] | None

_DEADLINE_COLUMNS = {
    "busy_processes": "busy processes",
    "cycles": "cycles",
    "missed": "missed",
    "p50": "median ms",
    "p99": "p99",
    "max": "max",
    "none": "model's plans",
    "last": "last plan",
    "stops": "stops",
    "full": "all candidates and steps",
}
_BUDGET_COLUMNS = {
    "budget_ms": "budget ms",
    "model_plans_share": "model's plans",
    "candidates_mean": "candidates",
    "steps_mean": "steps",
    "pdm_score": "PDM score",
    "ade_4s_m": "ADE m",
    "plan_deviation_m": "plan deviation m",
    "latency_p99_ms": "p99 ms",
}
_WORK_COLUMNS = {
    "candidates": "candidates",
    "steps": "steps",
    "pdm_score": "PDM score",
    "ade_4s_m": "ADE m",
    "min_ade_m": "nearest candidate's ADE m",
    "plan_deviation_m": "plan deviation m",
    "model_plans_share": "model's plans",
}


_SIMULATOR_COLUMNS = {
    "agents_mean": "road users",
    "agents_min": "fewest",
    "agents_max": "most",
    "times_real_time": "x real time",
    "ms_per_step": "ms a step",
    "p99_ms": "p99",
    "traffic_ms": "SUMO, vehicle",
    "scene_ms": "meshes",
    "cameras_ms": "cameras",
    "lidar_ms": "LiDAR",
    "reference_ms": "R ms",
    "step_in_r": "median in R",
}


def when(data: dict[str, Any]) -> str:
    """Return date and machine of a result, and its note."""
    note = data.get("note", "")
    return f"Measured {data['date']} on {data['machine']}." + (
        f" {note[0].upper()}{note[1:].rstrip('.')}." if note else ""
    )


def cycle_section(data: Measured) -> str:
    """Write the section on the latency of planning cycles."""
    if data is None:
        return "## Speed\n\nNot measured for this model."
    result = data["planner"]
    first, start = result["runs"][0], result["start_up"]
    stages = ", ".join(f"{name} {value['p50']:g}" for name, value in first["stage_ms"].items())
    return f"""
## Speed

Planning cycles on simulated frames with {first["agents_mean"]:g} agents on average, {first["candidates"]} candidates,
{first["denoise_steps"]} denoise steps, {first["threads"]} threads (`transdiffuser benchmark planner`). R is ONNX Runtime's
fp32 3x3 convolution of 256 channels on 64x64 with two threads, measured interleaved with the cycles; "graphs alone" are the
model's graphs back to back. Under load cycles have the node's budget and take fewer steps. {when(data)}

{cycle_table(result["runs"])}

Stages, median ms, of the first row: {stages}. A fresh process has loaded the model after {start["model_ready_s"]:g} s and uses
{start["resident_mb"]:g} MB.{_over_eager(result["runs"])}{_limits(first)}"""


def _over_eager(runs: list[dict[str, Any]]) -> str:
    """Write the part on the same network in PyTorch; "" when it was not measured."""
    table = eager_table(runs)
    if not table:
        return ""
    return f"""

Interleaved with the cycles, the same network in PyTorch as papers publish it (`--reference torch`): eager mode, fp32, the same
threads, encoder, keys and values of the scene once, all DDPM steps with all candidates in one batch, random weights. It prepares
no inputs, and tracks, smooths, selects and checks nothing; the cycle does. Speed-up: median of the ratios of neighbors.

{table}"""


def _limits(run: dict[str, Any]) -> str:
    """Write the part on the distance from the machine's limit; "" when operations were not counted."""
    table = graph_table(run)
    if not table:
        return ""
    return f"""

Floating-point operations of convolutions and matrix products in the first row's cycles, and the graphs repeated alone.
{peak_text(run)} "ms at the peak" is the time of these operations at the best of both; the scorer is in a cycle only with
`selection: scorer`.

{table}"""


def _with_all_steps(cycles: dict[str, int]) -> int:
    """Return the number of cycles with the most candidates and steps of a run, from its "candidates x steps": cycles."""
    return cycles[max(cycles, key=lambda text: [int(number) for number in text.split(" x ")])]


def deadline_section(runs: list[Measured]) -> str:
    """Write the section on deadlines met and missed in closed loop."""
    known = [run for run in runs if run is not None]
    if not known:
        return ""
    rows = []
    for run in known:
        result = run["deadline"]
        fallback_levels = result["fallback_levels"]
        stops = fallback_levels.get("COMFORTABLE_STOP", 0) + fallback_levels.get("EMERGENCY_STOP", 0)
        rows.append(
            {
                **result,
                **result["latency_ms"],
                "none": fallback_levels.get("NONE", 0),
                "last": fallback_levels.get("LAST_PLAN", 0),
                "stops": stops,
                "full": _with_all_steps(result["candidates_x_steps"]),
            }
        )
    chosen = "; ".join(
        f"with {run['deadline']['busy_processes']} busy processes "
        + ", ".join(f"{name}: {count}" for name, count in run["deadline"]["candidates_x_steps"].items())
        for run in known
    )
    return f"""
### Deadline

Closed-loop cycles at 10 Hz of simulated time through the node's watchdog and budget, deadline
{known[0]["deadline"]["deadline_ms"]:g} ms (`transdiffuser benchmark deadline --load N`). {when(known[-1])}

{markdown_table(rows, _DEADLINE_COLUMNS)}

Candidates x denoise steps, number of cycles: {chosen}."""


def node_section(data: Measured) -> str:
    """Write the section on the node as a process."""
    if data is None:
        return ""
    result = data["node"]
    memory, latency = result["resident_mb"], result["latency_ms"]
    return f"""
### The node

{result["minutes"]:g} minutes over DDS at 10 Hz (`transdiffuser benchmark node`): first plan {result["first_plan_s"]:g} s after
the process was started, {result["plans"]} plans of {result["frames"]} frames, {result["missed"]} later than the deadline, latency
median {latency["p50"]:g}, p99 {latency["p99"]:g}, worst {latency["max"]:g} ms; memory {memory["first"]:g} MB at first,
{memory["last"]:g} MB at the end, growing {result["growth_mb_per_hour"]:g} MB an hour; {100 * result["cpu_share_of_one_core"]:.0f} %
of one core. {when(data)}"""


def budget_section(data: Measured) -> str:
    """Write the section on quality against time."""
    if data is None:
        return ""
    result = data["budget"]
    return f"""
### Quality against time

The same {len(result["drives"])} unseen drives of the expert, planned with less and less time for a cycle on this machine, and
with less and less work without a clock (`transdiffuser benchmark budget`). The score is NAVSIM's PDM score against the
recorded traffic, 0 to 1; a vehicle that brakes to a stop scores high there, so compare rows in which the model's plans are
executed. {when(data)}

![PDM score against budget](../../docs/images/budget.png)

{markdown_table(result["by_budget"], _BUDGET_COLUMNS)}

{markdown_table(result["by_work"], _WORK_COLUMNS)}"""


def simulator_section(data: Measured) -> str:
    """Write the section on the speed of the simulator."""
    if data is None:
        return ""
    result = data["simulator"]
    if "rows" not in result:  # measured before the sweep over road users
        return f"""
### The simulator

At this model's rig, one core, {result["agents_mean"]:g} agents around the vehicle (`transdiffuser benchmark simulator`):
{result["times_real_time"]:g} times real time at 10 Hz, {result["ms_per_step"]:g} ms a step. {when(data)}"""
    return f"""
### The simulator

At this model's rig, traffic and sensors on one core at 10 Hz, mean ms of {result["steps"]} steps by part, against the road users
in the range of 80 m in which they are rendered (`transdiffuser benchmark simulator`); R as above, in the same run. {when(data)}

{markdown_table(result["rows"], _SIMULATOR_COLUMNS)}"""


def precision_section(data: Measured, scores: list[Measured]) -> str:
    """Write the section on int8.

    Args:
        data: Result of the comparison of fp32 and int8; None if not measured.
        scores: Results of ``benchmark budget`` in fp32 and int8 over the same drives.
    """
    if data is None:
        return ""
    shift, error, graphs = data["shift_m"], data["mean_error_m"], data["graphs_ms"]
    known = [score["budget"] for score in scores if score is not None]
    scored = (
        ""
        if not known
        else (
            f" PDM score over {known[0]['by_work'][-1]['plans']} plans of {len(known[0]['drives'])} other unseen drives "
            "(`benchmark budget --no-clock --work 30x10 --precision`), of 100: "
            + ", ".join(f"{score['precision']} {100.0 * score['by_work'][-1]['pdm_score']:.2f}" for score in known)
            + "."
        )
    )
    return f"""
### int8

`precision: int8` runs {" and ".join(data["int8_graphs"])} in static int8 (QDQ, per channel, calibrated on training samples, made
by `transdiffuser quantize`); the other graphs were not faster and stay fp32. On {data["scenes"]} unseen samples with the same
noise, sampled plans move by {shift["mean"]:g} m on average, {shift["p95"]:g} m at the 95th percentile, {shift["worst"]:g} m at
worst. Error of the mean plan: fp32 {error["fp32"]:g} m, int8
{error["int8"]:g} m. Graphs of a cycle on one thread: {graphs["fp32"]:g} ms, {graphs["int8"]:g} ms.{scored} {when(data)}"""
