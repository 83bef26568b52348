"""Runs the jobs of a suite over all cores or over Ray, keeps every finished one, and goes on where it was interrupted."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.evaluation.suite.job import JobOutcome, SuiteJob, run_job

RESULTS, DRIVES = "results.jsonl", "drives"
LOCAL_RAY = "local"


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
    """Drive whatever is not finished yet.

    Args:
        jobs: All of the suite.
        store: Where results are kept; it may hold some from before.
        workers: Processes; with 1 all is done in this one.
        ray_address: Of a Ray cluster, or "local"; None: no Ray.
        progress: An object with ``update(1)``, or None.

    Returns:
        The kept lines in the order of the jobs, whoever drove them and whenever.

    Raises:
        EvaluationError: A worker was ended from outside, or Ray cannot be used.
    """
    try:
        store.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EvaluationError(f"--out {store.folder}: cannot be made ({error.strerror}); give another folder") from None
    done = store.finished()
    missing = [job for job in jobs if job.key not in done]
    if progress is not None:
        progress.update(len(jobs) - len(missing))
    for outcome in _outcomes(missing, workers, ray_address):
        store.add(outcome)
        if progress is not None:
            progress.update(1)
    done = store.finished()
    return [done[job.key] for job in jobs]


def _outcomes(jobs: list[SuiteJob], workers: int, ray_address: str | None) -> Iterator[JobOutcome]:
    if not jobs:
        return iter(())
    if ray_address is not None:
        return _on_ray(jobs, ray_address)
    return map(run_job, jobs) if workers <= 1 else _in_processes(jobs, workers)


def _in_processes(jobs: list[SuiteJob], workers: int) -> Iterator[JobOutcome]:
    # Fresh interpreters: threads that a library has started here would not survive a fork.
    context = multiprocessing.get_context("spawn")
    count = min(workers, len(jobs))
    pool = ProcessPoolExecutor(max_workers=count, mp_context=context, initializer=_leave_interrupts_to_parent)
    is_done = False
    try:
        for future in as_completed([pool.submit(run_job, job) for job in jobs]):
            yield future.result()
        is_done = True
    except BrokenProcessPool:
        raise EvaluationError(
            "a worker was ended from outside; is there enough memory? Run again to go on, with --workers 1 if need be"
        ) from None
    finally:
        pool.shutdown(wait=is_done, cancel_futures=True)
        if not is_done:
            for child in multiprocessing.active_children():
                child.terminate()


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _on_ray(jobs: list[SuiteJob], address: str) -> Iterator[JobOutcome]:
    try:
        import ray
    except ImportError:
        raise EvaluationError("--ray: Ray is not installed; install the ray extra, or leave --ray out") from None
    try:
        ray.init(address=None if address == LOCAL_RAY else address, log_to_driver=False, include_dashboard=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise EvaluationError(f"--ray {address}: {str(error).splitlines()[0]}") from None
    try:
        remote = ray.remote(num_cpus=1)(run_job)
        waiting = [remote.remote(job) for job in jobs]
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=1)
            yield ray.get(ready[0])
    except ray.exceptions.RayError as error:
        raise EvaluationError(f"--ray: {str(error).splitlines()[0]}; run again to go on") from None
    finally:
        ray.shutdown()
