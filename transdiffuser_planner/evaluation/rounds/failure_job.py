"""One seed of a round: drive it, find failures, return to the times before them, and write corrections as samples."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.errors import MachineError, PlannerError
from transdiffuser_planner.core.files import read_text, write_text, writing
from transdiffuser_planner.evaluation.rounds.correction_samples import CorrectionWriter, join_samples
from transdiffuser_planner.evaluation.rounds.corrections import CorrectionRule, corrections
from transdiffuser_planner.evaluation.rounds.drive_trace import DriveTrace
from transdiffuser_planner.evaluation.rounds.failures import find_failures, search_points
from transdiffuser_planner.planners.registry import PlannerSpec, make_planner, suite_config, suite_rig
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.simulation.rewound_episode import RewoundEpisode
from transdiffuser_planner.simulation.rollout.rollout import Rollout
from transdiffuser_planner.simulation.scenario import Scenario

RESULT = "drive.json"
SAMPLES = "samples"


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureJob:
    """One scenario to drive.

    Attributes:
        scenario: Of the training seeds.
        planner: The model with its settings.
        out: Folder of the drive; a finished one is kept.
        rule: Which plans may be targets.
    """

    scenario: Scenario
    planner: PlannerSpec
    out: Path
    rule: CorrectionRule


def run_failure_job(job: FailureJob) -> dict[str, Any]:
    """Return what a drive showed, as plain values; a drive that cannot be made gives its reason.

    Args:
        job: Scenario, planner and folder.

    Raises:
        OutputError: The result cannot be written.
    """
    result = job.out / RESULT
    if result.is_file():
        return dict(json.loads(read_text(result)))
    found: dict[str, Any] = {"map": job.scenario.map_name, "seed": job.scenario.seed}
    shutil.rmtree(job.out, ignore_errors=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            found |= _drive_and_correct(job, Path(scratch))
    except MachineError as error:
        return found | {"reason": str(error)}  # tried again when the round resumes
    except PlannerError as error:
        found |= {"reason": str(error)}
    with writing(job.out):
        job.out.mkdir(parents=True, exist_ok=True)
        write_text(result, json.dumps(found) + "\n")
    return found


def _drive_and_correct(job: FailureJob, scratch: Path) -> dict[str, Any]:
    rig, spec, scenario = suite_rig(), job.planner, job.scenario
    assert spec.model is not None
    contract = load_manifest(spec.model).contract
    trace = DriveTrace(vehicle=rig.vehicle)
    with Rollout(scenario, make_planner(spec, rig), rig, suite_config(spec)) as rollout:
        for cycle in rollout.steps():
            trace.on_step(cycle)
    failures = find_failures(trace)
    wanted = list(search_points(trace, failures))
    corrected: list[dict[str, Any]] = []
    if wanted:
        with RewoundEpisode(scenario, rig.vehicle, trace.states) as episode:
            writer = CorrectionWriter(episode, rig, contract, scratch)
            for correction in corrections(trace, iter(wanted), episode, contract, job.rule):
                writer.add(correction)
        corrected = writer.described
        if writer.folders:
            with writing(job.out):
                job.out.mkdir(parents=True, exist_ok=True)
            meta = {"map": scenario.map_name, "seed": scenario.seed, "corrections": corrected}
            join_samples(writer.folders, job.out / SAMPLES, contract, meta)
    return {
        "duration_s": round(0.1 * (len(trace.states) - 1), 1),
        "failures": [{"kind": f.kind.value, "time_s": round(f.time_s, 1), "text": f.text} for f in failures],
        "searched": len(wanted),
        "corrections": corrected,
    }
