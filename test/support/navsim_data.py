"""Hand-made data in the layout of NAVSIM: one log of OpenScene with images and point clouds, and maps of nuPlan's four cities.

A straight road of two lanes with a junction at 150 m; the vehicle drives at 8 m/s, 25 m behind another. Images and clouds are
small; `python test/support/navsim_data.py FOLDER` writes them in the size of nuPlan's, for measurements.
"""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gpkg_file import write_gpkg
from PIL import Image

from transdiffuser_planner.data.logs.poses import rotations

PLACES = ("sg-one-north", "us-ma-boston", "us-nv-las-vegas-strip", "us-pa-pittsburgh-hazelwood")
PLACE, LOG, SPLIT, ZONE = PLACES[2], "2021.05.12.22.00.38_veh-35_01008_01518", "mini", 11
ORIGIN = np.asarray([664_430.0, 3_996_650.0, 607.0])
SPEED_MPS, GAP_M, NUM_FRAMES = 8.0, 25.0, 40
LENS = np.asarray([-0.35, 0.17, -0.002, 0.0005, -0.05])
YAWS_DEG = {"F0": 0, "L0": 55, "L1": 110, "L2": 150, "R0": -55, "R1": -110, "R2": -150, "B0": 180}
BEGIN_US = 1_620_857_890_000_000


@dataclass(frozen=True)
class Size:
    """Of images, and how often each point of a cloud is repeated."""

    width: int = 480
    height: int = 270
    focal: float = 386.0
    repeats: int = 1


SMALL, FULL = Size(), Size(width=1920, height=1080, focal=1544.0, repeats=130)


def token_of(frame: int) -> str:
    return f"{0xA0000000 + frame:016x}"


def write_navsim(root: Path, num_frames: int = NUM_FRAMES, *, with_maps: bool = True, size: Size = SMALL) -> Path:
    """Write maps, log and sensors below a folder; returns the log's file."""
    if with_maps:
        write_maps(root / "maps")
    blobs, logs = root / "sensor_blobs" / SPLIT, root / "navsim_logs" / SPLIT
    logs.mkdir(parents=True)
    frames = [frame_of(number, blobs, size) for number in range(num_frames)]
    path = logs / f"{LOG}.pkl"
    path.write_bytes(pickle.dumps(frames, protocol=pickle.HIGHEST_PROTOCOL))
    return path


def frame_of(number: int, blobs: Path, size: Size = SMALL) -> dict[str, Any]:
    """One frame as OpenScene writes it; its sensor files are written too."""
    rng = np.random.default_rng(number)
    along_m = 10.0 + SPEED_MPS * 0.5 * number
    turn = heading(number)
    translation = ORIGIN + np.asarray([along_m, -1.75, 0.0])
    rotation = _product(_product(_turn(1, 0.01), _turn(2, -0.02)), _turn(3, turn))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotations(rotation[None])[0], translation
    places = np.asarray([[GAP_M, 0.0, 0.4], [12.0, 5.5, 0.4], [8.0, -4.5, 0.1]]) @ pose[:3, :3]
    sizes = np.asarray([[4.6, 1.9, 1.6], [0.7, 0.6, 1.7], [0.4, 0.4, 0.8]])
    boxes = np.column_stack([places, sizes, np.asarray([0.0, 1.5, 0.0]) - turn])
    velocity = np.asarray([[SPEED_MPS, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.0]]) @ pose[:3, :3]
    tracks = [f"{0xB0000000 + index:016x}" for index in range(3)]
    return {
        "token": token_of(number),
        "frame_idx": number,
        "timestamp": BEGIN_US + 500_000 * number + int(rng.integers(-900, 900)),
        "log_name": LOG,
        "log_token": "c0ffee0000000000",
        "scene_name": "log-0001-scene-0001",
        "scene_token": "5ce0e00000000001",
        "map_location": PLACE,
        "roadblock_ids": ["10", "20", "11"],
        "vehicle_name": "veh-35",
        "can_bus": np.concatenate([translation, rotation, np.zeros(11)]),
        "lidar_path": _cloud(number, blobs, rng, size.repeats),
        "lidar2ego_translation": np.zeros(3),
        "lidar2ego_rotation": [1.0, 0.0, 0.0, 0.0],
        "ego2global_translation": translation,
        "ego2global_rotation": rotation,
        "ego_dynamic_state": [SPEED_MPS, 0.02 * number, 0.1, -0.05 * (number % 3)],
        "traffic_lights": [(2001, False), (2002, False)],
        "driving_command": np.eye(4, dtype=int)[1],
        "cams": {f"CAM_{name}": _camera(name, number, blobs, rng, size) for name in YAWS_DEG},
        "sample_prev": token_of(number - 1) if number else None,
        "sample_next": token_of(number + 1),
        "ego2global": pose,
        "lidar2ego": np.eye(4),
        "lidar2global": pose,
        "anns": {
            "gt_boxes": boxes,
            "gt_names": np.asarray(["vehicle", "pedestrian", "traffic_cone"]),
            "gt_velocity_3d": velocity,
            "instance_tokens": [f"{token}{number}" for token in tracks],
            "track_tokens": tracks,
        },
    }


