"""Strategies for messages of every type that the planner subscribes to: valid, nearly valid, and invalid.

Every field is drawn from good values, values at the edges of its type, and anything; so some messages are usable, most are
wrong in one place, and some make no sense at all. Numbers stay within what the wire format can carry.
"""

import array
import io
import struct
import zlib

import numpy as np
from drive import CAMERA, CODEBOOK, FRAME, RIG, stamp_of, x_of
from hypothesis import strategies as st
from PIL import Image

from transdiffuser_planner.messages.definitions import make_message, typestore
from transdiffuser_planner.messages.input_registry import INPUTS

UINT32 = st.one_of(
    st.sampled_from([0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1]), st.integers(0, 2**32 - 1), st.integers(0, 300)
)
UINT8 = st.integers(0, 255)
FLOATS = st.one_of(
    st.floats(-100.0, 100.0),
    st.sampled_from([0.0, 1.0, -1.0, 1e-300, 1e9, 1e30, -1e300, float("nan"), float("inf"), float("-inf")]),
    st.floats(),
)
FLOATS32 = st.one_of(FLOATS.filter(lambda v: v != v or abs(v) < 1e38 or np.isinf(v)), st.floats(width=32))
TEXT = st.one_of(st.sampled_from(["", "map", "odom", "a\nb", "x" * 5000]), st.text(max_size=8))


def mostly(good, wild):
    """Three times out of four the good value."""
    good = good if isinstance(good, st.SearchStrategy) else st.just(good)
    return st.integers(0, 3).flatmap(lambda die: wild if die == 3 else good)


