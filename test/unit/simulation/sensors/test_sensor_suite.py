"""Sensor frames are the same whether or not rays are culled, and follow weather, lamps and heading."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("embreex")

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.view_semantics import ViewClass
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.simulation.map.road_elements import Building, Lane, LaneKind, SignalHead
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.scenario import Weather
from transdiffuser_planner.simulation.sensors.ray_culling import RayFan
from transdiffuser_planner.simulation.sensors.ray_scene import RayScene
from transdiffuser_planner.simulation.sensors.sensor_suite import SensorSuite
from transdiffuser_planner.simulation.world_state import EgoPose, WorldState

RIG = Rig.load(RIGS / "carla.yaml")
SUNNY = Weather(sun_elevation_rad=0.4, cloudiness=0.0)


def street() -> RoadMap:
    """A straight lane to +x with a traffic light and a building to its left."""
    lane = Lane(
        lane_id="a_0", kind=LaneKind.DRIVING, center_N2=np.asarray([[-60.0, 0.0], [60.0, 0.0]]), width_m=30.0,
        internal=False, has_left_neighbor=False, has_signal=False,
    )  # fmt: skip
    head = SignalHead(signal_id="s", link=0, x_m=25.0, y_m=0.0, z_m=5.0, facing_rad=np.pi, lamp_m=0.55, pole=False)
    house = np.asarray([[20.0, 18.0], [40.0, 18.0], [40.0, 30.0], [20.0, 30.0]])
    return RoadMap(
        name="street", lanes=(lane,), junctions=(), walking_areas=(), stop_lines=(), heads=(head,),
        buildings=(Building(corners_42=house, height_m=9.0, style=3),),
    )  # fmt: skip


def world(count: int, letter: str = "r", heading_rad: float = 0.2) -> WorldState:
    rng = np.random.default_rng(count)
    agents = AgentStates(
        frame_id="map",
        id_N=np.arange(count, dtype=np.uint32),
        class_N=np.arange(count, dtype=np.int8) % 5,
        x_m_N=rng.uniform(-55.0, 55.0, count),
        y_m_N=rng.uniform(4.0, 25.0, count) * rng.choice([-1.0, 1.0], count),
        heading_rad_N=rng.uniform(-np.pi, np.pi, count),
        speed_mps_N=np.zeros(count),
        length_m_N=rng.uniform(0.5, 8.0, count),
        width_m_N=rng.uniform(0.5, 2.4, count),
        height_m_N=rng.uniform(1.4, 3.5, count),
        braking_N=rng.random(count) < 0.5,
    )
    ego = EgoPose(x_m=0.0, y_m=0.0, heading_rad=heading_rad, speed_mps=0.0)
    return WorldState(stamp_ns=1, ego=ego, agents=agents, signals={"s": letter})


def apart(rig: Rig) -> Rig:
    """The rig with every camera at a place of its own."""
    return replace(rig, cameras=tuple(replace(c, y_m=0.4 * n, z_m=1.4 + 0.2 * n) for n, c in enumerate(rig.cameras)))


@pytest.mark.parametrize("rig", [RIG, apart(RIG)])
def test_culling_changes_neither_images_nor_clouds(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    suite, state = SensorSuite(street(), rig, SUNNY, 1), world(40)
    culled = suite.render(state)
    monkeypatch.setattr(RayFan, "nearest", lambda fan, *_: np.zeros(len(fan), dtype=np.float32))
    every = suite.render(state)
    assert culled.lidar_N4 is not None and every.lidar_N4 is not None
    assert np.array_equal(culled.lidar_N4, every.lidar_N4)
    assert all(np.array_equal(culled.images[name], image) for name, image in every.images.items())
    alone = suite.render(replace(state, agents=AgentStates.empty("map")))
    assert sum((alone.images[name] != image).sum() for name, image in every.images.items()) > 1000


def test_agents_darken_the_ground_in_the_sun_only(monkeypatch: pytest.MonkeyPatch) -> None:
    bright, dull = (SensorSuite(street(), RIG, weather, 1) for weather in (SUNNY, replace(SUNNY, cloudiness=1.0)))
    with_shadows = [suite.render(world(40)).images["rgb_front"].astype(int) for suite in (bright, dull)]
    monkeypatch.setattr(RayScene, "blocked", lambda scene, origin_R3, *_: np.zeros(len(origin_R3), dtype=np.bool_))
    without = [suite.render(world(40)).images["rgb_front"].astype(int) for suite in (bright, dull)]
    assert (with_shadows[0] <= without[0]).all() and (with_shadows[0] < without[0]).all(axis=2).sum() > 20
    assert np.array_equal(with_shadows[1], without[1])


def test_lamps_follow_the_signal_from_frame_to_frame() -> None:
    suite = SensorSuite(street(), RIG, SUNNY, 1)
    frames = [suite.render(world(0, letter, heading_rad=0.0)).images["rgb_front"] for letter in "rrgr"]
    assert np.array_equal(frames[0], frames[1]) and np.array_equal(frames[0], frames[3])
    assert not np.array_equal(frames[0], frames[2])


def test_the_sky_does_not_turn_with_the_vehicle() -> None:
    suite = SensorSuite(street(), RIG, SUNNY, 1)
    ahead, back = (suite.render(world(0, heading_rad=h)).images["rgb_front"][:8] for h in (np.pi / 2, -np.pi / 2))
    assert np.array_equal(ahead[:, :20], back[:, :20]) and ahead.std() > 0.0


def test_labels_name_what_the_pixels_show_and_are_made_on_request_only() -> None:
    state = world(40, heading_rad=0.0)
    labeled = SensorSuite(street(), RIG, SUNNY, 1, with_labels=True).render(state)
    plain = SensorSuite(street(), RIG, SUNNY, 1).render(state)
    assert not plain.labels
    image, label = labeled.images["rgb_front"], labeled.labels["rgb_front"]
    assert np.array_equal(image, plain.images["rgb_front"])
    assert label.shape == image.shape[:2] and label.dtype == np.uint8
    front = next(camera for camera in RIG.cameras if camera.name == "rgb_front")
    assert label[-1, front.width // 2] == ViewClass.ROAD and label[0, 0] == ViewClass.REST
    row = int(front.cy - front.fy * (5.0 - front.z_m) / (25.0 - front.x_m))
    assert label[row, front.width // 2] == ViewClass.LAMP
    assert {ViewClass.VEHICLE, ViewClass.PERSON} <= set(np.unique(np.concatenate([*labeled.labels.values()], axis=1)))
