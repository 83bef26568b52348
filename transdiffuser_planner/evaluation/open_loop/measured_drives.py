"""Measures recorded drives in many processes; a drive that cannot be measured does not end the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.parallel import fan_out


class DriveJob(Protocol):
    """One recorded drive to measure."""

    @property
    def bag(self) -> Path:
        """Bag of the drive."""


Job = TypeVar("Job", bound=DriveJob)
Part = TypeVar("Part", bound=Sized)


def measured_drives(
    measure: Callable[[Job], Part],
    jobs: Sequence[Job],
    workers: int,
    progress: Any = None,
    ray_address: str | None = None,
) -> tuple[list[Part], list[str]]:
    """Measure many drives.

    Args:
        measure: Measures one; a function of a module. A result of length 0 is left out.
        jobs: The drives; with Ray all paths must be absolute.
        workers: Number of processes.
        progress: An object with ``update(1)``, or None.
        ray_address: Ray address, as for ``fan_out``.

    Returns:
        Result of every drive in the order of the bags' names, and one line for each drive that failed.

    Raises:
        ConfigError: Ray cannot be used.
    """
    parts: dict[Path, Part] = {}
    failures = []
    for bag, found, reason in fan_out(
        partial(_found_or_reason, measure), jobs, workers=workers, ray_address=ray_address
    ):
        if found is None:
            failures.append(reason)
        elif len(found):
            parts[bag] = found
        if progress is not None:
            progress.update(1)
    return [parts[bag] for bag in sorted(parts)], sorted(failures)


def _found_or_reason(measure: Callable[[Job], Part], job: Job) -> tuple[Path, Part | None, str]:
    try:
        return job.bag, measure(job), ""
    except PlannerError as error:
        return job.bag, None, str(error)