def _turn(axis: int, angle: float) -> np.ndarray:
    """Quaternion of a turn about x (1), y (2) or z (3)."""
    found = np.zeros(4)
    found[0], found[axis] = np.cos(angle / 2.0), np.sin(angle / 2.0)
    return found


def _product(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    w, x, y, z = one
    return np.asarray([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]]) @ other


def heading(number: int) -> float:
    """Heading of the vehicle in a frame as the devkit computes it."""
    return float(0.01 * np.sin(0.3 * number))


def _camera(name: str, number: int, blobs: Path, rng: np.random.Generator, size: Size) -> dict[str, Any]:
    ahead = name in ("F0", "L0", "R0")
    relative = f"{LOG}/CAM_{name}/{token_of(number if ahead else 0)}.jpg"
    path = blobs / relative
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        rgb = np.full((18, 32, 3), (150, 180, 220), dtype=np.int64)
        rgb[9:] = 105
        rgb += rng.integers(-20, 20, rgb.shape)
        coarse = Image.fromarray(rgb.astype(np.uint8))
        coarse.resize((size.width, size.height), Image.Resampling.BICUBIC).save(path, quality=80)
    yaw = np.deg2rad(YAWS_DEG[name])
    cos, sin = np.cos(yaw), np.sin(yaw)
    return {
        "data_path": relative,
        "sensor2lidar_rotation": np.asarray([[sin, 0.0, cos], [-cos, 0.0, sin], [0.0, -1.0, 0.0]]),
        "sensor2lidar_translation": np.asarray([1.6 * cos, 0.6 * sin, 1.45]),
        "cam_intrinsic": np.asarray(
            [[size.focal, 0.0, size.width / 2], [0.0, size.focal, size.height / 2], [0.0, 0.0, 1.0]]
        ),
        "distortion": LENS,
    }


def _cloud(number: int, blobs: Path, rng: np.random.Generator, repeats: int) -> str:
    """A binary PCD file: ground, walls on both sides, the vehicle ahead, and a point that is none."""
    ground = np.column_stack([rng.uniform(-30, 30, 1500), rng.uniform(-12, 12, 1500), np.full(1500, -0.43)])
    walls = np.column_stack([rng.uniform(-30, 30, 400), rng.choice([-9.0, 9.0], 400), rng.uniform(0.0, 2.0, 400)])
    ahead = np.column_stack([np.full(60, 22.8), rng.uniform(-0.9, 0.9, 60), rng.uniform(0.0, 1.0, 60)])
    xyz = np.repeat(np.concatenate([ground, walls, ahead, [[np.nan, 0.0, 0.0]]]), repeats, axis=0)
    kinds = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("intensity", "u1"), ("ring", "u1"), ("lidar_info", "u1")]
    rows = np.zeros(len(xyz), dtype=kinds)
    rows["x"], rows["y"], rows["z"] = xyz.astype(np.float32).T
    rows["intensity"] = 40
    head = (
        "# .PCD v.7 - Point Cloud Data file format\nVERSION .7\nFIELDS x y z intensity ring lidar_info\n"
        "SIZE 4 4 4 1 1 1\nTYPE F F F U U U\nCOUNT 1 1 1 1 1 1\n"
        f"WIDTH {len(rows)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(rows)}\nDATA binary\n"
    )
    relative = f"{LOG}/MergedPointCloud/{token_of(number)}.pcd"
    path = blobs / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head.encode() + rows.tobytes())
    return relative


def write_maps(root: Path) -> None:
    """Write the four maps: all the same road, at the place of the log."""
    root.mkdir(parents=True)
    index = ", ".join(f'"{place}": {{"version": "9.9.9"}}' for place in PLACES)
    (root / "nuplan-maps-v1.0.json").write_text("{" + index + "}")
    for place in PLACES:
        folder = root / place / "9.9.9"
        folder.mkdir(parents=True)
        write_gpkg(folder / "map.gpkg", _layers(), f"EPSG:{32600 + ZONE}", ZONE)


