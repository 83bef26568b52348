"""Runs one drive as a test: choose the mapping, replay, check. Used by the command, the pytest fixture and scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.planner_config import DEFAULT_MODEL, PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.messages.topic_map import own_files
from transdiffuser_planner.messages.topic_matching import Choice, choose
from transdiffuser_planner.replay.checks.baseline import check_baseline, update_baseline
from transdiffuser_planner.replay.checks.conditions import Condition, check_conditions, check_drives, load_conditions
from transdiffuser_planner.replay.checks.golden import check_golden, update_golden
from transdiffuser_planner.replay.checks.verdict import Check, DriveVerdict, basic_checks, loss_check
from transdiffuser_planner.replay.replay_result import ReplayResult
from transdiffuser_planner.replay.runner import ReplayJob, ReplayWatcher, replay
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.runtime.supervision.realtime_settings import apply_realtime_settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """Model, mapping and parameters of replays.

    Attributes:
        model: Name or folder.
        preset, topics_file, rig_file: The mapping; all None selects it automatically.
        config: Parameters of the planner.
        node: Full name of the node that replays stand for.
        qos_overrides: The node's parameters of QoS, by name.
        is_realtime: Test deadlines.
        is_pipelined: Prepare the next frame while the last is planned from; the plans are the same.
    """

    model: str | Path = DEFAULT_MODEL
    preset: str | None = None
    topics_file: Path | None = None
    rig_file: Path | None = None
    config: PlannerConfig = field(default_factory=PlannerConfig)
    node: str = "/transdiffuser_planner"
    qos_overrides: Mapping[str, Any] = field(default_factory=dict)
    is_realtime: bool = False
    is_pipelined: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectations:
    """Expectations for drives; files may be None.

    Attributes:
        conditions: Thresholds.
        baseline, golden: Metrics and plans of an earlier run.
        is_update: Write baseline and golden instead of comparing.
    """

    conditions: Path | None = None
    baseline: Path | None = None
    golden: Path | None = None
    is_update: bool = False

    def __post_init__(self) -> None:
        if self.is_update and self.baseline is None and self.golden is None:
            raise ConfigError("--update: nothing to write; give --baseline FILE, --golden FILE or both with it")
        for name in ("baseline", "golden"):
            path = getattr(self, name)
            if path is not None and not self.is_update and not path.is_file():
                raise ConfigError(f"{name} {path}: does not exist; write it with --{name} {path} --update")


class DriveTester:
    """Replays and checks drives; keeps the loaded planner for the next drive."""

    def __init__(self, setup: Setup, expectations: Expectations) -> None:
        """Read all files before anything is replayed.

        Args:
            setup: Model, mapping and parameters.
            expectations: Files of expectations.

        Raises:
            ConfigError: A file is invalid or missing.
            ModelError: The model does not exist.
        """
        self._setup, self._expectations = setup, expectations
        self._folder = model_folder(setup.model)
        self._conditions: list[Condition] = []
        if expectations.conditions is not None:
            self._conditions = load_conditions(expectations.conditions)
        self._loaded: tuple[Rig, Planner] | None = None

    def expect_drives(self, names: Sequence[str]) -> None:
        """Check the names of drives in conditions, before the first drive is replayed.

        Args:
            names: Names of all drives to replay.

        Raises:
            ConfigError: A condition is for none of them.
        """
        if self._expectations.conditions is not None:
            check_drives(self._conditions, names, self._expectations.conditions)

    def choose(self, bags: Sequence[Path], reader: BagReader | None = None) -> Choice:
        """Choose the mapping for a drive's bags.

        Args:
            bags: Parts of one drive.
            reader: The bags, if they are open.

        Returns:
            Topic map and rig.
        """
        if reader is None:
            with BagReader(*bags) as opened:
                return self.choose(bags, opened)
        setup = self._setup
        return choose(
            reader.topics(),
            f"bag {bags[0]}",
            preset=setup.preset,
            topics_file=setup.topics_file,
            rig_file=setup.rig_file,
            own=own_files(bags[0]),
        )

    def run(
        self,
        bags: Sequence[Path],
        choice: Choice,
        out: Path | None = None,
        watch: ReplayWatcher | None = None,
        name: str = "",
    ) -> DriveVerdict:
        """Replay and check a drive; with is_update only what needs neither baseline nor golden plans.

        Args:
            bags: Parts of one drive.
            choice: Mapping of its topics.
            out: Bag to write.
            watch: Receives every message and cycle.
            name: Name of the drive; by default that of its first bag.

        Returns:
            The drive with its checks.
        """
        if self._loaded is None or self._loaded[0] != choice.rig:
            # Frames share the cores, not operators: that takes less time in all, and the results are the same.
            threads = None if self._setup.is_realtime else 1
            planner = Planner.load(self._folder, choice.rig, self._setup.config, operator_threads=threads)
            self._loaded = (choice.rig, planner)
            apply_realtime_settings()
        job = ReplayJob(
            bag=bags[0],
            more=tuple(bags[1:]),
            topics=choice.topics,
            rig=choice.rig,
            out=out,
            node=self._setup.node,
            qos_overrides=self._setup.qos_overrides,
            is_realtime=self._setup.is_realtime,
            is_pipelined=self._setup.is_pipelined,
        )
        result = replay(job, self._loaded[1], watch)
        name = name or drive_name(bags[0])
        return DriveVerdict(name=name, choice=choice, result=result, checks=tuple(self._check(result, name)))

    def _check(self, result: ReplayResult, name: str) -> list[Check]:
        checks, files = basic_checks(result), self._expectations
        if not any(item.metric == "num_lost" and item.drive in ("", name) for item in self._conditions):
            checks.append(loss_check(result))
        checks += check_conditions(self._conditions, result.metrics, name)
        if files.is_update:
            return checks
        if files.baseline is not None:
            checks += check_baseline(files.baseline, result.metrics, name)
        if files.golden is not None:
            checks += check_golden(files.golden, result, name)
        return checks

    def update(self, verdict: DriveVerdict) -> None:
        """Write metrics and plans of a drive that has passed into the baseline and the golden plans.

        Args:
            verdict: Result of ``run``.
        """
        files = self._expectations
        if not (files.is_update and verdict.has_passed):
            return
        if files.baseline is not None:
            update_baseline(files.baseline, verdict.metrics, verdict.name)
        if files.golden is not None:
            update_golden(files.golden, verdict.result, verdict.name)


def drive_name(bag: Path) -> str:
    """Return the name of a drive in baselines, golden plans and results: that of its bag.

    Args:
        bag: File or folder.
    """
    return bag.resolve().stem if bag.is_file() else bag.resolve().name
