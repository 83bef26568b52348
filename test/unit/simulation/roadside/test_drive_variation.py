"""A varied drive: parked vehicles are labeled and off the lanes, things stand next to the road, the ground is not flat."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("embreex")

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.geometry import box_corners
from transdiffuser_planner.core.rig import LidarMount, Rig
from transdiffuser_planner.core.view_semantics import ViewClass
from transdiffuser_planner.data.logs.map_elements import PieceKind
from transdiffuser_planner.params import RECIPES, RIGS
from transdiffuser_planner.simulation.map.road_elements import Lane, LaneKind
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.roadside.parking import FIRST_PARKED_ID, PARKING_M
from transdiffuser_planner.simulation.roadside.street_sides import FreeSpace
from transdiffuser_planner.simulation.scenario import Scenario, Weather
from transdiffuser_planner.simulation.sensors.body_attitude import BodyAttitude
from transdiffuser_planner.simulation.sensors.camera_effects import CameraEffects
from transdiffuser_planner.simulation.sensors.lidar import LidarModel, LidarScanner
from transdiffuser_planner.simulation.sensors.mesh import MeshBuilder
from transdiffuser_planner.simulation.sensors.own_body import OwnBody
from transdiffuser_planner.simulation.sensors.ray_scene import RayScene
from transdiffuser_planner.simulation.sensors.sensor_suite import SensorSuite
from transdiffuser_planner.simulation.variation.drive_variation import DriveVariation, draw_variation
from transdiffuser_planner.simulation.variation.recipe import RecordingRecipe
from transdiffuser_planner.simulation.world_state import EgoPose, WorldState

SCENARIO = Scenario(map_name="street", seed=3)
PLAIN_MEANS, PLAIN_POINTS = (179.68170, 177.39780, 176.63950), 20601
PLAIN_CLOUD = (7.33074, 7.39800, 1.88420, 0.33654)
TRACK = [EgoPose(x_m=x, y_m=-1.6, heading_rad=0.0, speed_mps=8.0) for x in np.arange(10.0, 90.0, 0.8)]


def lane(name: str, kind: LaneKind, y: float, width: float, *, back: bool = False) -> Lane:
    ends = np.asarray([[0.0, y], [120.0, y]])
    return Lane(
        lane_id=name, kind=kind, center_N2=ends[::-1] if back else ends, width_m=width, internal=False,
        has_left_neighbor=False, has_signal=False, at_right_edge=name.endswith(("_0", "_1")),
    )  # fmt: skip


STREET = RoadMap(
    name="street",
    lanes=(
        lane("a_0", LaneKind.SIDEWALK, -4.3, 2.2),
        lane("a_1", LaneKind.DRIVING, -1.6, 3.2),
        lane("b_0", LaneKind.SIDEWALK, 4.3, 2.2, back=True),
        lane("b_1", LaneKind.DRIVING, 1.6, 3.2, back=True),
    ),
    junctions=(), walking_areas=(), stop_lines=(), heads=(), buildings=(),
)  # fmt: skip


def people(y_m: float) -> AgentStates:
    some = AgentStates.empty("map")
    values = {name: np.zeros(1, dtype=getattr(some, name).dtype) for name in AgentStates.__slots__[1:]}
    values |= {"x_m_N": np.asarray([60.0]), "y_m_N": np.asarray([y_m]), "height_m_N": np.asarray([1.7])}
    values |= {"length_m_N": np.asarray([0.5]), "width_m_N": np.asarray([0.5])}
    return AgentStates(frame_id="map", **values | {"class_N": np.asarray([int(AgentClass.PEDESTRIAN)], dtype=np.int8)})


def recipe(**changes: dict[str, tuple[float, float]]) -> RecordingRecipe:
    shipped = RecordingRecipe.load(RECIPES / "recording.yaml")
    present = {"lidar": {"absent": (0.0, 0.0)}, "cameras": {"none": (0.0, 0.0), "missing": (0.0, 0.0)}}
    ranges = {
        name: {**table, **present.get(name, {}), **changes.get(name, {})} for name, table in shipped.ranges.items()
    }
    return replace(shipped, ranges=ranges)


PARKED = recipe(roadside={"parking": (1.0, 1.0), "occupancy": (1.0, 1.0)})


@pytest.fixture(scope="module")
def drive() -> DriveVariation:
    return draw_variation(PARKED, SCENARIO, 0, STREET, TRACK)


def state(agents: AgentStates) -> WorldState:
    return WorldState(stamp_ns=5, ego=TRACK[50], agents=agents)


def test_parked_vehicles_are_labeled_and_stand_beside_the_lanes(drive: DriveVariation) -> None:
    parked = drive.parked
    assert len(parked) > 8
    corners = box_corners(parked.x_m_N, parked.y_m_N, parked.heading_rad_N, parked.length_m_N, parked.width_m_N)
    free = FreeSpace(STREET, np.asarray([[0.0, 0.0], [120.0, 0.0]]))
    assert free.to_lanes(corners.reshape(-1, 2)).min() > 0.0
    seen = drive.world(state(AgentStates.empty("map"))).agents
    assert len(seen) and (seen.id_N >= FIRST_PARKED_ID).all() and (seen.speed_mps_N == 0.0).all()
    assert len(drive.moving(state(AgentStates.empty("map"))).agents) == 0


def test_parking_lanes_are_road_and_people_walk_beside_them(drive: DriveVariation) -> None:
    before = [xy for kind, xy in STREET.map_polygons() if kind == PieceKind.DRIVING_LANE]
    after = [xy for kind, xy in drive.road_map.map_polygons() if kind == PieceKind.DRIVING_LANE]
    assert len(after) == len(before) + 2
    agents = drive.world(state(people(-4.3))).agents
    assert agents.y_m_N[0] == pytest.approx(-4.3 - PARKING_M, abs=0.05)
    assert drive.world(state(people(-1.0))).agents.y_m_N[0] == -1.0


def test_pictures_label_parked_vehicles_and_parking_lanes(drive: DriveVariation) -> None:
    classes = np.concatenate([mesh.class_F for mesh in drive.look.objects])
    assert {ViewClass.VEHICLE, ViewClass.ROAD, ViewClass.REST} <= set(classes.tolist())
    strip = drive.look.objects[0]
    assert (strip.class_F == int(ViewClass.ROAD)).all()


def test_a_drive_is_drawn_the_same_again_and_another_variant_differs(drive: DriveVariation) -> None:
    again, other = (draw_variation(PARKED, SCENARIO, variant, STREET, TRACK) for variant in (0, 1))
    assert again.rig == drive.rig and again.look.lidar == drive.look.lidar
    assert np.array_equal(again.parked.x_m_N, drive.parked.x_m_N)
    images, cloud = (suite_of(found).render(state(people(-4.3))) for found in (drive, again)), drive.look.lidar
    first, second = images
    assert np.array_equal(first.lidar_N4, second.lidar_N4)
    assert all(np.array_equal(first.images[name], second.images[name]) for name in first.images)
    assert other.look.lidar != cloud


def suite_of(found: DriveVariation) -> SensorSuite:
    return SensorSuite(found.road_map, found.true_rig, Weather(), 1, found.look)


def test_the_plain_world_is_as_it_was_before_there_were_recipes() -> None:
    """Bit-identical on one machine (digest 2de67a529d2f5f73); elsewhere single pixels at edges may differ."""
    suite = SensorSuite(STREET, Rig.load(RIGS / "carla.yaml"), Weather(), 1)
    frame = suite.render(state(people(-4.3)))
    means = [frame.images[name].astype(np.float64).mean() for name in ("rgb_left", "rgb_front", "rgb_right")]
    assert means == pytest.approx(PLAIN_MEANS, abs=0.005)
    assert frame.lidar_N4 is not None and abs(len(frame.lidar_N4) - PLAIN_POINTS) <= 2
    assert np.abs(frame.lidar_N4).astype(np.float64).mean(axis=0) == pytest.approx(PLAIN_CLOUD, abs=2e-3)


def test_the_ground_rises_with_its_hills_and_the_vehicle_with_it() -> None:
    hills = recipe(ground={"hills_m": (1.8, 1.8), "hill_length_m": (80.0, 80.0), "bank": (0.0, 0.0)})
    found = draw_variation(hills, SCENARIO, 0, STREET, TRACK)
    terrain, mesh = found.look.terrain, found.look.world_mesh(found.road_map).mesh
    body = terrain.attitude(40.0, -1.6, 0.0)
    ahead, here = terrain.heights(np.asarray([[42.0, -1.6], [40.0, -1.6]]))
    assert body.z_m == pytest.approx(here) and body.pitch_rad == pytest.approx(-np.arctan2(ahead - here, 2.0))
    place = np.column_stack([np.linspace(15.0, 85.0, 50), np.full(50, -1.6), np.full(50, 20.0)]).astype(np.float32)
    down = np.tile(np.asarray([[0.0, 0.0, -1.0]], dtype=np.float32), (50, 1))
    height = 20.0 - RayScene([mesh]).cast(place, down).distance_R
    assert np.abs(height - terrain.heights(place[:, :2].astype(np.float64))).max() < 0.06


def wall() -> RayScene:
    """A floor, and a wall 10 m ahead."""
    builder = MeshBuilder()
    builder.quad(np.asarray([[-50, -50, 0], [50, -50, 0], [50, 50, 0], [-50, 50, 0]]), (0.3, 0.3, 0.3))
    builder.quad(np.asarray([[10, -50, 0], [10, 50, 0], [10, 50, 9], [10, -50, 9]]), (0.3, 0.3, 0.3))
    return RayScene([builder.build()])


def sweep(model: LidarModel, motion: tuple[float, float] = (0.0, 0.0), body: BodyAttitude | None = None) -> np.ndarray:
    scanner = LidarScanner(LidarMount(z_m=1.9), Weather(), model)
    random = np.random.default_rng(0)
    return scanner.scan(wall(), None, (0.0, 0.0, 0.0), random, body or BodyAttitude(), motion)


STILL = LidarModel(noise_m=0.0, dropout=0.0, elevations_rad=(-0.01,))


@pytest.mark.parametrize(("first_s", "shift_m"), [(0.0, -0.5), (-0.05, 0.0), (-0.1, 0.5)])
def test_a_sweep_moves_with_the_vehicle_from_its_stamp_on(first_s: float, shift_m: float) -> None:
    """At 10 m/s the column ahead, in the middle of 0.1 s, sees the wall half a meter nearer than at the sweep's start."""
    points = sweep(replace(STILL, sweep_s=0.1, first_column_s=first_s), (10.0, 0.0))
    ahead = points[np.abs(np.arctan2(points[:, 1], points[:, 0])) < 0.01]
    assert ahead[:, 0].mean() == pytest.approx(10.0 + shift_m, abs=0.02)


