"""Images and point clouds of every layout that ROS allows give the same values."""

import io

import numpy as np
import pytest
from PIL import Image

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.messages import decode_inputs
from transdiffuser_planner.messages.definitions import make_message

HEADER = make_message(
    "std_msgs/msg/Header", stamp=make_message("builtin_interfaces/msg/Time", sec=3, nanosec=5), frame_id="x"
)
XYZ = np.random.default_rng(7).uniform(-40.0, 40.0, (12, 3)).round(3)
CODES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8}


def cloud(layout, *, order="<", height=1, row_padding=0, values=XYZ, is_dense=True):
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
    items = [
        make_message("sensor_msgs/msg/PointField", name=n, offset=o, datatype=CODES[k], count=1) for n, k, o in fields
    ]
    return make_message("sensor_msgs/msg/PointCloud2", header=HEADER, height=height, width=width, fields=items,
                        is_bigendian=order == ">", point_step=step, row_step=width * step + row_padding,
                        data=data.reshape(-1), is_dense=is_dense)  # fmt: skip


PLAIN = [("x", "f4", 0), ("y", "f4", 4), ("z", "f4", 8), 12]
LAYOUTS = {
    "packed": (PLAIN, {}),
    "padded to 16 bytes": ([*PLAIN[:3], 16], {}),
    "intensity and ring (Velodyne)": ([*PLAIN[:3], ("intensity", "f4", 16), ("ring", "u2", 20), 22], {}),
    "time first, other order": ([("t", "u4", 0), ("z", "f4", 4), ("x", "f4", 8), ("y", "f4", 12), 17], {}),
    "doubles": ([("x", "f8", 0), ("y", "f8", 8), ("z", "f8", 16), 24], {}),
    "doubles and floats mixed": ([("x", "f8", 0), ("y", "f4", 8), ("z", "f8", 12), 20], {}),
    "z, y, x with a gap in the front": ([("z", "f4", 4), ("y", "f4", 8), ("x", "f4", 12), 16], {}),
    "off the 4-byte grid": ([("tag", "u1", 0), ("x", "f4", 1), ("y", "f4", 5), ("z", "f4", 9), 13], {}),
    "big endian": (PLAIN, {"order": ">"}),
    "big endian doubles with a 16-bit ring": (
        [("ring", "u2", 0), ("x", "f8", 2), ("y", "f8", 10), ("z", "f8", 18), ("intensity", "u2", 26), 32],
        {"order": ">"},
    ),
    "Ouster, organized": (
        [
            *PLAIN[:3],
            ("intensity", "f4", 16),
            ("t", "u4", 20),
            ("reflectivity", "u2", 24),
            ("ring", "u2", 26),
            ("ambient", "u2", 28),
            ("range", "u4", 32),
            48,
        ],
        {"height": 4},
    ),
    "organized in one column": (PLAIN, {"height": 12}),
    "organized, big endian, rows padded": (PLAIN, {"height": 2, "row_padding": 5, "order": ">"}),
    "organized, rows padded": (PLAIN, {"height": 3, "row_padding": 7}),
    "Autoware's 10-byte tail": (
        [*PLAIN[:3], ("intensity", "u1", 12), ("return_type", "u1", 13), ("channel", "u2", 14), 16],
        {},
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_point_cloud_of_any_layout_gives_the_same_points(name):
    layout, options = LAYOUTS[name]
    found = decode_inputs.point_cloud(cloud(layout, **options))
    np.testing.assert_allclose(found.xyz_N3, XYZ, atol=1e-5)
    assert found.stamp_ns == 3 * 10**9 + 5


def test_integer_coordinates_are_decoded():
    layout = [("x", "i2", 0), ("y", "i2", 2), ("z", "i2", 4), 6]
    np.testing.assert_array_equal(decode_inputs.point_cloud(cloud(layout, values=XYZ.round())).xyz_N3, XYZ.round())


@pytest.mark.parametrize("height", [1, 3])
@pytest.mark.parametrize("is_dense", [False, True])  # drivers that write NaN do not always declare it
def test_points_without_a_return_are_skipped(height, is_dense):
    values = XYZ.copy()
    values[1] = np.nan
    values[5, 2] = np.inf
    values[7, 0] = np.nan
    found = decode_inputs.point_cloud(cloud(PLAIN, values=values, height=height, is_dense=is_dense))
    np.testing.assert_allclose(found.xyz_N3, np.delete(XYZ, [1, 5, 7], axis=0), atol=1e-5)


def test_a_point_cloud_that_is_empty_or_nan_only_is_refused():
    with pytest.raises(InputError, match="every point of the cloud is NaN, infinite or the sensor's own origin"):
        decode_inputs.point_cloud(cloud(PLAIN, values=np.full((12, 3), np.nan), is_dense=False))
    with pytest.raises(InputError, match="cloud is empty"):
        decode_inputs.point_cloud(cloud(PLAIN, values=np.zeros((0, 3))))


def test_a_row_length_of_zero_is_computed():
    message = cloud(PLAIN)
    message.row_step = 0
    np.testing.assert_allclose(decode_inputs.point_cloud(message).xyz_N3, XYZ, atol=1e-5)


@pytest.mark.parametrize("height", [1, 3])
@pytest.mark.parametrize("row_step", [0, 5, 12, 72, 12 * 12, 2**31])
def test_data_of_exactly_all_points_is_packed_whatever_row_step_is(height, row_step):
    message = cloud(PLAIN, height=height)
    message.row_step = row_step
    np.testing.assert_allclose(decode_inputs.point_cloud(message).xyz_N3, XYZ, atol=1e-5)


def test_the_last_row_of_a_padded_cloud_may_end_without_padding_and_one_row_may_be_followed_by_anything():
    message = cloud(PLAIN, height=3, row_padding=7)
    message.data = message.data[:-7]
    np.testing.assert_allclose(decode_inputs.point_cloud(message).xyz_N3, XYZ, atol=1e-5)
    message = cloud(PLAIN, row_padding=40)
    message.row_step = 12
    np.testing.assert_allclose(decode_inputs.point_cloud(message).xyz_N3, XYZ, atol=1e-5)


@pytest.mark.parametrize("layout", ["packed", "doubles", "big endian"])
def test_points_at_the_sensors_own_origin_are_no_returns(layout):
    values = XYZ.copy()
    values[2], values[6] = 0.0, (0.03, -0.02, 0.04)
    layout, options = LAYOUTS[layout]
    found = decode_inputs.point_cloud(cloud(layout, values=values, **options))
    np.testing.assert_allclose(found.xyz_N3, np.delete(XYZ, [2, 6], axis=0), atol=1e-5)
    with pytest.raises(InputError, match="no return"):
        decode_inputs.point_cloud(cloud(layout, values=np.zeros((12, 3)), **options))


def test_a_point_cloud_without_a_coordinate_or_with_too_little_data_is_refused():
    with pytest.raises(InputError, match="missing field z"):
        message = cloud(PLAIN)
        message.fields = message.fields[:2]
        decode_inputs.point_cloud(message)
    with pytest.raises(InputError, match="truncated cloud"):
        message = cloud(PLAIN)
        message.data = message.data[:-5]
        decode_inputs.point_cloud(message)


@pytest.mark.parametrize(("format_", "lossless"), [("JPEG", False), ("PNG", True)])
def test_compressed_images_are_decoded(format_, lossless):
    rgb = np.zeros((24, 32, 3), dtype=np.uint8)
    rgb[:, 16:] = (200, 30, 90)
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format_, **({} if lossless else {"quality": 95, "subsampling": 0}))
    data = np.frombuffer(buffer.getvalue(), dtype=np.uint8)
    message = make_message("sensor_msgs/msg/CompressedImage", header=HEADER, format=format_.lower(), data=data)
    found = decode_inputs.image(message, "front").rgb_HW3
    assert np.abs(found.astype(int) - rgb).max() <= (0 if lossless else 12)
    message.data = data[: len(data) // 3]
    with pytest.raises(InputError, match="cannot be decoded"):
        decode_inputs.image(message, "front")


RGB = np.random.default_rng(8).integers(0, 256, (6, 8, 3), dtype=np.uint8)
GRAY = np.repeat(RGB[..., :1], 3, axis=2)


@pytest.mark.parametrize(
    ("mode", "format_", "expected"),
    [
        ("RGB", "png", RGB),
        ("RGBA", "png", RGB),
        ("L", "png", GRAY),
        ("LA", "png", GRAY),
        ("RGB", "rgb8; png compressed bgr8", RGB),  # as image_transport writes it; the file itself declares its format
        ("RGB", "", RGB),
    ],
)
def test_a_png_of_any_8_bit_color_type_is_decoded_without_loss(mode, format_, expected):
    source = Image.fromarray(RGB) if mode.startswith("RGB") else Image.fromarray(GRAY[..., 0])
    buffer = io.BytesIO()
    source.convert(mode).save(buffer, "PNG")
    data = np.frombuffer(buffer.getvalue(), dtype=np.uint8)
    message = make_message("sensor_msgs/msg/CompressedImage", header=HEADER, format=format_, data=data)
    np.testing.assert_array_equal(decode_inputs.image(message, "front").rgb_HW3, expected)


def test_a_png_with_a_palette_is_decoded():
    source = Image.fromarray(RGB // 128 * 255).quantize(8)
    buffer = io.BytesIO()
    source.save(buffer, "PNG")
    data = np.frombuffer(buffer.getvalue(), dtype=np.uint8)
    message = make_message("sensor_msgs/msg/CompressedImage", header=HEADER, format="png", data=data)
    np.testing.assert_array_equal(decode_inputs.image(message, "front").rgb_HW3, np.asarray(source.convert("RGB")))


ENCODINGS = {
    "rgb8": RGB,
    "bgr8": RGB[..., ::-1],
    "8UC3": RGB[..., ::-1],
    "rgba8": np.concatenate([RGB, RGB[..., :1]], axis=2),
    "bgra8": np.concatenate([RGB[..., ::-1], RGB[..., :1]], axis=2),
    "8UC4": np.concatenate([RGB[..., ::-1], RGB[..., :1]], axis=2),
    "mono8": RGB[..., :1],
    "8UC1": RGB[..., :1],
}


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_raw_image_of_any_encoding_is_decoded_without_its_row_padding(encoding, padding):
    pixels = ENCODINGS[encoding]
    height, width = pixels.shape[:2]
    rows = np.pad(np.ascontiguousarray(pixels).reshape(height, -1), ((0, 0), (0, padding)), constant_values=7)
    message = make_message("sensor_msgs/msg/Image", header=HEADER, height=height, width=width, encoding=encoding,
                           is_bigendian=0, step=rows.shape[1], data=rows.reshape(-1))  # fmt: skip
    expected = GRAY if pixels.shape[2] == 1 else RGB
    np.testing.assert_array_equal(decode_inputs.image(message, "front").rgb_HW3, expected)
