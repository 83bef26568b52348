"""Draws of one drive: rig, LiDAR, cameras, ground, things next to the road; the same for the same scenario, variant and recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.core.view_semantics import ViewClass
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.roadside.clutter import Clutter, ClutterDensity, clear_of_buildings
from transdiffuser_planner.simulation.roadside.parking import (
    PARKING_M,
    ParkingRoadMap,
    ParkingRows,
    Sidesteps,
    add_parking_lanes,
    clear_of_track,
)
from transdiffuser_planner.simulation.roadside.street_sides import FreeSpace, street_sides
from transdiffuser_planner.simulation.scenario import Scenario, random_generator
from transdiffuser_planner.simulation.sensors.camera_effects import CameraEffects
from transdiffuser_planner.simulation.sensors.drive_look import DriveLook, EffectsByCamera
from transdiffuser_planner.simulation.sensors.lidar import LidarModel
from transdiffuser_planner.simulation.sensors.mesh import Mesh, MeshBuilder
from transdiffuser_planner.simulation.sensors.own_body import OwnBody
from transdiffuser_planner.simulation.sensors.terrain import Terrain, TerrainShape
from transdiffuser_planner.simulation.sensors.vehicle_shapes import varied_meshes
from transdiffuser_planner.simulation.variation.beams import elevations_rad
from transdiffuser_planner.simulation.variation.recipe import RecordingRecipe
from transdiffuser_planner.simulation.variation.rigs import draw_rig
from transdiffuser_planner.simulation.world_state import EgoPose, WorldState

FloatArray = NDArray[np.float64]

SWEEP_S = 0.1
LABELED_M = 80.0
PARKING_COLOR = (0.20, 0.20, 0.215)
BEAMS_OF_RIG = {"kitti": "hdl64", "nuscenes": "hdl32", "argoverse2": "two_vlp32", "carla": "uniform"}
_FIRST_COLUMN_S = {"start": 0.0, "middle": -0.5 * SWEEP_S, "end": -SWEEP_S}


@dataclass(frozen=True, kw_only=True, slots=True)
class DriveVariation:
    """What one drive has drawn.

    Attributes:
        rig: As its rig file states it.
        true_rig: As it is; mounts differ by the errors of calibration.
        rig_name: Of the data set that it comes from.
        road_map: With parking lanes.
        parked: Vehicles that stand, map frame.
        look: Of the sensors.
        steps: Displacement of people.
        size_factors: Lowest and highest factor of the size of agents.
    """

    rig: Rig
    true_rig: Rig
    rig_name: str
    road_map: ParkingRoadMap
    parked: AgentStates
    look: DriveLook
    steps: Sidesteps
    size_factors: tuple[float, float]

    def world(self, world: WorldState) -> WorldState:
        """Return a state with this drive's sizes of agents, people next to parking lanes, and parked vehicles in reach.

        Args:
            world: As simulated.
        """
        agents = self.steps.moved(_resized(world.agents, self.size_factors))
        away = np.hypot(self.parked.x_m_N - world.ego.x_m, self.parked.y_m_N - world.ego.y_m)
        return replace(world, agents=_joined(agents, self.parked.select(away < LABELED_M)))

    def moving(self, world: WorldState) -> WorldState:
        """Return a state of ``world`` without the parked vehicles, which the static scene holds.

        Args:
            world: As simulated.
        """
        return replace(world, agents=self.steps.moved(_resized(world.agents, self.size_factors)))


def draw_variation(
    recipe: RecordingRecipe, scenario: Scenario, variant: int, road_map: RoadMap, track: Sequence[EgoPose]
) -> DriveVariation:
    """Draw everything of one drive.

    Args:
        recipe: Ranges.
        scenario: Map and seed.
        variant: Of the drive.
        road_map: Static elements.
        track: Of the ego, which parked vehicles keep clear of.
    """
    random = random_generator(scenario, f"recording {variant}")
    rig, true_rig, rig_name = draw_rig(recipe, random)
    lidar = draw_lidar(recipe, true_rig, rig_name, random)
    common = draw_effects(recipe, random)
    effects = EffectsByCamera(by_name={camera.name: _alike(common, random) for camera in rig.cameras})
    track_K3 = np.asarray([(ego.x_m, ego.y_m, ego.heading_rad) for ego in track])
    changed, parked, steps, clutter = _roadside(recipe, random, road_map, track_K3, rig.vehicle)
    seed = int(random.integers(1 << 31))
    terrain = Terrain(_shape(recipe, random), changed, track_K3[::5, :2])
    objects = [terrain.draped(mesh) for mesh in (*_strips(changed), *clutter)]
    if len(parked):
        objects += varied_meshes(parked, terrain.heights(np.stack([parked.x_m_N, parked.y_m_N], axis=-1)))
    look = DriveLook(
        lidar=lidar,
        effects=effects,
        terrain=terrain,
        sidewalk_z_m=recipe.draw(random, "roadside", "curb_m"),
        objects=tuple(objects),
        color_spread=recipe.draw(random, "ground", "color"),
        pitch_rad=recipe.draw(random, "ground", "pitch_rad"),
        roll_rad=recipe.draw(random, "ground", "roll_rad"),
        seed=seed,
    )
    return DriveVariation(
        rig=rig, true_rig=true_rig, rig_name=rig_name, road_map=changed, parked=parked, look=look, steps=steps,
        size_factors=recipe.ranges["roadside"]["size_factor"],
    )  # fmt: skip


def draw_lidar(recipe: RecordingRecipe, rig: Rig, rig_name: str, random: np.random.Generator) -> LidarModel:
    """Draw a LiDAR; half of those of a data set's rig have its pattern of beams.

    Args:
        recipe: Ranges.
        rig: With its mount.
        rig_name: Of the data set.
        random: Of the drive.
    """

    def draw(name: str) -> float:
        return recipe.draw(random, "lidar", name)

    pattern, is_own = recipe.choose(random, "beams"), random.random() < 0.5
    elevations = elevations_rad(BEAMS_OF_RIG.get(rig_name, pattern) if is_own else pattern, random)
    alive = random.random(len(elevations)) >= draw("dead_beams")
    elevations = elevations[alive] if alive.any() else elevations
    columns = min(int(draw("azimuths")), int(draw("max_rays") / len(elevations)))
    sector = draw("blocked_sector_rad") if random.random() < 0.3 else 0.0
    first = float(random.uniform(-np.pi, np.pi - sector))
    is_raw = recipe.hit(random, "lidar", "distortion")
    has_body = recipe.hit(random, "lidar", "own_returns") and rig.lidar is not None
    return LidarModel(
        num_azimuths=columns,
        elevations_rad=tuple(elevations.tolist()),
        range_m=draw("range_m"),
        noise_m=draw("noise_m"),
        dropout=draw("dropout"),
        grazing_dropout=draw("grazing_dropout"),
        ground_noise_m=draw("ground_noise_m"),
        blocked_rad=(first, first + sector),
        sweep_s=SWEEP_S if is_raw else 0.0,
        first_column_s=_FIRST_COLUMN_S[recipe.choose(random, "stamp")] if is_raw else 0.0,
        body=OwnBody.of(rig.vehicle, rig.lidar.z_m) if has_body and rig.lidar is not None else None,
    )


def _alike(common: CameraEffects, random: np.random.Generator) -> CameraEffects:
    """Return the effects of one camera of a rig: nearly those of the others; flare is its own."""
    near = np.exp(random.normal(0.0, 0.06, 3))
    return replace(
        common,
        exposure=common.exposure * float(near[0]),
        gamma=common.gamma * float(near[1]),
        blur_px=common.blur_px * float(near[2]),
        flare=common.flare * float(random.random() < 0.5),
        flare_at=(float(random.uniform(0.0, 1.0)), float(random.uniform(-0.3, 0.4))),
    )


def draw_effects(recipe: RecordingRecipe, random: np.random.Generator) -> CameraEffects:
    """Draw the effects that the cameras of a rig have in common.

    Args:
        recipe: Ranges.
        random: Of the drive.
    """

    def draw(name: str) -> float:
        return recipe.draw(random, "cameras", name)

    return CameraEffects(
        exposure=draw("exposure"),
        gamma=draw("gamma"),
        white_balance=(draw("white_balance"), draw("white_balance"), draw("white_balance")),
        saturation=draw("saturation"),
        blur_px=draw("blur_px"),
        noise=draw("noise"),
        flare=draw("flare"),
        vignette=draw("vignette"),
        jpeg_quality=round(draw("jpeg_quality")),
    )


def _shape(recipe: RecordingRecipe, random: np.random.Generator) -> TerrainShape:
    def draw(name: str) -> float:
        return recipe.draw(random, "ground", name)

    return TerrainShape(
        hills_m=draw("hills_m"),
        hill_length_m=draw("hill_length_m"),
        bank_left=draw("bank"),
        bank_right=draw("bank"),
        roughness_m=draw("roughness_m"),
        seed=int(random.integers(1 << 31)),
    )


def _roadside(
    recipe: RecordingRecipe, random: np.random.Generator, road_map: RoadMap, track_K3: FloatArray, vehicle: VehicleModel
) -> tuple[ParkingRoadMap, AgentStates, Sidesteps, list[Mesh]]:
    """Draw parking lanes, parked vehicles and clutter."""
    path = track_K3[::5, :2]
    sides = street_sides(road_map)
    share = recipe.draw(random, "roadside", "parking")
    chosen = [side for side in sides if random.random() < share]
    lots = add_parking_lanes(road_map, chosen, FreeSpace(road_map, path))
    free = FreeSpace(lots.road_map, path)
    rows = ParkingRows(free, clear_of_buildings(road_map), random, recipe.draw(random, "roadside", "occupancy"))
    with_lane = {side.edge for side in lots.sides}
    share = recipe.draw(random, "roadside", "beyond")
    for side in sides:
        if side.edge in with_lane:
            rows.along(side)
        elif random.random() < share:
            rows.beyond(side)
    ahead = (-vehicle.rear_overhang_m, vehicle.front_offset_m)
    parked = clear_of_track(rows.agents(), track_K3, vehicle.width_m / 2.0, ahead)
    density = ClutterDensity(**{name: recipe.draw(random, "roadside", name) for name in ClutterDensity.__slots__})
    clutter = Clutter(free, parked, density, random)
    for side in sides:
        curb = PARKING_M if side.edge in with_lane else 0.0
        clutter.add_along(side, curb + side.width_m, curb)
    meshes = [clutter.builder.build()] if clutter.builder.count else []
    return lots.road_map, parked, lots.steps, meshes


def _strips(road_map: ParkingRoadMap) -> list[Mesh]:
    """Return the surface of the parking lanes."""
    builder = MeshBuilder()
    for polygon in road_map.parking:
        half = len(polygon) // 2
        with builder.of_class(ViewClass.ROAD):
            builder.strip(polygon[:half], polygon[half:][::-1], 0.0, PARKING_COLOR)
    return [builder.build()] if builder.count else []


def _resized(agents: AgentStates, factors: tuple[float, float]) -> AgentStates:
    """Give every agent a size of its own, by its number; the same in every step."""
    low, high = factors
    mixed = agents.id_N.astype(np.uint64)[:, None] * np.asarray([2654435761, 2246822519, 3266489917], dtype=np.uint64)
    factor = low + (high - low) * ((mixed >> np.uint64(9)) % np.uint64(1024)).astype(np.float64) / 1023.0
    return replace(
        agents,
        length_m_N=agents.length_m_N * factor[:, 0],
        width_m_N=agents.width_m_N * np.minimum(factor[:, 1], 1.05),
        height_m_N=agents.height_m_N * factor[:, 2],
    )


def _joined(first: AgentStates, second: AgentStates) -> AgentStates:
    names = [name for name in AgentStates.__slots__ if name != "frame_id"]
    parts = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names}
    return AgentStates(frame_id=first.frame_id, **parts)
