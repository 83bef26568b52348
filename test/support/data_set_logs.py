"""Small logs in the layouts of data sets: one straight drive at 5 m/s, written by hand. Argoverse 2 and py123d need pyarrow.

The vehicle starts at (1000.25, 2000.5) and drives along the direction YAW. A car keeps 20 m ahead, a person stands on the left.
"""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path

import numpy as np
from PIL import Image

YAW, SPEED_MPS, DURATION_S = 0.3, 5.0, 6.0
START = np.asarray([1000.25, 2000.5, 40.0])
BEGIN_NS = 315_966_000_000_000_000
FORWARD = np.asarray([np.cos(YAW), np.sin(YAW)])
LEFT = np.asarray([-np.sin(YAW), np.cos(YAW)])
QUATERNION = np.asarray([np.cos(YAW / 2.0), 0.0, 0.0, np.sin(YAW / 2.0)])
OPTICAL_WXYZ = (0.5, -0.5, 0.5, -0.5)
"""Camera that looks ahead: x right, y down, z forward, in a frame with x forward, y left, z up."""


def position(time_s: float) -> np.ndarray:
    """Position of the vehicle in the frame of the data set."""
    return START + SPEED_MPS * time_s * np.append(FORWARD, 0.0)


def in_map(ahead_m, left_m) -> np.ndarray:
    """Point of the data set's frame by its place along and across the drive."""
    return START[:2] + np.multiply.outer(np.asarray(ahead_m), FORWARD) + np.multiply.outer(np.asarray(left_m), LEFT)


def jpeg(width: int = 64, height: int = 48) -> bytes:
    """A small image."""
    file = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), 90, dtype=np.uint8)).save(file, "JPEG")
    return file.getvalue()


def _feather(path: Path, columns: dict) -> None:
    import pyarrow
    import pyarrow.feather

    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.feather.write_feather(pyarrow.table(columns), path)


BOXES = (
    ("car", "REGULAR_VEHICLE", 20.0, 0.0, (4.5, 1.9, 1.5), True),
    ("person", "PEDESTRIAN", 15.0, 6.0, (0.6, 0.7, 1.7), False),
    ("bike", "BICYCLE", 10.0, -4.0, (1.8, 0.6, 1.2), False),
    ("rider", "BICYCLIST", 10.2, -4.0, (0.6, 0.6, 1.7), False),
    ("post", "BOLLARD", 12.0, 4.0, (0.3, 0.3, 1.0), False),
)
"""Track, category, meters ahead and to the left of the vehicle's first pose, size, whether it keeps ahead of the vehicle."""


def write_argoverse(folder: Path) -> Path:
    """Write a log of Argoverse 2: poses at 100 Hz, boxes at 10 Hz, one camera, two sweeps, calibration, map."""
    at_s = np.arange(0.0, DURATION_S + 1e-9, 0.01)
    place = np.stack([position(t) for t in at_s])
    names = ("qw", "qx", "qy", "qz")
    pose = {name: np.full(len(at_s), value) for name, value in zip(names, QUATERNION, strict=True)}
    stamps = BEGIN_NS + np.round(at_s * 1e9).astype(np.int64)
    pose |= {name: place[:, i] for i, name in enumerate(("tx_m", "ty_m", "tz_m"))}
    _feather(folder / "city_SE3_egovehicle.feather", {"timestamp_ns": stamps} | pose)
    rows = []
    for step in range(int(DURATION_S * 10) + 1):
        for track, category, ahead, left, size, is_moving in BOXES:
            ahead_m = ahead if is_moving else ahead - SPEED_MPS * step / 10
            rows.append(
                (BEGIN_NS + step * 100_000_000, track, category, *size, 1.0, 0.0, 0.0, 0.0, ahead_m, left, 0.4, 9)
            )
    columns = (
        "timestamp_ns",
        "track_uuid",
        "category",
        "length_m",
        "width_m",
        "height_m",
        *names,
        "tx_m",
        "ty_m",
        "tz_m",
    )
    _feather(
        folder / "annotations.feather", {n: [r[i] for r in rows] for i, n in enumerate((*columns, "num_interior_pts"))}
    )
    _feather(
        folder / "calibration" / "egovehicle_SE3_sensor.feather",
        {"sensor_name": ["ring_front_center", "up_lidar"]}
        | {name: [OPTICAL_WXYZ[i], float(i == 0)] for i, name in enumerate(names)}
        | {"tx_m": [1.6, 1.35], "ty_m": [0.0, 0.0], "tz_m": [1.4, 1.64]},
    )
    lens = {"fx_px": 60.0, "fy_px": 60.0, "cx_px": 32.0, "cy_px": 24.0, "k1": -0.2, "k2": 0.0, "k3": 0.0}
    size = {"height_px": 48, "width_px": 64}
    _feather(
        folder / "calibration" / "intrinsics.feather",
        {"sensor_name": ["ring_front_center"]} | {k: [v] for k, v in (lens | size).items()},
    )
    for step in (10, 11):
        stamp = BEGIN_NS + step * 100_000_000
        cloud = {"x": [10.0, 12.0], "y": [1.0, -1.0], "z": [-0.33, 1.0]}
        cloud = {name: np.asarray(values, dtype=np.float16) for name, values in cloud.items()}
        _feather(
            folder / "sensors" / "lidar" / f"{stamp}.feather", cloud | {"intensity": np.asarray([7, 9], dtype=np.uint8)}
        )
        image = folder / "sensors" / "cameras" / "ring_front_center" / f"{stamp}.jpg"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(jpeg())
    _write_argoverse_map(folder / "map" / "log_map_archive_hand____PIT_city_1.json")
    return folder


