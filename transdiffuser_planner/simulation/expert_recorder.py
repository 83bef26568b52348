"""Recorder of the expert's drives as bags, headless and faster than real time."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from transdiffuser_planner.core.errors import OutputError, PlannerError, SimulationError
from transdiffuser_planner.core.files import PARTIAL, write_text, writing
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.messages.definitions import make_message
from transdiffuser_planner.parallel import Files, fan_out, files_in, put_files
from transdiffuser_planner.simulation.ego.expert import ExpertTrack
from transdiffuser_planner.simulation.episode import LoggedEpisode
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.map.sumo_networks import network_file
from transdiffuser_planner.simulation.message_stream import MessageStream
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.sensors.sensor_suite import SensorSuite

MEGABYTES_PER_FRAME = 0.25  # three images and a point cloud, compressed; measured on recorded towns
RECOVERY_S = 2.0
STEP_NS = 100_000_000
# Drives with less progress (permanent traffic jams) are no training data.
MIN_PROGRESS_M = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordingPlan:
    """Recording job of one scenario.

    Attributes:
        scenario: Map, seed, duration.
        rig: The vehicle and its sensors.
        out: Folder of the bags, one per variant.
        sensor_every: Steps of 0.1 s between sensor frames.
        variants: 0 is the unperturbed drive, others are perturbed.
        with_labels: Record the classes of the cameras' pixels as ground truth.
    """

    scenario: Scenario
    rig: Rig
    out: Path
    sensor_every: int
    variants: tuple[int, ...]
    with_labels: bool = False

    def bag_path(self, variant: int) -> Path:
        """Return the path of a variant's bag.

        Args:
            variant: Number of the perturbation.
        """
        return self.out / f"{Path(self.scenario.map_name).name}_seed{self.scenario.seed:05d}_v{variant}"


def record(plan: RecordingPlan) -> list[Path]:
    """Record all missing variants.

    Args:
        plan: Scenario, rig and variants.

    Returns:
        Paths of all bags of the plan.

    Raises:
        SimulationError: The scenario cannot be driven.
    """
    missing = [v for v in plan.variants if not plan.bag_path(v).is_dir()]
    if missing:
        episode = LoggedEpisode(plan.scenario, plan.rig.vehicle)
        if episode.progress_m() < MIN_PROGRESS_M:
            raise SimulationError(f"the ego moves only {episode.progress_m():.0f} m in stationary traffic; skipped")
        road_map = RoadMap.load(network_file(plan.scenario.map_name), episode.route.xy_N2)
        scenario = plan.scenario
        suite = SensorSuite(road_map, plan.rig, scenario.weather, scenario.seed, with_labels=plan.with_labels)
        for variant in missing:
            track = episode.perturbed_track(variant) if variant else episode.expert_track()
            if episode.overlap_stamps_ns(track):
                raise SimulationError("traffic overlaps the expert; skipped")
            _write_bag(plan, variant, episode, track, road_map, suite)
    return [plan.bag_path(v) for v in plan.variants]


def _write_bag(
    plan: RecordingPlan,
    variant: int,
    episode: LoggedEpisode,
    track: ExpertTrack,
    road_map: RoadMap,
    suite: SensorSuite,
) -> None:
    """Write to a temporary name and rename, so that an interrupted bag never counts as complete."""
    path = plan.bag_path(variant)
    partial = path.with_name(path.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    stream = MessageStream(make_message, plan.rig, episode.route, road_map)
    with writing(path, partial):
        partial.parent.mkdir(parents=True, exist_ok=True)
    with writing(path, partial), BagWriter(partial) as bag:
        for step, world in enumerate(episode.worlds(track)):
            items = list(stream.latched(world.stamp_ns)) if step == 0 else []
            items += stream.state(world)
            if step % plan.sensor_every == 0 or _recovers(world.stamp_ns, track, plan.sensor_every):
                items += stream.sensors(suite.render(world))
            for topic, type_name, message in items:
                bag.write(topic, type_name, world.stamp_ns, message)
    scenario = plan.scenario
    info = {"map": Path(scenario.map_name).name, "seed": scenario.seed, "variant": variant}
    write_text(partial / "scenario.json", json.dumps(info) + "\n")
    partial.rename(path)


def _recovers(stamp_ns: int, track: ExpertTrack, sensor_every: int) -> bool:
    """Return whether to add a frame within two seconds after a jump: recoveries have at least 5 frames per second."""
    since = min((stamp_ns - jump for jump in track.jump_stamps_ns if jump <= stamp_ns), default=None)
    if since is None or since > RECOVERY_S * 1e9:
        return False
    return (since // STEP_NS) % min(2, sensor_every) == 0


def _record_or_reason(plan: RecordingPlan) -> tuple[int, str]:
    """Seed of one scenario, and an error message instead of an exception.

    Raises:
        OutputError: A bag cannot be written, nor could the next one.
    """
    try:
        record(plan)
    except OutputError:
        raise
    except PlannerError as error:
        return plan.scenario.seed, str(error)
    return plan.scenario.seed, ""


def _record_elsewhere(plan: RecordingPlan) -> tuple[int, str, dict[str, Files]]:
    """Record on another machine and return the bags' files by bag name. Bags completed before a failure count."""
    with tempfile.TemporaryDirectory() as scratch:
        seed, reason = _record_or_reason(replace(plan, out=Path(scratch)))
        bags = sorted(path for path in Path(scratch).iterdir() if not path.name.endswith(PARTIAL))
        return seed, reason, {bag.name: files_in(bag) for bag in bags}


def _outcomes(plans: list[RecordingPlan], workers: int, ray_address: str | None) -> Iterator[tuple[int, str]]:
    if ray_address is None:
        yield from fan_out(_record_or_reason, plans, workers=workers)
        return
    missing = [
        replace(plan, variants=missing_variants)
        for plan in plans
        if (missing_variants := tuple(v for v in plan.variants if not plan.bag_path(v).is_dir()))
    ]
    out = {plan.scenario.seed: plan.out for plan in plans}
    for plan in plans:
        if all(plan.bag_path(v).is_dir() for v in plan.variants):
            yield plan.scenario.seed, ""
    for seed, reason, bags in fan_out(_record_elsewhere, missing, workers=workers, ray_address=ray_address):
        for name, files in bags.items():
            put_files(files, out[seed] / name)
        yield seed, reason


def record_all(
    plans: list[RecordingPlan], workers: int, progress: object = None, ray_address: str | None = None
) -> dict[int, str]:
    """Record many scenarios in parallel.

    Args:
        plans: One per seed.
        workers: Processes; 1 records in this process.
        progress: An object with ``update(1)``, called after each scenario (a tqdm bar), or None.
        ray_address: Of a Ray cluster, or "local"; bags come back to ``out`` on this machine. None: no Ray.

    Returns:
        Seed -> reason of each scenario that failed; the others were recorded.

    Raises:
        PlannerError: A worker was killed, or Ray cannot be used.
    """
    failures: dict[int, str] = {}
    for seed, reason in _outcomes(plans, workers, ray_address):
        if reason:
            failures[seed] = reason
        if progress is not None:
            progress.update(1)  # type: ignore[attr-defined]
    return failures
