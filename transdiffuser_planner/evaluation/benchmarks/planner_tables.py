"""Tables of planner benchmarks, for the terminal and for the model card."""

from __future__ import annotations

from typing import Any

from transdiffuser_planner.reports.markdown_tables import markdown_table

Rows = list[dict[str, Any]]

CYCLE_COLUMNS = {
    "precision": "precision",
    "busy_processes": "busy processes",
    "p50": "median ms",
    "p95": "p95",
    "p99": "p99",
    "max": "max",
    "jitter": "jitter",
    "graphs": "graphs alone, median",
    "by_graphs": "cycle / graphs",
    "reference": "R ms",
    "median_in_r": "median in R",
    "p99_in_r": "p99 in R",
}
_EAGER_COLUMNS = {
    "precision": "precision",
    "busy_processes": "busy processes",
    "agents": "agents in PyTorch",
    "steps": "its denoise steps",
    "p50": "PyTorch ms",
    "cycle_ms": "cycle ms",
    "speed_up": "speed-up",
    "speed_up_of_medians": "of medians",
    "speed_up_of_graphs": "of graphs alone",
}
_GRAPH_COLUMNS = {
    "graph": "graph",
    "runs": "runs",
    "mflop_each": "MFLOP each",
    "mflop": "MFLOP",
    "ms": "median ms",
    "gflops": "GFLOP/s",
    "percent_of_peak": "% of the peak",
    "ms_at_peak": "ms at the peak",
}
_STAGE_COLUMNS = {"stage": "stage", "p50": "median ms", "p95": "p95", "p99": "p99", "max": "max"}


def cycle_table(runs: Rows) -> str:
    """Table of all runs: the cycle, the graphs alone and R.

    Args:
        runs: Results of ``planner_speed``.
    """
    rows = [
        {
            **run,
            **run["cycle_ms"],
            "graphs": run["graphs_alone_ms"]["p50"],
            "by_graphs": run["median_by_graphs_alone"],
            "reference": run["reference_ms"]["p50"],
        }
        for run in runs
    ]
    return markdown_table(rows, CYCLE_COLUMNS)


def eager_table(runs: Rows) -> str:
    """Table of the speed-ups over the same network in PyTorch; "" when it was not measured.

    Args:
        runs: Results of ``planner_speed``.
    """
    rows = [
        {
            "precision": run["precision"],
            "busy_processes": run["busy_processes"],
            "steps": run["eager"]["denoise_steps"],
            **found,
            **found["ms"],
        }
        for run in runs
        for found in (run.get("eager", {}).get(name) for name in ("contract_agents", "scene_agents"))
        if found is not None
    ]
    return markdown_table(rows, _EAGER_COLUMNS) if rows else ""


def graph_table(run: dict[str, Any]) -> str:
    """Table of operations, rates and distance from the peak, one row per graph; "" when they were not counted.

    Args:
        run: Result of ``planner_speed``.
    """
    rows = run.get("graphs", [])
    shown = {key: title for key, title in _GRAPH_COLUMNS.items() if any(key in row for row in rows)}
    return markdown_table(rows, shown) if rows else ""


def peak_text(run: dict[str, Any]) -> str:
    """Sentence about the machine's peak; "" when it was not measured.

    Args:
        run: Result of ``planner_speed``.
    """
    peak = run.get("peak")
    if not peak:
        return ""
    return (
        f"Peak of this machine in fp32, the best of ONNX Runtime with {peak['threads']:g} threads: "
        f"{peak['matrix_product_gflops']:g} GFLOP/s in a matrix product, {peak['convolution_gflops']:g} in R."
    )


def tables(runs: Rows) -> str:
    """All tables of a benchmark with their headings, for the terminal.

    Args:
        runs: Results of ``planner_speed``.
    """
    parts = [cycle_table(runs)]
    if eager := eager_table(runs):
        parts += ["Over the same network in PyTorch eager mode, fp32, with the same threads:", eager]
    for run in runs:
        where = f"{run['precision']}, {run['busy_processes']} busy processes"
        stages = [{"stage": name, **values} for name, values in run["stage_ms"].items()]
        parts += [f"Stages of a cycle, {where}:", markdown_table(stages, _STAGE_COLUMNS)]
        if graphs := graph_table(run):
            text = f"Graphs of a cycle repeated alone, {where}, {run['agents_mean']:g} agents. {peak_text(run)}"
            parts += [text.strip(), graphs]
        elif "not_counted" in run:
            parts.append(run["not_counted"])
    return "\n\n".join(parts)
