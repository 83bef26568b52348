"""Pictures and clouds of every layout that ROS allows give the same values."""

import io

import numpy as np
import pytest
from PIL import Image

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.recording import decode
from transdiffuser_planner.recording.definitions import make_message

HEADER = make_message("std_msgs/msg/Header", stamp=make_message("builtin_interfaces/msg/Time", sec=3, nanosec=5), frame_id="x")
XYZ = np.random.default_rng(7).uniform(-40.0, 40.0, (12, 3)).round(3)
CODES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8}


def cloud(layout, *, order="<", height=1, row_padding=0, values=XYZ):
    """A PointCloud2; layout is a list of (field name, kind, offset), the last entry the point's size."""
    *fields, step = layout
    dtype = np.dtype({"names": [f[0] for f in fields], "formats": [order + f[1] for f in fields],
                      "offsets": [f[2] for f in fields], "itemsize": step})  # fmt: skip
    points = np.zeros(len(values), dtype=dtype)
    for name, column in zip("xyz", values.T, strict=True):
        points[name] = column
    width = len(values) // height
    rows = points.view(np.uint8).reshape(height, width * step)
    data = np.pad(rows, ((0, 0), (0, row_padding)))
    items = [make_message("sensor_msgs/msg/PointField", name=n, offset=o, datatype=CODES[k], count=1) for n, k, o in fields]
    return make_message("sensor_msgs/msg/PointCloud2", header=HEADER, height=height, width=width, fields=items,
                        is_bigendian=order == ">", point_step=step, row_step=width * step + row_padding,
                        data=data.reshape(-1), is_dense=True)  # fmt: skip


PLAIN = [("x", "f4", 0), ("y", "f4", 4), ("z", "f4", 8), 12]
LAYOUTS = {
    "packed": (PLAIN, {}),
    "padded to 16 bytes": ([*PLAIN[:3], 16], {}),
    "intensity and ring (Velodyne)": ([*PLAIN[:3], ("intensity", "f4", 16), ("ring", "u2", 20), 22], {}),
    "time first, other order": ([("t", "u4", 0), ("z", "f4", 4), ("x", "f4", 8), ("y", "f4", 12), 17], {}),
    "doubles": ([("x", "f8", 0), ("y", "f8", 8), ("z", "f8", 16), 24], {}),
    "big endian": (PLAIN, {"order": ">"}),
    "organised, rows padded": (PLAIN, {"height": 3, "row_padding": 7}),
    "Autoware's 10-byte tail": ([*PLAIN[:3], ("intensity", "u1", 12), ("return_type", "u1", 13), ("channel", "u2", 14), 16], {}),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_cloud_of_any_layout_gives_the_same_points(name):
    layout, options = LAYOUTS[name]
    found = decode.point_cloud(cloud(layout, **options))
    np.testing.assert_allclose(found.xyz_N3, XYZ, atol=1e-5)
    assert found.stamp_ns == 3 * 10**9 + 5


def test_whole_numbers_are_coordinates_too():
    layout = [("x", "i2", 0), ("y", "i2", 2), ("z", "i2", 4), 6]
    np.testing.assert_array_equal(decode.point_cloud(cloud(layout, values=XYZ.round())).xyz_N3, XYZ.round())


def test_a_cloud_without_a_coordinate_or_with_too_little_data_is_refused():
    with pytest.raises(InputError, match="lacks field z"):
        message = cloud(PLAIN)
        message.fields = message.fields[:2]
        decode.point_cloud(message)
    with pytest.raises(InputError, match="truncated cloud"):
        message = cloud(PLAIN)
        message.data = message.data[:-5]
        decode.point_cloud(message)


@pytest.mark.parametrize(("format_", "lossless"), [("JPEG", False), ("PNG", True)])
def test_compressed_pictures_are_read(format_, lossless):
    rgb = np.zeros((24, 32, 3), dtype=np.uint8)
    rgb[:, 16:] = (200, 30, 90)
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format_, **({} if lossless else {"quality": 95, "subsampling": 0}))
    data = np.frombuffer(buffer.getvalue(), dtype=np.uint8)
    message = make_message("sensor_msgs/msg/CompressedImage", header=HEADER, format=format_.lower(), data=data)
    found = decode.image(message, "front").rgb_HW3
    assert np.abs(found.astype(int) - rgb).max() <= (0 if lossless else 12)
    message.data = data[: len(data) // 3]
    with pytest.raises(InputError, match="cannot be decoded"):
        decode.image(message, "front")
