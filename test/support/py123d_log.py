"""A small log in py123d's Arrow layout, written by hand: the drive of ``data_set_logs`` with an IMU ahead of the rear axle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from support.data_set_logs import BEGIN_NS, DURATION_S, FORWARD, QUATERNION, SPEED_MPS, in_map, jpeg, position

IMU_AHEAD_M, AXLE_BELOW_M, CENTER_ABOVE_AXLE_M = 1.0, 0.2, 0.45
LENGTH_M, HEIGHT_M, OVERHANG_M = 5.0, 1.6, 1.1
GROUND_BELOW_AXLE_M = HEIGHT_M / 2.0 - CENTER_ABOVE_AXLE_M
TURN_RADPS = 0.1
BEGIN_US = BEGIN_NS // 1000
STEPS = int(DURATION_S * 10) + 1


def imu(time_s: float) -> np.ndarray:
    """Position of the IMU in the data set's frame."""
    return position(time_s) + IMU_AHEAD_M * np.append(FORWARD, 0.0)


def _write(folder: Path, name: str, columns: dict, metadata: dict, types: dict | None = None) -> None:
    import msgpack
    import pyarrow

    prefix = "" if name == "map" else f"{name}."
    arrays = {f"{prefix}{key}": pyarrow.array(value, type=(types or {}).get(key)) for key, value in columns.items()}
    table = pyarrow.table(arrays).replace_schema_metadata({b"metadata": msgpack.packb(metadata, use_bin_type=True)})
    with (
        pyarrow.OSFile(str(folder / f"{name}.arrow"), "wb") as sink,
        pyarrow.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table, max_chunksize=10)


def write_py123d(folder: Path, version: str = "0.7.0", data_set: str = "nuplan", cloud: bytes | None = None) -> Path:
    """Write a log.

    Args:
        folder: Folder of the log.
        version: Of the layout.
        data_set: Name of the data set it was converted from.
        cloud: Bytes of each sweep; None packs two points as Arrow IPC.
    """
    import pyarrow as pa

    folder.mkdir(parents=True)
    stamps_us = [BEGIN_US + 100_000 * step for step in range(STEPS)]
    log = {"dataset": data_set, "split": "val", "log_name": folder.name, "location": "sg-one-north", "version": version}
    _write(folder, "sync", {"timestamp_us": stamps_us}, log)
    vehicle = {
        "vehicle_name": "hand", "width": 2.0, "length": LENGTH_M, "height": HEIGHT_M, "wheel_base": 2.9,
        "rear_axle_to_imu_se3": [-IMU_AHEAD_M, 0.0, -AXLE_BELOW_M, 1.0, 0.0, 0.0, 0.0],
        "center_to_imu_se3": [
            LENGTH_M / 2.0 - OVERHANG_M - IMU_AHEAD_M, 0.0, CENTER_ABOVE_AXLE_M - AXLE_BELOW_M, 1.0, 0.0, 0.0, 0.0,
        ],
    }  # fmt: skip
    motion = [SPEED_MPS, TURN_RADPS * IMU_AHEAD_M, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, TURN_RADPS]
    ego = {
        "timestamp_us": stamps_us,
        "imu_se3": [[*imu(step / 10), *QUATERNION] for step in range(STEPS)],
        "dynamic_state_se3": [motion] * STEPS,
    }
    vector = {"imu_se3": pa.list_(pa.float64(), 7), "dynamic_state_se3": pa.list_(pa.float64(), 9)}
    _write(folder, "ego_state_se3", ego, vehicle, vector)
    _write_boxes(folder, stamps_us)
    _write_sensors(folder, stamps_us, cloud)
    _write_map(folder)
    lights = {
        "timestamp_us": stamps_us,
        "lane_id": [[2, 77]] * STEPS,
        "status": [[2, 0]] * 30 + [[0, 0]] * (STEPS - 30),
    }
    _write(folder, "traffic_light_detections", lights, {})
    return folder


