"""Turn bags, the simulator's or a vehicle's, into training samples."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from transdiffuser_planner.core.errors import ConfigError, PlannerError
from transdiffuser_planner.messages.topic_map import TopicMap, preset_files
from transdiffuser_planner.parallel import Files, add_ray_argument, fan_out, files_in, put_files

if TYPE_CHECKING:
    from transdiffuser_planner.data.samples.sample_builder import DatasetJob


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("bags", nargs="+", type=Path, help="rosbag2 directories, .mcap files, or folders of bags")
    parser.add_argument("--out", type=Path, required=True, help="folder for the samples, one sub-folder per bag")
    parser.add_argument(
        "--preset", default="carla", help="topic map and rig: params/topics_* and rig_* (default: carla)"
    )
    parser.add_argument("--topics", type=Path, help="topic map YAML instead of the preset's")
    parser.add_argument("--rig", type=Path, help="rig YAML instead of the preset's")
    parser.add_argument("--config", default="tiny", choices=("tiny", "base"), help="sizes of the tensors")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    add_ray_argument(parser)


def find_bags(paths: list[Path]) -> list[Path]:
    """Bags among and directly below the given paths.

    Raises:
        ConfigError: A path does not exist or holds no bag.
    """
    bags: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ConfigError(f"bag {path}: does not exist")
        if path.is_file() or (path / "metadata.yaml").is_file():
            bags.append(path)
            continue
        below = sorted(m.parent for m in path.glob("*/metadata.yaml") if not m.parent.name.endswith(".partial"))
        if not below:
            raise ConfigError(f"folder {path}: holds no bag (a folder with metadata.yaml)")
        bags += below
    return bags


def run(args: argparse.Namespace) -> int:
    """Convert all bags and print what was left out and why."""
    from tqdm import tqdm

    from transdiffuser_planner.core.contract import BASE, TINY
    from transdiffuser_planner.core.rig import Rig
    from transdiffuser_planner.data.samples.sample_builder import DatasetJob

    topics, rig = preset_files(args.preset)
    topic_map, rig_value = TopicMap.load(args.topics or topics), Rig.load(args.rig or rig)
    contract = {"tiny": TINY, "base": BASE}[args.config]
    jobs = [
        DatasetJob(bag=bag, out=args.out / bag.stem, rig=rig_value, topics=topic_map, contract=contract)
        for bag in find_bags(args.bags)
    ]
    counts: Counter[str] = Counter()
    failures: list[str] = []
    with tqdm(total=len(jobs), unit="bag", file=sys.stderr) as bar:
        for found, reason in _outcomes(jobs, args.workers, args.ray):
            counts.update(found)
            failures += [reason] if reason else []
            bar.update(1)
    for reason in sorted(failures):
        print(reason, file=sys.stderr)
    for name, count in sorted(counts.items(), key=lambda item: -item[1]):
        print(f"{count:8d}  {'samples' if name == 'samples' else 'frames left out: ' + name}")
    return 0 if counts["samples"] else 1


def _convert(job: DatasetJob) -> tuple[Counter[str], str]:
    """Counts of one bag, and why there are none."""
    from transdiffuser_planner.data.samples.sample_builder import convert

    try:
        return convert(job), ""
    except PlannerError as error:
        return Counter(), str(error)


def _convert_elsewhere(job: DatasetJob) -> tuple[Path, Counter[str], str, Files]:
    """Convert on another machine, which finds the bag at the same path; the samples come back as files."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / job.out.name
        counts, reason = _convert(replace(job, out=out))
        return job.out, counts, reason, {} if reason else files_in(out)


def _outcomes(jobs: list[DatasetJob], workers: int, ray_address: str | None) -> Iterator[tuple[Counter[str], str]]:
    if ray_address is None:
        yield from fan_out(_convert, jobs, workers=workers)
        return
    yield from (_convert(job) for job in jobs if job.out.is_dir())  # done before: only read
    missing = [replace(job, bag=job.bag.resolve()) for job in jobs if not job.out.is_dir()]
    for out, counts, reason, files in fan_out(_convert_elsewhere, missing, workers=workers, ray_address=ray_address):
        if files:
            put_files(files, out)
        yield counts, reason