def test_a_tilted_body_sees_the_ground_nearer() -> None:
    level, nose_down = (
        sweep(replace(STILL, elevations_rad=(-0.2,))),
        sweep(replace(STILL, elevations_rad=(-0.2,)), body=BodyAttitude(pitch_rad=0.05)),
    )
    ahead = [points[np.abs(np.arctan2(points[:, 1], points[:, 0])) < 0.01, 0].mean() for points in (level, nose_down)]
    assert ahead[0] == pytest.approx(1.9 / np.tan(0.2), rel=0.01)
    assert ahead[1] == pytest.approx(1.9 / np.tan(0.25) * np.cos(0.2) / np.cos(0.25), rel=0.03)


def test_the_own_body_returns_points_and_hides_the_ground() -> None:
    rig = Rig.load(RIGS / "carla.yaml")
    model = replace(STILL, elevations_rad=(-0.4,), body=OwnBody.of(rig.vehicle, 1.9))
    points, ahead = sweep(model), rig.vehicle.front_offset_m
    on_hood = (np.abs(points[:, 1]) < 0.5) & (points[:, 0] > 0.0)
    assert on_hood.any() and (points[on_hood, 0] < ahead).all() and (points[on_hood, 2] > -1.9 + 0.3).all()


def test_blocked_sectors_return_nothing() -> None:
    points = sweep(replace(STILL, elevations_rad=(-0.2,), blocked_rad=(1.0, 1.4)))
    azimuth = np.arctan2(points[:, 1], points[:, 0])
    assert not ((azimuth > 1.001) & (azimuth < 1.399)).any() and ((azimuth > 0.9) & (azimuth < 1.0)).any()


def test_camera_effects_do_what_they_say() -> None:
    image = np.full((40, 60, 3), 100, dtype=np.uint8)
    random = np.random.default_rng(0)
    assert np.array_equal(CameraEffects().applied(image, random), image)
    assert CameraEffects(exposure=2.0).applied(image, random).mean() == pytest.approx(100 * np.sqrt(2.0), abs=1)
    assert CameraEffects(noise=0.05).applied(image, random).std() == pytest.approx(12.75, rel=0.1)
    corner = CameraEffects(vignette=0.5).applied(image, random)
    assert corner[0, 0].mean() < corner[20, 30].mean() == 100
