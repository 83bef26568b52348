"""Repeats scenarios with real nodes: simulator, planner and tracker as processes that communicate over DDS."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.evaluation.over_dds.process_group import ProcessGroup, private_ros_environment
from transdiffuser_planner.planners.registry import PlannerSpec
from transdiffuser_planner.reports.markdown_tables import markdown_table, save_json
from transdiffuser_planner.simulation.scenario import Scenario

START_TIMEOUT_S = 60.0
SIMULATOR_NICENESS = 5
TOLERANCE_M, TOLERANCE_SHARE = 10.0, 0.10
"""Tolerance of progress: over DDS a plan is older when it is executed, and traffic reacts to the ego's position."""
_COLUMNS = {
    "seed": "seed",
    "map": "map",
    "events": "collisions at fault / not at fault / off road s, in process",
    "ros_events": "over DDS",
    "progress_m": "progress m, in process",
    "ros_progress_m": "over DDS",
    "late_steps": "late steps",
    "agree": "agree",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RosDrive:
    """Result of a drive, as the simulator node reports it.

    Attributes:
        at_fault_collisions: Number of collisions at fault of the ego.
        not_at_fault_collisions: Number of all other collisions.
        off_road_s: Time with a corner beyond the road's edge.
        progress_m: Distance along the route.
        end_reason: Reason why the drive ended.
        late_steps: Number of steps that the simulator published late.
    """

    at_fault_collisions: int
    not_at_fault_collisions: int
    off_road_s: float
    progress_m: float
    end_reason: str
    late_steps: int

    @staticmethod
    def read(path: Path) -> RosDrive:
        """Read the result file of the simulator node."""
        result = json.loads(path.read_text(encoding="utf-8"))
        return RosDrive(
            at_fault_collisions=result["at_fault_collisions"],
            not_at_fault_collisions=result["other_collisions"],
            off_road_s=result["off_road_s"],
            progress_m=result["progress_m"],
            end_reason=result["end_reason"],
            late_steps=result["late_steps"],
        )


def agreement(row: dict[str, Any], drive: RosDrive) -> dict[str, Any]:
    """Compare a drive in process with the same drive over DDS.

    Args:
        row: Row of the drive in process.
        drive: The same scenario over DDS.

    Returns:
        One row of the table; "agree" is the result.
    """
    events = (row["at_fault_collisions"], row["not_at_fault_collisions"], row["off_road_s"])
    ros_events = (drive.at_fault_collisions, drive.not_at_fault_collisions, drive.off_road_s)
    allowed_m = max(TOLERANCE_M, TOLERANCE_SHARE * row["progress_m"])
    is_near = abs(drive.progress_m - row["progress_m"]) <= allowed_m
    is_same = [bool(value) for value in events] == [bool(value) for value in ros_events]
    return {
        "seed": row["seed"],
        "map": row["map"],
        "events": " / ".join(f"{value:g}" for value in events),
        "ros_events": " / ".join(f"{value:g}" for value in ros_events),
        "progress_m": row["progress_m"],
        "ros_progress_m": drive.progress_m,
        "end_reason": [row["end_reason"], drive.end_reason],
        "late_steps": drive.late_steps,
        "agree": is_near and is_same and row["end_reason"] == drive.end_reason,
    }


def drive_over_ros(folder: Path, spec: PlannerSpec, scenario: Scenario, realtime_factor: float) -> RosDrive:
    """Drive one scenario with real nodes.

    Args:
        folder: Folder for logs and the result.
        spec: The model.
        scenario: Scenario to drive.
        realtime_factor: Simulated seconds per second.

    Raises:
        EvaluationError: A process ended early or the drive timed out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    group = ProcessGroup({**os.environ, **private_ros_environment()}, folder)
    timed = ["--ros-args", "-p", "use_sim_time:=true"]
    simulate = [
        "simulate",
        "--seed",
        str(scenario.seed),
        "--duration",
        f"{scenario.duration_s:g}",
        "--result",
        str(result),
    ]
    simulate += ["--wait", f"{START_TIMEOUT_S:g}", "--realtime-factor", f"{realtime_factor:g}"]
    simulate += ["--map", scenario.map_name]
    try:
        plan = ["plan", "--preset", "carla", "--model", str(spec.model), *timed]
        plan += ["-p", f"precision:={spec.precision}", "-p", f"selection:={spec.selection}"]
        group.start("planner", plan)
        group.start("tracker", ["track", "--preset", "carla", *timed])
        group.start("simulator", simulate, niceness=SIMULATOR_NICENESS)
        _wait(group, folder, 2.0 * START_TIMEOUT_S + 10.0 * scenario.duration_s / realtime_factor)
    finally:
        group.stop()
    return RosDrive.read(result)


def _wait(group: ProcessGroup, folder: Path, patience_s: float) -> None:
    """Wait until the simulator has ended.

    Raises:
        EvaluationError: A process ended early or the drive timed out.
    """
    # An overloaded machine simulates slower than requested; ten times slower is another problem.
    deadline = time.monotonic() + patience_s
    while group.exit_status("simulator") is None:
        for name in ("planner", "tracker"):
            if group.exit_status(name) is not None:
                raise EvaluationError(f"the {name} ended early: {group.last_line(name)}; see {group.log(name)}")
        if time.monotonic() > deadline:
            raise EvaluationError(f"a drive over ROS 2 did not end in time; see {folder}")
        time.sleep(0.2)
    if group.exit_status("simulator") != 0 or not (folder / "result.json").is_file():
        raise EvaluationError(f"the simulator failed: {group.last_line('simulator')}; see {group.log('simulator')}")


def compare_over_ros(
    folder: Path,
    spec: PlannerSpec,
    scenarios: list[Scenario],
    rows: dict[int, dict[str, Any] | None],
    realtime_factor: float,
) -> int:
    """Drive all scenarios over DDS one after the other, print the comparison, write ``ros.json``.

    Args:
        folder: Folder for logs and results.
        spec: The model.
        scenarios: Scenarios to drive.
        rows: Row of each drive in process by seed; None or missing rows are skipped.
        realtime_factor: Simulated seconds per second.

    Returns:
        Exit status: 0 if every drive agrees.
    """
    lines = []
    for scenario in scenarios:
        row = rows.get(scenario.seed)
        if row is None:
            continue
        print(f"seed {scenario.seed} over ROS 2", file=sys.stderr)
        drive = drive_over_ros(folder / f"seed{scenario.seed}", spec, scenario, realtime_factor)
        lines.append(agreement(row, drive))
    num_agreeing = sum(line["agree"] for line in lines)
    print(f"\n{markdown_table(lines, _COLUMNS)}\n")
    print(
        f"{num_agreeing} of {len(lines)} agree: the same kinds of events, the same end reason, progress within "
        f"{TOLERANCE_M:g} m or {100 * TOLERANCE_SHARE:g} %; real time x {realtime_factor:g}"
    )
    content = {"planner": spec.label, "realtime_factor": realtime_factor, "agreeing": num_agreeing, "drives": lines}
    save_json(folder / "ros.json", content)
    return 0 if num_agreeing == len(lines) else 1