def _line(ahead, left) -> list:
    return [{"x": float(x), "y": float(y), "z": 0.0} for x, y in in_map(ahead, left)]


def _write_argoverse_map(path: Path) -> None:
    """Lane 1 leads into lane 2 of a junction and on into lane 3; lane 4 runs the other way; lane 5 is for bicycles."""

    def lane(number, left, right, **more):
        values = {"id": number, "is_intersection": False, "lane_type": "VEHICLE", "successors": [], "predecessors": []}
        return (
            values
            | {
                "left_lane_boundary": left,
                "right_lane_boundary": right,
                "left_neighbor_id": None,
                "right_neighbor_id": None,
            }
            | more
        )

    lanes = [
        lane(1, _line([-20, 40], [1.5, 1.5]), _line([-20, 40], [-1.5, -1.5]), successors=[2], left_neighbor_id=4),
        lane(2, _line([40, 60], [1.5, 1.5]), _line([40, 60], [-1.5, -1.5]), successors=[3, 99], is_intersection=True),
        lane(3, _line([60, 220], [1.5, 1.5]), _line([60, 220], [-1.5, -1.5])),
        lane(4, _line([40, -20], [1.5, 1.5]), _line([40, -20], [4.5, 4.5])),
        lane(5, _line([-20, 40], [-1.5, -1.5]), _line([-20, 40], [-3.0, -3.0]), lane_type="BIKE"),
    ]
    content = {
        "lane_segments": {str(item["id"]): item for item in lanes},
        "drivable_areas": {"1": {"id": 1, "area_boundary": _line([-20, 220, 220, -20], [-3, -3, 5, 5])}},
        "pedestrian_crossings": {"1": {"id": 1, "edge1": _line([38, 38], [-3, 5]), "edge2": _line([41, 41], [-3, 5])}},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def scenario(data_set: str = "waymo", place: str = "boston-seaport") -> dict:
    """A scenario of ScenarioNet; positions of the ego are those of its box's center, but in nuScenes of the rear axle."""
    steps = int(DURATION_S * 10) + 1
    at_s = np.arange(steps) / 10

    def track(kind, xy, heading, size, **metadata):
        state = {
            "position": np.column_stack([xy, np.full(steps, 41.0)]),
            "heading": np.full(steps, heading),
            "velocity": np.zeros((steps, 2)),
            "valid": np.ones(steps, dtype=bool),
        } | {name: np.full(steps, value) for name, value in zip(("length", "width", "height"), size, strict=True)}
        return {"type": kind, "state": state, "metadata": metadata}

    ego = np.stack([position(t)[:2] for t in at_s])
    lane = {"type": "LANE_SURFACE_STREET", "entry_lanes": [], "speed_limit_kmh": 36.0}
    ahead = np.arange(-20.0, 41.0, 2.0)
    return {
        "id": "hand", "version": "1", "length": steps,
        "metadata": {"dataset": data_set, "coordinate": "right-handed", "sdc_id": "ego", "ts": at_s, "map": place},
        "tracks": {
            "ego": track("VEHICLE", ego, YAW, (5.0, 2.0, 2.0)),
            "7": track("VEHICLE", ego + 20.0 * FORWARD, YAW, (9.0, 2.5, 3.0), type="VEHICLE"),
            "8": track("PEDESTRIAN", np.broadcast_to(in_map(15.0, 6.0), (steps, 2)), 0.0, (0.6, 0.7, 1.7)),
            "9": track("TRAFFIC_CONE", np.broadcast_to(in_map(12.0, 4.0), (steps, 2)), 0.0, (0.4, 0.4, 0.8)),
        },
        "map_features": {
            "11": lane | {"polyline": in_map(ahead, 0.0 * ahead), "exit_lanes": ["12"]},
            "12": lane | {"polyline": in_map(ahead + 60.0, 0.0 * ahead), "exit_lanes": [], "interpolating": True},
            "13": {"type": "CROSSWALK", "polygon": in_map([30, 33, 33, 30], [-4, -4, 4, 4])},
            "14": {"type": "LANE_SURFACE_STREET", "polyline": in_map([5.0], [0.0])},
        },
        "dynamic_map_states": {
            "12": {"lane": "12", "stop_point": np.append(in_map(39.0, 0.0), 41.0), "type": "TRAFFIC_LIGHT",
                   "state": {"object_state": ["LANE_STATE_STOP"] * 30 + ["LANE_STATE_GO"] * (steps - 30)}},
        },
    }  # fmt: skip


def write_scenario(path: Path, **options) -> Path:
    """Write a scenario as a pickle."""
    path.write_bytes(pickle.dumps(scenario(**options)))
    return path