def _layers() -> dict[str, list[tuple[int, str, Any, dict[str, Any]]]]:
    """Layer -> rows of number, kind of geometry, points in UTM and columns."""
    parts = {10: (-60.0, 150.0), 20: (150.0, 180.0), 11: (180.0, 400.0)}
    lane_numbers = {10: (1001, 1002), 20: (2001, 2002), 11: (1003, 1004)}
    layers: dict[str, list[Any]] = {name: [] for name in _NAMES}
    for index, (group, (begin, end)) in enumerate(parts.items()):
        lines = {side: 100 + 10 * index + side for side in range(3)}
        for side, number in lines.items():
            line = _line(begin, end, 3.5 - 3.5 * side)
            layers["boundaries"].append((number, "LINESTRING", line, {"boundary_type_fid": 2}))
        whole = _box(begin, end, -3.5, 3.5)
        sides = {"left_boundary_fid": lines[0], "right_boundary_fid": lines[2]}
        is_connector = group == 20
        if is_connector:
            columns = {"from_lane_group_fid": 10, "to_lane_group_fid": 11, "intersection_fid": 30, **sides}
            layers["lane_group_connectors"].append((group, "POLYGON", whole, columns))
            layers["intersections"].append((30, "POLYGON", whole, {"intersection_type_fid": 2}))
        else:
            columns = {"from_edge_fid": 1, "to_edge_fid": 1, **sides}
            layers["lane_groups_polygons"].append((group, "POLYGON", whole, columns))
        for side, lane in enumerate(lane_numbers[group]):
            top = 3.5 - 3.5 * side
            area, middle = _box(begin, end, top - 3.5, top), _line(begin, end, top - 1.75)
            sides = {"left_boundary_fid": lines[side], "right_boundary_fid": lines[side + 1]}
            if is_connector:
                ends = {"exit_lane_fid": lane_numbers[10][side], "entry_lane_fid": lane_numbers[11][side]}
                stops = {"speed_limit_mps": 13.4, "traffic_light_stop_line_fids": "40", "lane_group_connector_fid": 20}
                layers["lane_connectors"].append((lane, "LINESTRING", middle, {**ends, **stops}))
                columns = {"lane_connector_fid": lane, **sides}
                layers["gen_lane_connectors_scaled_width_polygons"].append((lane, "POLYGON", area, columns))
            else:
                columns = {"lane_fid": lane, "lane_group_fid": group, "lane_index": side, "speed_limit_mps": 13.4}
                layers["lanes_polygons"].append((lane, "POLYGON", area, {**columns, **sides}))
            of = {"lane_fid": None, "lane_connector_fid": None}
            of["lane_connector_fid" if is_connector else "lane_fid"] = float(lane)
            layers["baseline_paths"].append((lane, "LINESTRING", middle, of))
    layers["stop_polygons"] = [(40, "POLYGON", _box(148.0, 150.0, -3.5, 3.5), {"stop_polygon_type_fid": 3})]
    layers["crosswalks"] = [(50, "POLYGON", _box(151.0, 154.0, -3.5, 3.5), {"intersection_fids": "30"})]
    for number, name in enumerate(("walkways", "carpark_areas", "road_segments", "generic_drivable_areas")):
        low = {"walkways": -6.0, "carpark_areas": -40.0}.get(name, -3.5)
        layers[name] = [(60 + number, "POLYGON", _box(-60.0, 400.0, low, low + 2.5), {"heading": 0.0})]
    layers["road_segments"] = [(70, "POLYGON", _box(-60.0, 400.0, -3.5, 3.5), {"heading": 0.0})]
    return layers


_NAMES = (
    "boundaries",
    "lane_group_connectors",
    "intersections",
    "lane_groups_polygons",
    "lane_connectors",
    "gen_lane_connectors_scaled_width_polygons",
    "lanes_polygons",
    "baseline_paths",
)


def _line(begin: float, end: float, y: float) -> np.ndarray:
    x = np.linspace(begin, end, max(2, round((end - begin) / 5.0) + 1))
    return np.column_stack([x, np.full(len(x), y)]) + ORIGIN[:2]


def _box(begin: float, end: float, low: float, high: float) -> np.ndarray:
    upper, lower = _line(begin, end, high), _line(begin, end, low)
    return np.concatenate([upper, lower[::-1], upper[:1]])


if __name__ == "__main__":
    print(write_navsim(Path(sys.argv[1]), size=FULL))
