"""Maps one function over many jobs: in this process, in several, or on the machines of a Ray cluster.

The result of a job must depend on the job only, so that it is the same on every machine. Jobs that write files write them
into a folder of their own and return ``files_in`` that folder, so that the files arrive on the machine of the command.
"""

from __future__ import annotations

import multiprocessing
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from transdiffuser_planner.core.errors import ConfigError, PlannerError
from transdiffuser_planner.core.files import PARTIAL, writing

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")
Files = dict[str, bytes]

LOCAL_RAY = "local"
RAY_HELP = "distribute over Ray, on this machine or a cluster (pip install ray)"


def fan_out(
    do: Callable[[Job], Outcome],
    jobs: Sequence[Job],
    *,
    workers: int,
    ray_address: str | None = None,
    ray_cores: int | None = None,
) -> Iterator[Outcome]:
    """Yield the outcomes of all jobs, in the order of completion.

    Args:
        do: A function of a module, so that other processes can import it.
        jobs: Arguments of ``do``, picklable.
        workers: Number of processes; 1 runs all jobs in this process. Ray uses one process per core.
        ray_address: Address of a Ray cluster, or "local"; None: no Ray.
        ray_cores: Number of processes of a local Ray; None: one per core.

    Raises:
        ConfigError: Ray cannot be used.
        PlannerError: A worker was killed.
    """
    if not jobs:
        return iter(())
    if ray_address is not None:
        return _on_ray(do, jobs, ray_address, ray_cores)
    return map(do, jobs) if workers <= 1 else _in_processes(do, jobs, workers)


def _in_processes(do: Callable[[Job], Outcome], jobs: Sequence[Job], workers: int) -> Iterator[Outcome]:
    # Fresh interpreters: threads of libraries in this process would not survive a fork.
    context = multiprocessing.get_context("spawn")
    count = min(workers, len(jobs))
    pool = ProcessPoolExecutor(max_workers=count, mp_context=context, initializer=_leave_interrupts_to_parent)
    is_done = False
    try:
        for future in as_completed([pool.submit(do, job) for job in jobs]):
            yield future.result()
        is_done = True
    except BrokenProcessPool:
        raise PlannerError(
            "a worker was killed; is there enough memory? Run again to resume, with --workers 1 if memory is short"
        ) from None
    finally:
        pool.shutdown(wait=is_done, cancel_futures=True)
        if not is_done:
            for child in multiprocessing.active_children():
                child.terminate()


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _on_ray(do: Callable[[Job], Outcome], jobs: Sequence[Job], address: str, cores: int | None) -> Iterator[Outcome]:
    try:
        import ray
    except ImportError:
        raise ConfigError("--ray: Ray is not installed; install the ray extra, or omit --ray") from None
    try:
        own = {"num_cpus": cores} if address == LOCAL_RAY else {"address": address}
        ray.init(**own, log_to_driver=False, include_dashboard=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"--ray {address}: {str(error).splitlines()[0]}") from None
    try:
        remote = ray.remote(num_cpus=1)(do)
        waiting = [remote.remote(job) for job in jobs]
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=1)
            yield ray.get(ready[0])
    except ray.exceptions.RayError as error:
        raise PlannerError(f"--ray: {str(error).splitlines()[0]}; run again to resume") from None
    finally:
        ray.shutdown()


def files_in(folder: Path) -> Files:
    """Read all files in and below a folder, by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def put_files(files: Files, folder: Path) -> None:
    """Write the result of ``files_in`` as a folder; it appears complete or not at all."""
    partial = folder.with_name(folder.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    with writing(folder, partial):
        for name, content in files.items():
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        partial.rename(folder)


def add_ray_argument(parser: Any) -> None:
    """Add the option ``--ray [ADDRESS]``."""
    parser.add_argument("--ray", nargs="?", const=LOCAL_RAY, metavar="ADDRESS", help=RAY_HELP)
