"""Drives in SUMO traffic: expert, closed loop, sensors, bags and their samples."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("libsumo")
pytest.importorskip("embreex")
pytest.importorskip("rosbags")

from shared_drives import recorded_drives

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.data.samples.sample_builder import DatasetJob, convert
from transdiffuser_planner.data.samples.sample_set import SampleSet
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.params import RIGS, TOPICS
from transdiffuser_planner.simulation.collisions import overlapping_agents
from transdiffuser_planner.simulation.episode import ClosedLoopEpisode, LoggedEpisode
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.map.sumo_networks import network_file
from transdiffuser_planner.simulation.scenario import draw_scenario
from transdiffuser_planner.simulation.sensors.sensor_suite import SensorSuite
from transdiffuser_planner.simulation.world_state import EgoPose, WorldState

pytestmark = pytest.mark.slow

SEED = 8106
MAX_ACCEL_MPS2, MAX_DECEL_MPS2, MAX_LATERAL_MPS2 = 2.4, 4.05, 4.89  # comfort limits of NAVSIM's PDM score


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded drive of 14 s with two sensor frames a second."""
    (found,) = (recorded_drives(tmp_path_factory) / "bags").glob(f"*seed{SEED:05d}*")
    return found


@pytest.fixture(scope="module")
def expert() -> LoggedEpisode:
    """Expert drive through a town with turns."""
    return LoggedEpisode(draw_scenario(SEED, duration_s=30.0), EGO_VEHICLE)


def test_expert_is_comfortable_and_has_no_collision(expert: LoggedEpisode) -> None:
    track = expert.expert_track()
    accel = np.asarray([pose.acceleration_mps2 for pose in track.poses])
    lateral = np.asarray([pose.speed_mps**2 * abs(pose.curvature_per_m) for pose in track.poses])
    assert accel.max() <= MAX_ACCEL_MPS2 and accel.min() >= -MAX_DECEL_MPS2 and lateral.max() <= MAX_LATERAL_MPS2
    assert not any(overlapping_agents(world.ego, world.agents, EGO_VEHICLE).any() for world in expert.worlds(track))
    assert expert.progress_m() > 50.0


def test_perturbed_drive_leaves_the_track_and_returns(expert: LoggedEpisode) -> None:
    plain, bent = expert.expert_track(), expert.perturbed_track(1)
    gap = np.asarray([np.hypot(a.x_m - b.x_m, a.y_m - b.y_m) for a, b in zip(plain.poses, bent.poses, strict=True)])
    assert bent.jump_stamps_ns and gap.max() > 0.2
    assert gap.min() < 0.05


def test_same_seed_gives_the_same_drive(expert: LoggedEpisode) -> None:
    again = LoggedEpisode(expert.scenario, EGO_VEHICLE)
    assert again.expert_track().poses == expert.expert_track().poses


def test_ego_stops_under_braking_and_each_step_is_100_ms() -> None:
    with ClosedLoopEpisode(draw_scenario(SEED, duration_s=20.0), EGO_VEHICLE) as episode:
        step = episode.start()
        for _ in range(60):
            step = episode.step(-6.0, 0.0)
        assert step.world.ego.speed_mps == 0.0 and step.on_road
        stamp = step.world.stamp_ns
        assert episode.step(0.0, 0.0).world.stamp_ns - stamp == 100_000_000


def test_unknown_map_is_reported_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["simulate", "--record", "never_written", "--map", "atlantis", "--seed", "8000", "--duration", "10"])
    captured = capsys.readouterr()
    assert status == 1 and "atlantis" in captured.err and "Traceback" not in captured.err
    with pytest.raises(SimulationError, match="town-000"):
        network_file("atlantis")


