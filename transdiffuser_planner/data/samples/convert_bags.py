"""Conversion of many bags into samples, over processes or a Ray cluster."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from transdiffuser_planner.core.errors import ConfigError, OutputError, PlannerError
from transdiffuser_planner.data.bags.bag_files import is_bag_folder
from transdiffuser_planner.data.logs.log_sources import OPENSCENE, ROSBAG
from transdiffuser_planner.data.logs.openscene.frames import is_openscene
from transdiffuser_planner.data.samples.sample_builder import DatasetJob, convert
from transdiffuser_planner.parallel import Files, fan_out, files_in, put_files


def find_bags(paths: list[Path]) -> list[Path]:
    """Find the bags and logs of OpenScene among the given paths and directly below them.

    Args:
        paths: Bags, logs, and folders of either.

    Returns:
        Their paths, in order.

    Raises:
        ConfigError: A path does not exist or holds no bag.
    """
    bags: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ConfigError(f"bag {path}: does not exist")
        if path.is_file() or is_bag_folder(path):
            bags.append(path)
            continue
        folders = (folder for folder in path.iterdir() if folder.is_dir() and not folder.name.endswith(".partial"))
        below = sorted(folder for folder in folders if is_bag_folder(folder))
        below += sorted(file for file in path.glob("*.pkl") if is_openscene(file))
        if not below:
            raise ConfigError(
                f"folder {path}: holds no bag (a folder with metadata.yaml, .mcap, .db3 or .bag files) and no log of OpenScene"
            )
        bags += below
    return bags


def source_of(path: Path) -> str:
    """Return the name of the source that reads a bag or log.

    Args:
        path: Result of ``find_bags``.
    """
    return OPENSCENE if is_openscene(path) else ROSBAG


def convert_all(
    jobs: list[DatasetJob], workers: int, ray_address: str | None = None
) -> Iterator[tuple[Counter[str], str]]:
    """Convert bags; samples that exist already are only counted.

    Args:
        jobs: One job per bag.
        workers: Number of processes.
        ray_address: Ray cluster to use instead of processes of this machine.

    Yields:
        Counts of one bag as of ``convert``, and an error message, empty when it was converted.
    """
    if ray_address is None:
        yield from fan_out(_convert, jobs, workers=workers)
        return
    yield from (_convert(job) for job in jobs if job.out.is_dir())  # done before: only read
    missing = [replace(job, bag=job.bag.resolve()) for job in jobs if not job.out.is_dir()]
    for out, counts, reason, files in fan_out(_convert_remotely, missing, workers=workers, ray_address=ray_address):
        if files:
            put_files(files, out)
        yield counts, reason


def _convert(job: DatasetJob) -> tuple[Counter[str], str]:
    """Counts of one bag, and an error message instead of an exception.

    Raises:
        OutputError: The samples cannot be written, nor could those of the next bag.
    """
    try:
        return convert(job), ""
    except OutputError:
        raise
    except PlannerError as error:
        return Counter(), str(error)


def _convert_remotely(job: DatasetJob) -> tuple[Path, Counter[str], str, Files]:
    """Convert on another machine, which finds the bag at the same path; the samples return as files."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / job.out.name
        counts, reason = _convert(replace(job, out=out))
        return job.out, counts, reason, {} if reason else files_in(out)
