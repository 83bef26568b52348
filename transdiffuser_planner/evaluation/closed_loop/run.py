"""Runs the jobs of a suite over all cores or over Ray, keeps every finished one, and goes on where it was interrupted."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.evaluation.closed_loop.job import JobOutcome, SuiteJob, run_job
from transdiffuser_planner.parallel import fan_out

RESULTS, DRIVES = "results.jsonl", "drives"
TRIES = 2
"""Of a job that the machine failed, in one run; the next run tries again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """The folder of a run: one line for each finished job, and its recording."""

    folder: Path

    def finished(self) -> dict[str, dict[str, Any]]:
        """Lines by key, without the one that an interruption cut short."""
        path, found = self.folder / RESULTS, {}
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                    found[str(entry["key"])] = entry
                except (ValueError, KeyError, TypeError):
                    continue
        return found

    def add(self, outcome: JobOutcome) -> None:
        """Keep one; the recording first, so that a line stands for both."""
        if outcome.recording:
            path = self.recording(outcome.key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(outcome.recording)
        entry = {name: value for name, value in asdict(outcome).items() if name != "recording"}
        with (self.folder / RESULTS).open("a+b") as lines:
            if lines.tell() > 0:
                lines.seek(-1, os.SEEK_END)
                if lines.read(1) != b"\n":  # an interruption cut the last line short
                    lines.write(b"\n")
            lines.write(json.dumps(entry).encode() + b"\n")

    def recording(self, key: str) -> Path:
        """Where a job's recording is."""
        return self.folder / DRIVES / f"{key}.json.gz"

    def forget(self) -> None:
        """Start over."""
        (self.folder / RESULTS).unlink(missing_ok=True)
        for path in (self.folder / DRIVES).glob("*.json.gz"):
            path.unlink()


def run_jobs(
    jobs: list[SuiteJob], store: Store, *, workers: int, ray_address: str | None = None, progress: Any = None
) -> list[dict[str, Any]]:
    """Drive whatever is not finished yet. Jobs that the machine failed are tried again, jobs that cannot run are not.

    Args:
        jobs: All of the suite.
        store: Where results are kept; it may hold some from before.
        workers: Processes; with 1 all is done in this one.
        ray_address: Of a Ray cluster, or "local"; None: no Ray.
        progress: An object with ``update(1)``, or None.

    Returns:
        The kept lines in the order of the jobs, whoever drove them and whenever.

    Raises:
        EvaluationError: The folder cannot be made.
        PlannerError: A worker was ended from outside, or Ray cannot be used.
    """
    try:
        store.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EvaluationError(f"--out {store.folder}: cannot be made ({error.strerror}); give another folder") from None
    done = store.finished()
    missing = [job for job in jobs if job.key not in done or _is_open(job, done[job.key])]
    if progress is not None:
        progress.update(len(jobs) - len(missing))
    for tries_left in reversed(range(TRIES)):
        again = set()
        for outcome in fan_out(run_job, missing, workers=workers, ray_address=ray_address):
            store.add(outcome)
            if outcome.may_succeed and tries_left:
                again.add(outcome.key)
            elif progress is not None:
                progress.update(1)
        missing = [job for job in missing if job.key in again]
    done = store.finished()
    return [done[job.key] for job in jobs]


def _is_open(job: SuiteJob, entry: dict[str, Any]) -> bool:
    """Whether a kept job is to be driven again: the machine failed it, or its bag is missing.

    Lines of earlier versions do not tell who failed; those jobs are tried again.
    """
    if entry["row"] is None:
        return bool(entry.get("may_succeed", True))
    return job.bag is not None and not job.bag.exists()
