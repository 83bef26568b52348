"""Runs the jobs of a suite over all cores or over Ray, stores every finished one, and resumes after an interruption."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.files import read_text, writing
from transdiffuser_planner.evaluation.closed_loop.job import JobOutcome, SuiteJob, run_job
from transdiffuser_planner.evaluation.closed_loop.result_keys import row_with_current_keys
from transdiffuser_planner.parallel import fan_out

RESULTS, DRIVES = "results.jsonl", "drives"
TRIES = 2
"""Attempts at a job that the machine failed, in one run; the next run tries again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """The folder of a run: one line and one recording for each finished job.

    Attributes:
        folder: Path of the folder.
    """

    folder: Path

    def finished(self) -> dict[str, dict[str, Any]]:
        """Return the entries by key, without a line that an interruption truncated."""
        path, found = self.folder / RESULTS, {}
        if path.is_file():
            for line in read_text(path).splitlines():
                try:
                    entry = json.loads(line)
                    found[str(entry["key"])] = entry | {"row": entry["row"] and row_with_current_keys(entry["row"])}
                except (ValueError, KeyError, TypeError):
                    continue
        return found

    def add(self, outcome: JobOutcome) -> None:
        """Store one outcome; the recording first, so that a line implies both."""
        if outcome.recording:
            path = self.recording(outcome.key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(outcome.recording)
        entry = {name: value for name, value in asdict(outcome).items() if name != "recording"}
        with (self.folder / RESULTS).open("a+b") as lines:
            if lines.tell() > 0:  # codespell:ignore tell
                lines.seek(-1, os.SEEK_END)
                if lines.read(1) != b"\n":  # an interruption truncated the last line
                    lines.write(b"\n")
            lines.write(json.dumps(entry).encode() + b"\n")

    def recording(self, key: str) -> Path:
        """Return the path of a job's recording."""
        return self.folder / DRIVES / f"{key}.json.gz"

    def forget(self) -> None:
        """Delete all results and recordings."""
        (self.folder / RESULTS).unlink(missing_ok=True)
        for path in (self.folder / DRIVES).glob("*.json.gz"):
            path.unlink()


def run_jobs(
    jobs: list[SuiteJob], store: Store, *, workers: int, ray_address: str | None = None, progress: Any = None
) -> list[dict[str, Any]]:
    """Run the jobs that are not finished. Jobs that the machine failed are retried, jobs that cannot run are not.

    Args:
        jobs: All jobs of the suite.
        store: Folder of the results; it may hold those of an earlier run.
        workers: Number of processes; 1 runs all jobs in this one.
        ray_address: Address of a Ray cluster, or "local"; None: no Ray.
        progress: An object with ``update(1)``, or None.

    Returns:
        The stored entries in the order of the jobs, of this run or an earlier one.

    Raises:
        OutputError: The folder cannot be written.
        PlannerError: A worker was killed, or Ray cannot be used.
    """
    with writing(store.folder):
        store.folder.mkdir(parents=True, exist_ok=True)
    done = store.finished()
    missing = [job for job in jobs if job.key not in done or _is_open(job, done[job.key])]
    if progress is not None:
        progress.update(len(jobs) - len(missing))
    for tries_left in reversed(range(TRIES)):
        again = set()
        for outcome in fan_out(run_job, missing, workers=workers, ray_address=ray_address):
            with writing(store.folder):
                store.add(outcome)
            if outcome.may_succeed and tries_left:
                again.add(outcome.key)
            elif progress is not None:
                progress.update(1)
        missing = [job for job in missing if job.key in again]
    done = store.finished()
    return [done[job.key] for job in jobs]


def _is_open(job: SuiteJob, entry: dict[str, Any]) -> bool:
    """Return whether a stored job must run again: the machine failed it, or its bag is missing.

    Lines of earlier versions do not record whether the machine failed; those jobs are retried.
    """
    if entry["row"] is None:
        return bool(entry.get("may_succeed", True))
    return job.bag is not None and not job.bag.exists()