@st.composite
def headers(draw):
    """Stamps of now, of other times of this drive, and outliers."""
    now_ns = stamp_of(FRAME)
    offsets = st.sampled_from([-5.0, -2.0, -0.25, -0.01, 0.01, 0.25, 2.0, 5.0, 60.0])
    near = offsets.map(lambda s: divmod(now_ns + int(s * 1e9), 10**9))
    wild = st.tuples(st.integers(-(2**31), 2**31 - 1), UINT32)
    sec, nanosec = draw(mostly(divmod(now_ns, 10**9), st.one_of(near, wild)))
    stamp = make_message("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)
    return make_message("std_msgs/msg/Header", stamp=stamp, frame_id=draw(mostly("map", TEXT)))


def as_bytes(draw, data: bytes):
    """Bytes in the types of rosbags or rclpy."""
    return np.frombuffer(data, dtype=np.uint8) if draw(st.booleans()) else array.array("B", data)


@st.composite
def images(draw):
    camera = RIG.cameras[0]
    height, width = draw(mostly(camera.height, UINT32)), draw(mostly(camera.width, UINT32))
    encodings = st.sampled_from(["rgb8", "bgr8", "rgba8", "bgra8", "mono8", "8UC1", "8UC3", "8UC4", "16UC1", "yuv422"])
    encoding = draw(mostly("rgb8", st.one_of(encodings, encodings, TEXT)))
    channels = {"rgba8": 4, "bgra8": 4, "8UC4": 4, "mono8": 1, "8UC1": 1}.get(encoding, 3)
    step = draw(mostly(min(width * channels, 2**32 - 1), UINT32))
    wanted = min(height * step, 200_000)
    length = draw(mostly(wanted, st.one_of(st.integers(0, 64), st.just(max(0, wanted - 1)), st.just(wanted + 7))))
    data = as_bytes(draw, bytes([draw(UINT8)]) * length)
    return make_message("sensor_msgs/msg/Image", header=draw(headers()), height=height, width=width, encoding=encoding,
                        is_bigendian=draw(UINT8), step=step, data=data)  # fmt: skip


def image_file(format_: str, mode: str = "RGB") -> bytes:
    """An image file of the camera's size."""
    camera = RIG.cameras[0]
    rng = np.random.default_rng(3)
    rgb = np.repeat(rng.integers(0, 255, (camera.height, camera.width // 8, 3), dtype=np.uint8), 8, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(rgb).convert(mode).save(buffer, format_)
    return buffer.getvalue()


def png_of_size(width: int, height: int, data: bytes = b"", *, bits: int = 8, color: int = 2) -> bytes:
    """A PNG whose header claims a size, checksums right, with the given compressed data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


_FORMATS = (
    *(("JPEG", mode) for mode in ("RGB", "L", "CMYK")),
    *(("PNG", mode) for mode in ("RGB", "P", "RGBA", "LA")),
    *((name, "RGB") for name in ("GIF", "BMP", "TIFF", "PPM")),
)
FILES = [image_file(name, mode) for name, mode in _FORMATS]


@st.composite
def spoiled_files(draw):
    """An image file with bytes changed, removed, inserted, or cut off."""
    data = bytearray(draw(st.sampled_from(FILES[:2] * 3 + FILES)))
    for _ in range(draw(st.integers(0, 4))):
        # Headers are the most sensitive part.
        at = draw(st.one_of(st.integers(0, min(700, len(data) - 1)), st.integers(0, len(data) - 1)))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            data[at] = draw(UINT8)
        elif kind == 1:
            data[at : at + 4] = struct.pack(">I", draw(UINT32))
        elif kind == 2:
            del data[at : at + draw(st.integers(1, 40))]
        else:
            data[at:at] = draw(st.binary(min_size=1, max_size=12))
        data = data or bytearray(b"\0")
    cut = draw(mostly(len(data), st.integers(0, len(data))))
    return bytes(data[:cut])


SIZES = st.builds(png_of_size, UINT32, UINT32, st.binary(max_size=30).map(zlib.compress), bits=st.sampled_from([1, 8, 16]),
                  color=st.sampled_from([0, 2, 3, 4, 6]))  # fmt: skip


@st.composite
def compressed_images(draw):
    data = draw(st.one_of(spoiled_files(), spoiled_files(), SIZES, st.binary(max_size=60)))
    format_ = draw(mostly("jpeg", TEXT))
    return make_message(
        "sensor_msgs/msg/CompressedImage", header=draw(headers()), format=format_, data=as_bytes(draw, data)
    )


@st.composite
def camera_infos(draw):
    camera = next(camera for camera in RIG.cameras if camera.name == CAMERA)
    k = np.asarray([camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0])
    p = np.insert(k, [3, 6, 9], 0.0)
    for matrix in (k, p):
        for _ in range(draw(st.integers(0, 2))):
            matrix[draw(st.integers(0, len(matrix) - 1))] = draw(FLOATS)
    if draw(st.booleans()):
        p[:] = 0.0
    region = make_message(
        "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return make_message("sensor_msgs/msg/CameraInfo", header=draw(headers()), height=draw(mostly(camera.height, UINT32)),
                        width=draw(mostly(camera.width, UINT32)), distortion_model=draw(TEXT),
                        d=np.asarray(draw(st.lists(FLOATS, max_size=6))), k=k, r=np.eye(3).reshape(-1), p=p,
                        binning_x=draw(UINT32), binning_y=0, roi=region)  # fmt: skip


@st.composite
def point_fields(draw):
    """The usual x, y, z, or fields of any name, type, place and count."""
    kind, size = draw(st.sampled_from([(7, 4), (7, 4), (8, 8), (3, 2)]))
    usual = [(name, index * size, kind, 1) for index, name in enumerate("xyz")]
    usual += draw(st.sampled_from([[], [("intensity", 3 * size, 7, 1)], [("ring", 3 * size, 4, 1)]]))
    offsets = st.one_of(st.integers(0, 40), UINT32)
    names = st.one_of(st.sampled_from(["x", "y", "z", "intensity"]), TEXT)
    odd = st.lists(st.tuples(names, offsets, UINT8 | st.integers(0, 10), UINT32), max_size=5)
    rows = draw(
        mostly(usual, st.one_of(odd, odd.map(lambda extra: extra + usual), odd.map(lambda extra: usual + extra)))
    )
    return [make_message("sensor_msgs/msg/PointField", name=n, offset=o, datatype=t, count=c) for n, o, t, c in rows]


@st.composite
def clouds(draw):
    fields = draw(point_fields())
    extent = max((field.offset + 8 for field in fields), default=1)
    step = draw(mostly(extent if extent < 200 else 16, UINT32))
    height, width = draw(mostly(1, UINT32)), draw(mostly(st.integers(60, 200), UINT32))
    row = draw(mostly(min(width * step, 2**32 - 1), UINT32))
    wanted = min(max(row, width * step) * height, 16000)
    length = draw(mostly(wanted, st.integers(0, wanted + 3)))
    near = st.floats(-50.0, 50.0, width=32)
    kinds = (
        st.lists(near.filter(lambda v: abs(v) > 1.0), min_size=7, max_size=9),
        st.lists(FLOATS32, min_size=1, max_size=9),
    )
    pattern = draw(st.one_of(kinds[0].map(_packed), kinds[1].map(_packed), st.binary(min_size=1, max_size=40)))
    data = (pattern * (length // len(pattern) + 1))[:length]
    return make_message("sensor_msgs/msg/PointCloud2", header=draw(headers()), height=height, width=width, fields=fields,
                        is_bigendian=draw(st.booleans()), point_step=step, row_step=row, data=as_bytes(draw, data),
                        is_dense=draw(st.booleans()))  # fmt: skip


def _packed(values: list[float]) -> bytes:
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=np.float32).tobytes()


def vectors(x, y, z=0.0, *, wild=FLOATS):
    """geometry_msgs/Vector3 around good values."""
    values = {name: mostly(value, wild) for name, value in zip("xyz", (x, y, z), strict=True)}
    return st.builds(lambda **v: make_message("geometry_msgs/msg/Vector3", **v), **values)


def _points(x, y):
    values = {"x": mostly(x, FLOATS), "y": mostly(y, FLOATS), "z": mostly(0.0, FLOATS)}
    return st.builds(lambda **v: make_message("geometry_msgs/msg/Point", **v), **values)


@st.composite
def poses(draw, x, y):
    good = {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0}
    odd = st.one_of(st.just(dict.fromkeys("xyzw", 0.0)), st.fixed_dictionaries(dict.fromkeys("xyzw", FLOATS)))
    quaternion = make_message("geometry_msgs/msg/Quaternion", **draw(mostly(good, odd)))
    return make_message("geometry_msgs/msg/Pose", position=draw(_points(x, y)), orientation=quaternion)


@st.composite
def odometries(draw):
    x = x_of(FRAME)
    pose = make_message("geometry_msgs/msg/PoseWithCovariance", pose=draw(poses(x, 0.0)), covariance=np.zeros(36))
    body = make_message("geometry_msgs/msg/Twist", linear=draw(vectors(5.0, 0.0)), angular=draw(vectors(0.0, 0.0)))
    twist = make_message("geometry_msgs/msg/TwistWithCovariance", twist=body, covariance=np.zeros(36))
    return make_message(
        "nav_msgs/msg/Odometry", header=draw(headers()), child_frame_id=draw(TEXT), pose=pose, twist=twist
    )


@st.composite
def accelerations(draw):
    body = make_message("geometry_msgs/msg/Accel", linear=draw(vectors(0.5, 0.0)), angular=draw(vectors(0.0, 0.0)))
    accel = make_message("geometry_msgs/msg/AccelWithCovariance", accel=body, covariance=np.full(36, draw(FLOATS)))
    return make_message("geometry_msgs/msg/AccelWithCovarianceStamped", header=draw(headers()), accel=accel)


@st.composite
def paths(draw):
    """Routes: some poses anywhere, repeated ones among them; none at all."""
    x = x_of(FRAME)
    spots = st.one_of(poses(x, 0.0), poses(x + 30.0, 1.0), poses(-3.0, 800.0))
    found = draw(st.lists(spots, max_size=5))
    found += found[: draw(st.integers(0, 2))]
    stamped = [make_message("geometry_msgs/msg/PoseStamped", header=draw(headers()), pose=pose) for pose in found]
    return make_message("nav_msgs/msg/Path", header=draw(headers()), poses=stamped)


COMMANDS = st.builds(
    lambda h, c: make_message("transdiffuser_msgs/msg/DrivingCommand", header=h, command=c),
    headers(), st.integers(0, 4) | UINT8,
)  # fmt: skip
SIGNALS = st.builds(
    lambda h, s, d: make_message("transdiffuser_msgs/msg/TrafficSignal", header=h, state=s, distance_m=d),
    headers(), st.integers(0, 4) | UINT8, FLOATS32,
)  # fmt: skip
ACTION_TOKENS = st.builds(
    lambda h, c, t, s: make_message(
        "transdiffuser_msgs/msg/ActionTokens",
        header=h,
        codebook_hash=c,
        tokens=np.asarray(t, dtype=np.uint16),
        horizon_s=s,
    ),
    headers(),
    mostly(CODEBOOK.digest, TEXT),
    mostly(st.just([1, 2, 1, 2]), st.lists(st.integers(0, 4) | st.integers(0, 2**16 - 1), max_size=40)),
    mostly(2.0, FLOATS32),
)
SPEED_LIMITS = st.builds(lambda v: make_message("std_msgs/msg/Float32", data=v), FLOATS32)

MESSAGES = {
    "Image": ("image", images()),
    "CompressedImage": ("image", compressed_images()),
    "CameraInfo": ("info", camera_infos()),
    "PointCloud2": ("lidar", clouds()),
    "Odometry": ("odometry", odometries()),
    "AccelWithCovarianceStamped": ("acceleration", accelerations()),
    "Path": ("route", paths()),
    "DrivingCommand": ("command", COMMANDS),
    "TrafficSignal": ("traffic_signal", SIGNALS),
    "Float32": ("speed_limit", SPEED_LIMITS),
    "ActionTokens": ("action_tokens", ACTION_TOKENS),
}
"""Type -> (topic of the drive, strategy)."""

KINDS = {kind.rsplit("/", 1)[1]: kind for spec in INPUTS for kind in spec.message_types}
"""Type -> its whole name."""


@st.composite
def serialized(draw, name: str):
    """A serialized message of a type, most of them with bytes changed, removed, inserted, or cut off; or anything."""
    if draw(st.integers(0, 9)) == 9:
        return b"\0" + draw(st.binary(max_size=80))
    little_endian = draw(st.booleans())
    message = draw(MESSAGES[name][1])
    if isinstance(getattr(message, "data", None), array.array):
        message.data = np.frombuffer(message.data, dtype=np.uint8)
    data = bytearray(typestore().serialize_cdr(message, KINDS[name], little_endian=little_endian))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.one_of(st.integers(0, min(120, len(data) - 1)), st.integers(0, len(data) - 1)))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            data[at] = draw(UINT8)
        elif kind == 1:
            data[at : at + 4] = struct.pack("<I", draw(UINT32))
        elif kind == 2:
            del data[at : at + draw(st.integers(1, 40))]
        else:
            data[at:at] = draw(st.binary(min_size=1, max_size=12))
        data = data or bytearray(b"\0")
    return bytes(data[: draw(mostly(len(data), st.integers(0, len(data))))])
