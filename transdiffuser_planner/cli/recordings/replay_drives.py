"""Replays the drives of a command, one after the other or several at a time, and prints them in their order."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from transdiffuser_planner.cli.recordings.replay_progress import DriveProgress, progress_bar
from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.evaluation.over_dds.process_group import private_ros_environment
from transdiffuser_planner.messages.topic_matching import Choice
from transdiffuser_planner.parallel import fan_out
from transdiffuser_planner.replay.checks.verdict import DriveVerdict, node_checks
from transdiffuser_planner.replay.compare_models import compare, comparison_lines
from transdiffuser_planner.replay.drive_check import DriveTester, Expectations, Setup
from transdiffuser_planner.replay.output.console import drive_lines
from transdiffuser_planner.replay.output.result_files import write_json, write_jsonl
from transdiffuser_planner.reports.drive.page import write_report
from transdiffuser_planner.runtime.inference.model_paths import model_folder


@dataclass(frozen=True, kw_only=True, slots=True)
class DriveJob:
    """One drive of the command; processes receive it by pickling.

    Attributes:
        name: Of the drive.
        bags: Its parts.
        setup, expectations: Model, mapping and parameters; files to compare with.
        models: Two models to compare instead of the setup's.
        out: Folder for a folder of the drive.
        node_parameters: Parameters of a planner node that the drive is also played to; None for no node.
    """

    name: str
    bags: tuple[Path, ...]
    setup: Setup
    expectations: Expectations
    models: tuple[str, str] | None = None
    out: Path | None = None
    node_parameters: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DriveOutcome:
    """Result of a job.

    Attributes:
        number: Of the job.
        name: Of the drive.
        lines: To print.
        verdict: The drive with its checks; None when it could not be replayed.
        error: Why not.
    """

    number: int
    name: str
    lines: tuple[str, ...] = ()
    verdict: DriveVerdict | None = None
    error: PlannerError | None = None


def replay_drives(jobs: Sequence[DriveJob], workers: int) -> Iterator[DriveOutcome]:
    """Replay, print and write drives; with ``is_update`` also baseline and golden plans.

    Args:
        jobs: The drives.
        workers: Drives at a time; each further one is a process.

    Yields:
        Their outcomes, in the order of the jobs.

    Raises:
        PlannerError: A process was killed.
    """
    waiting: dict[int, DriveOutcome] = {}
    num_printed = 0
    num_processes = min(workers, len(jobs))
    with (
        tempfile.TemporaryDirectory(prefix="transdiffuser_replay_", ignore_cleanup_errors=True) as folder,
        progress_bar(Path(folder) / "progress", [job.name for job in jobs]) as bar,
    ):
        numbered = [(number, job, Path(folder), num_processes > 1) for number, job in enumerate(jobs)]
        for done in fan_out(_replay, numbered, workers=num_processes):
            waiting[done.number] = done
            while num_printed in waiting:
                outcome = waiting.pop(num_printed)
                num_printed += 1
                bar.clear()
                for line in outcome.lines:
                    print(line)
                _update(jobs[outcome.number], outcome)
                yield outcome


def _update(job: DriveJob, outcome: DriveOutcome) -> None:
    """Write baseline and golden plans: one file for all drives, so by one process."""
    files, verdict = job.expectations, outcome.verdict
    if not files.is_update or verdict is None:
        return
    _tester(job.setup, files).update(verdict)
    written = [str(path) for path in (files.baseline, files.golden) if path is not None]
    print(f"wrote  {', '.join(written)}" if verdict.has_passed else "nothing written: the drive failed")


def _replay(numbered: tuple[int, DriveJob, Path, bool]) -> DriveOutcome:
    """Replay and check one drive, in any process."""
    number, job, folder, is_one_of_several = numbered
    if is_one_of_several:
        # Processes share the cores: a second thread in each would only wait.
        job = replace(job, setup=replace(job.setup, is_pipelined=False))
        tempfile.tempdir = str(folder)  # the command removes copies of a process that is ended
    progress = DriveProgress(folder / "progress", number)
    try:
        lines, verdict = _single(job, progress) if job.models is None else _compared(job, progress)
    except PlannerError as error:
        return DriveOutcome(number=number, name=job.name, error=error)
    finally:
        progress.end()
    return DriveOutcome(number=number, name=job.name, lines=tuple(lines), verdict=verdict)


_TESTERS: dict[str, DriveTester] = {}


def _tester(setup: Setup, expectations: Expectations) -> DriveTester:
    """The tester of these, which keeps its loaded planner for the next drive of the process."""
    key = repr((setup, expectations))
    if key not in _TESTERS:
        _TESTERS[key] = DriveTester(setup, expectations)
    return _TESTERS[key]


def _choose(tester: DriveTester, job: DriveJob, progress: DriveProgress, num_runs: int = 1) -> Choice:
    with BagReader(*job.bags) as reader:
        progress.begin(reader.duration_s, num_runs)
        return tester.choose(job.bags, reader)


def _single(job: DriveJob, progress: DriveProgress) -> tuple[list[str], DriveVerdict]:
    tester = _tester(job.setup, job.expectations)
    choice = _choose(tester, job, progress)
    out = None if job.out is None else job.out / job.name
    with ExitStack() as stack:
        player = None if job.node_parameters is None else stack.enter_context(_over_dds(job, choice))
        verdict = tester.run(job.bags, choice, out, _Watch(progress, player))
    if player is not None:
        verdict = replace(verdict, checks=(*verdict.checks, *node_checks(**asdict(player.result))))
    lines = list(drive_lines(verdict))
    if out is not None:
        lines.append(_write_results(out, verdict))
    return lines, verdict


def _compared(job: DriveJob, progress: DriveProgress) -> tuple[list[str], DriveVerdict]:
    """Replay a drive with two models and check B; with ``out``, one bag holds B's plans and A's (below /reference)."""
    assert job.models is not None
    a, b = (replace(job.setup, model=model) for model in job.models)
    testers = _tester(a, Expectations()), _tester(b, job.expectations)
    choice = _choose(testers[0], job, progress, num_runs=2)
    outs = (None, None) if job.out is None else (job.out / f"{job.name}_a", job.out / job.name)
    first = testers[0].run(job.bags, choice, outs[0], _Watch(progress))
    progress.next_run()
    again = job.bags if outs[0] is None else (outs[0],)
    second = testers[1].run(again, choice, outs[1], _Watch(progress), name=job.name)
    found = compare(first, second)
    lines = [*drive_lines(second), *comparison_lines(found)]
    if outs[1] is not None:
        write_json(outs[1] / "comparison.json", asdict(found))
        lines.append(_write_results(outs[1], second))
    return lines, second


def _write_results(out: Path, verdict: DriveVerdict) -> str:
    """Write result and report into the folder of a drive; returns the line that names the report."""
    choice = verdict.choice
    write_jsonl(out / "result.jsonl", [verdict])
    return f"report {write_report(out, out / 'report.html', topics=choice.topics, rig=choice.rig)}"


def _over_dds(job: DriveJob, choice: Choice) -> Any:
    """A planner node on a private domain, and the player of its inputs."""
    environment = private_ros_environment()
    os.environ.update(environment)
    from transdiffuser_planner.ros.testbench.node_replay import ReplayedNode, playing_to_node

    parameters = dict(job.node_parameters or {})
    node = ReplayedNode(model=model_folder(job.setup.model), parameters=parameters, environment=environment)
    return playing_to_node(job.bags, choice, node)


class _Watch:
    """Progress of the drive, and the player of a node, if any."""

    def __init__(self, progress: DriveProgress, player: Any = None) -> None:
        self._progress, self._player = progress, player

    def message(self, item: Any) -> None:
        if self._player is not None:
            self._player.play(item)

    def cycle(self, cycle: Any) -> None:
        self._progress.reached(cycle.log_time_ns)
        if self._player is not None:
            self._player.compare(cycle)