def _write_boxes(folder: Path, stamps_us: list[int]) -> None:
    """A bus of 12 m 20 m ahead of the first pose, a person, a cone; the vehicle has left its frame behind after 3 s."""
    import pyarrow as pa

    def box(ahead_m, left_m, size):
        return [*in_map(ahead_m, left_m), 41.0, *QUATERNION, *size]

    boxes = [[box(20.0, 0.0, (12, 2.5, 3)), box(15.0, 6.0, (0.6, 0.7, 1.7)), box(12.0, 4.0, (0.4, 0.4, 0.8))]] * STEPS
    columns = {
        "timestamp_us": stamps_us, "bounding_box_se3": boxes, "track_token": [["a", "b", "c"]] * STEPS,
        "label": [[0, 2, 3]] * STEPS, "velocity_3d": [[[0.0, 0.0, 0.0]] * 3] * STEPS, "num_lidar_points": [[5, 5, 5]] * STEPS,
    }  # fmt: skip
    kind = {"box_detection_label_class": "py123d.parser.registry.NuPlanBoxDetectionLabel"}
    _write(folder, "box_detections_se3", columns, kind, {"bounding_box_se3": pa.list_(pa.list_(pa.float64(), 10))})


def _write_sensors(folder: Path, stamps_us: list[int], cloud: bytes | None) -> None:
    import pyarrow as pa

    camera = {
        "camera_model": "pinhole", "intrinsics": [60.0, 60.0, 32.0, 24.0, 0.0], "distortion": None, "width": 64, "height": 48,
        "camera_to_imu_se3": [0.6, 0.0, 1.0, 0.5, -0.5, 0.5, -0.5], "is_undistorted": True,
    }  # fmt: skip
    _write(folder, "camera.pcam_f0", {"timestamp_us": stamps_us[:2], "data": [jpeg(), jpeg()]}, camera)
    fisheye = camera | {"camera_model": "fisheye_mei"}
    _write(folder, "camera.fmcam_l", {"timestamp_us": stamps_us[:2], "data": [jpeg(), jpeg()]}, fisheye)
    if cloud is None:
        ground_m = -AXLE_BELOW_M - GROUND_BELOW_AXLE_M
        batch = pa.RecordBatch.from_pydict(
            {"x": [9.0, 4.0], "y": [1.0, 0.0], "z": [ground_m, 1.0], "intensity": [7, 9]}
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        cloud = sink.getvalue().to_pybytes()
    lidar = {"2": {"lidar_name": "top", "lidar_id": 2, "lidar_to_imu_se3": [0.2, 0.0, 1.3, 1.0, 0.0, 0.0, 0.0]}}
    _write(folder, "lidar.lidar_merged", {"timestamp_us": stamps_us[:2], "data": [cloud, cloud]}, lidar)


def _packed(**features) -> bytes:
    import msgpack

    def array(value):
        return {b"__ndarray__": True, b"dtype": value.dtype.str, b"shape": value.shape, b"data": value.tobytes()}

    return msgpack.packb(features, default=array, use_bin_type=True)


def _write_map(folder: Path) -> None:
    def line(ahead, left):
        return np.column_stack([in_map(ahead, left), np.zeros(len(ahead))])

    def lane(begin, end, group, successors, limit, kind=2):
        return _packed(
            lane_type=kind, lane_group_id=group, left_boundary=line([begin, end], [1.75, 1.75]),
            right_boundary=line([begin, end], [-1.75, -1.75]), centerline=line([begin, end], [0.0, 0.0]),
            left_lane_id=None, right_lane_id=None, predecessor_ids=[], successor_ids=successors, speed_limit_mps=limit,
        )  # fmt: skip

    rows = [
        (1, 0, lane(-20, 40, 10, [2], 13.9)),
        (2, 0, lane(40, 60, 11, [3], None)),
        (3, 0, lane(60, 220, 10, [], 8.3)),
        (4, 0, lane(900, 960, 10, [], 8.3)),  # too far away
        (10, 1, _packed(intersection_id=None)),
        (11, 1, _packed(intersection_id=5)),
        (20, 3, _packed(outline=line([38, 41, 41, 38], [-3, -3, 5, 5]))),
        (21, 4, _packed(outline=line([-20, 40, 40, -20], [3, 3, 5, 5]))),
        (22, 6, _packed(outline=line([-20, 220, 220, -20], [-3, -3, 5, 5]))),
        (23, 6, b"\xc1"),
    ]
    columns = {"object_id": [r[0] for r in rows], "map_layer": [r[1] for r in rows], "features": [r[2] for r in rows]}
    _write(folder, "map", columns | {"wkb": [b""] * len(rows)}, {"map_is_per_log": True})