def test_a_truck_ahead_is_in_point_cloud_and_images() -> None:
    scenario = draw_scenario(8101)
    road_map = RoadMap.load(network_file(scenario.map_name))
    lane = max(road_map.lanes, key=lambda lane: np.hypot(*(lane.center_N2[-1] - lane.center_N2[0])))
    start, end = lane.center_N2[0], lane.center_N2[-1]
    heading = float(np.arctan2(*(end - start)[::-1]))
    ego = EgoPose(x_m=float(start[0]), y_m=float(start[1]), heading_rad=heading, speed_mps=0.0)
    suite = SensorSuite(road_map, Rig.load(RIGS / "carla.yaml"), scenario.weather, 1)

    def frame(distance: float | None):  # type: ignore[no-untyped-def]
        count = 0 if distance is None else 1
        far = distance or 0.0
        agents = AgentStates(
            frame_id="map",
            id_N=np.arange(count, dtype=np.uint32),
            class_N=np.ones(count, dtype=np.int8),
            x_m_N=np.full(count, ego.x_m + far * np.cos(heading)),
            y_m_N=np.full(count, ego.y_m + far * np.sin(heading)),
            heading_rad_N=np.full(count, heading),
            speed_mps_N=np.zeros(count),
            length_m_N=np.full(count, 8.0),
            width_m_N=np.full(count, 2.4),
            height_m_N=np.full(count, 3.0),
            braking_N=np.zeros(count, dtype=bool),
        )
        return suite.render(WorldState(stamp_ns=0, ego=ego, agents=agents))

    empty, truck = frame(None), frame(15.0)
    assert {name: image.shape for name, image in truck.images.items()} == {
        "rgb_left": (128, 136, 3), "rgb_front": (128, 240, 3), "rgb_right": (128, 136, 3)
    }  # fmt: skip
    changed = (truck.images["rgb_front"] != empty.images["rgb_front"]).any(axis=2)
    assert changed[:, 100:140].mean() > 0.2 and not changed[:40, :20].any()
    rear_m = 15.0 - 4.0 - 1.2  # the truck's rear in the LiDAR's frame, mounted 1.2 m ahead of base_link
    points = truck.lidar_N4
    hits = (np.abs(points[:, 1]) < 1.0) & (np.abs(points[:, 0] - rear_m) < 0.2) & (points[:, 2] > -1.3)
    assert hits.sum() > 30


def test_recorded_bag_has_every_topic_of_the_rig(bag: Path) -> None:
    topics = TopicMap.load(TOPICS / "carla.yaml")
    with BagReader(bag) as reader:
        assert topics.all_topics() <= set(reader.topics())
        stamps = [item.log_time_ns for item in reader.messages({topics.odometry})]
    assert np.diff(stamps).max() == 100_000_000
    assert json.loads((bag / "scenario.json").read_text(encoding="utf-8"))["seed"] == SEED


def test_samples_from_a_bag_agree_with_the_recorded_drive(bag: Path, tmp_path: Path) -> None:
    rig, topics = Rig.load(RIGS / "carla.yaml"), TopicMap.load(TOPICS / "carla.yaml")
    counts = convert(DatasetJob(bag=bag, out=tmp_path / "one", rig=rig, topics=topics, contract=TINY))
    samples = SampleSet.open(tmp_path, TINY)
    assert len(samples) == counts["samples"] > 10
    plan, speed = samples.whole("plan"), samples.whole("status")[:, 4]
    moving = speed > 3.0
    np.testing.assert_allclose(plan[moving, 0, 0], 0.5 * speed[moving], rtol=0.35)
    route = samples.whole("route")[samples.whole("route_valid") > 0.0]
    assert np.isfinite(route).all() and samples.whole("bev").max() > 0
    assert samples.whole("camera_valid").min() > 0.95


def test_a_truncated_bag_yields_its_first_part_with_a_warning(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = next(bag.glob("*.mcap"))
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert main(["dataset", str(cut), "--out", str(tmp_path / "samples"), "--workers", "1"]) == 0
    text = "".join(capsys.readouterr())
    assert "ends in the middle" in text and "Traceback" not in text
    assert 0 < len(SampleSet.open(tmp_path / "samples", TINY)) < 20


def test_a_file_that_is_no_bag_is_reported_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "noise.mcap").write_bytes(bytes(range(256)) * 40)
    assert main(["dataset", str(tmp_path / "noise.mcap"), "--out", str(tmp_path / "samples"), "--workers", "1"]) != 0
    text = "".join(capsys.readouterr())
    assert "no MCAP record that can be read" in text and "Traceback" not in text
