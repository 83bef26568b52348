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
from transdiffuser_planner.core.rig import BAG_RIG_NAME, Rig
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.data.bags.rig_files import write_rig, write_topic_map
from transdiffuser_planner.messages.definitions import make_message
from transdiffuser_planner.messages.topic_map import DEFAULT_PRESET, OWN_TOPICS, TopicMap, preset_files
from transdiffuser_planner.parallel import Files, fan_out, files_in, put_files
from transdiffuser_planner.simulation.collisions import overlapping_agents
from transdiffuser_planner.simulation.ego.expert import ExpertTrack
from transdiffuser_planner.simulation.episode import LoggedEpisode
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.map.sumo_networks import network_file
from transdiffuser_planner.simulation.message_stream import MessageStream
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.sensors.sensor_suite import SensorSuite
from transdiffuser_planner.simulation.variation.drive_variation import DriveVariation, draw_variation
from transdiffuser_planner.simulation.variation.recipe import RecordingRecipe
from transdiffuser_planner.simulation.world_state import WorldState

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
        recipe: From which every drive draws its sensors and surroundings; None for ``rig`` in the plain world.
    """

    scenario: Scenario
    rig: Rig
    out: Path
    sensor_every: int
    variants: tuple[int, ...]
    with_labels: bool = False
    recipe: RecordingRecipe | None = None

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
        shared = plain_staging(plan, road_map) if plan.recipe is None else None
        for variant in missing:
            track = episode.perturbed_track(variant) if variant else episode.expert_track()
            staging = shared or varied_staging(plan, variant, road_map, track)
            if _overlaps(staging, episode, track, plan.rig.vehicle):
                raise SimulationError("traffic overlaps the expert; skipped")
            _write_bag(plan, variant, episode, track, staging)
    return [plan.bag_path(v) for v in plan.variants]


@dataclass(frozen=True, kw_only=True, slots=True)
class Staging:
    """World and sensors of one drive.

    Attributes:
        rig: As its rig file states it.
        road_map: Ground truth.
        suite: Renders the sensors.
        variation: What the drive has drawn; None in the plain world.
    """

    rig: Rig
    road_map: RoadMap
    suite: SensorSuite
    variation: DriveVariation | None = None

    def recorded(self, world: WorldState) -> WorldState:
        """Return a state as ground truth holds it.

        Args:
            world: As simulated.
        """
        return world if self.variation is None else self.variation.world(world)

    def rendered(self, world: WorldState) -> WorldState:
        """Return a state as the sensors' moving scene holds it.

        Args:
            world: As simulated.
        """
        return world if self.variation is None else self.variation.moving(world)


def plain_staging(plan: RecordingPlan, road_map: RoadMap) -> Staging:
    """Return the plan's rig in the plain world.

    Args:
        plan: Scenario and rig.
        road_map: Static elements.
    """
    scenario = plan.scenario
    suite = SensorSuite(road_map, plan.rig, scenario.weather, scenario.seed, with_labels=plan.with_labels)
    return Staging(rig=plan.rig, road_map=road_map, suite=suite)


def varied_staging(plan: RecordingPlan, variant: int, road_map: RoadMap, track: ExpertTrack) -> Staging:
    """Return what the plan's recipe gives one drive.

    Args:
        plan: With a recipe.
        variant: Of the drive.
        road_map: Static elements.
        track: Of the ego.

    Raises:
        SimulationError: The plan has no recipe.
    """
    if plan.recipe is None:
        raise SimulationError("a varied drive needs a recipe")
    found = draw_variation(plan.recipe, plan.scenario, variant, road_map, track.poses)
    scenario = plan.scenario
    suite = SensorSuite(
        found.road_map, found.true_rig, scenario.weather, scenario.seed, found.look, with_labels=plan.with_labels
    )
    return Staging(rig=found.rig, road_map=found.road_map, suite=suite, variation=found)


def _overlaps(staging: Staging, episode: LoggedEpisode, track: ExpertTrack, vehicle: VehicleModel) -> bool:
    """Return whether an agent ever overlaps the ego."""
    worlds = (staging.recorded(world) for world in episode.worlds(track))
    return any(overlapping_agents(world.ego, world.agents, vehicle).any() for world in worlds)


def _write_bag(plan: RecordingPlan, variant: int, episode: LoggedEpisode, track: ExpertTrack, staging: Staging) -> None:
    """Write to a temporary name and rename, so that an interrupted bag never counts as complete."""
    path = plan.bag_path(variant)
    partial = path.with_name(path.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    stream = MessageStream(make_message, staging.rig, episode.route, staging.road_map)
    with writing(path, partial):
        partial.parent.mkdir(parents=True, exist_ok=True)
    with writing(path, partial), BagWriter(partial) as bag:
        for step, world in enumerate(episode.worlds(track)):
            items = list(stream.latched(world.stamp_ns)) if step == 0 else []
            items += stream.state(staging.recorded(world))
            if step % plan.sensor_every == 0 or _recovers(world.stamp_ns, track, plan.sensor_every):
                items += stream.sensors(staging.suite.render(staging.rendered(world)))
            for topic, type_name, message in items:
                bag.write(topic, type_name, world.stamp_ns, message)
    scenario = plan.scenario
    info: dict[str, object] = {"map": Path(scenario.map_name).name, "seed": scenario.seed, "variant": variant}
    if staging.variation is not None:
        info["rig"] = staging.variation.rig_name
        topics, _ = preset_files(DEFAULT_PRESET)
        write_rig(partial / BAG_RIG_NAME, staging.rig, head=(f"Drawn for this drive: {staging.variation.rig_name}.",))
        write_topic_map(partial / OWN_TOPICS, TopicMap.load(topics))
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
