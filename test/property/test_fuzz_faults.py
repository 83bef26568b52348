"""Faults found by fuzzing, one example each, and the memory that a message may take."""

import copy
import io
import tracemalloc
import zlib

import numpy as np
import pytest
from drive import FRAME, LAST, RIG, Drive, driven, good_messages, stamp_of
from fuzz_messages import picture, png_of_size
from PIL import Image

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.messages import decode_inputs
from transdiffuser_planner.messages.definitions import make_message

ROOM_BYTES = 2_000_000


def message(topic, number=FRAME):
    """A copy of a good message that may be spoilt."""
    return copy.deepcopy(dict(good_messages(number))[topic])


def compressed(data: bytes):
    header = message("image").header
    return make_message(
        "sensor_msgs/msg/CompressedImage", header=header, format="png", data=np.frombuffer(data, dtype=np.uint8)
    )


def bomb() -> bytes:
    """100 megapixels of black in less than a megabyte."""
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(30_001)) for _ in range(10_000)) + rows.flush()
    return png_of_size(10_000, 10_000, data)


def huge_image(width, height, step):
    wrong = message("image")
    wrong.width, wrong.height, wrong.step = width, height, step
    return wrong


def huge_cloud(width, height, step, row):
    wrong = message("lidar")
    wrong.width, wrong.height, wrong.point_step, wrong.row_step = width, height, step, row
    return wrong


HUGE = {
    "a picture 2^31 wide": ("image", lambda: huge_image(2**31, 1, 2**32 - 1)),
    "a picture 2^32 - 1 high and wide": ("image", lambda: huge_image(2**32 - 1, 2**32 - 1, 2**32 - 1)),
    "a cloud of 2^32 - 1 points": ("lidar", lambda: huge_cloud(2**32 - 1, 1, 16, 0)),
    "a cloud of 2^64 points": ("lidar", lambda: huge_cloud(2**32 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1)),
    "no point of 4 GB": ("lidar", lambda: huge_cloud(0, 2**32 - 1, 2**32 - 1, 0)),
    "a PNG that claims 2^31 - 1 by 2^31 - 1": (
        "image",
        lambda: compressed(png_of_size(2**31 - 1, 2**31 - 1, zlib.compress(b""))),
    ),
    "a PNG of 100 megapixels in a small file": ("image", lambda: compressed(bomb())),
    "a PNG 2^31 - 1 wide and 1 high": ("image", lambda: compressed(png_of_size(2**31 - 1, 1, zlib.compress(b"0")))),
}


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("name", HUGE)
def test_claimed_sizes_are_refused_before_memory_is_taken(name):
    topic, make = HUGE[name]
    wrong, drive = make(), Drive()
    room = ROOM_BYTES + 2 * len(getattr(wrong, "data", b""))
    tracemalloc.start()
    try:
        reason = drive.take(topic, wrong, stamp_of(0))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reason and peak < room, (reason, peak)


def test_a_long_text_with_line_breaks_gives_a_reason_of_one_short_line():
    wrong = message("image")
    wrong.encoding = "rgb8\n" * 10_000
    reason = Drive().take("image", wrong, stamp_of(0))
    assert "rgb8?rgb8?" in reason and len(reason) == 300 and reason.endswith("...")


def test_an_invalid_stamp_is_refused():
    wrong = message("odometry")
    wrong.header.stamp.nanosec = 4_000_000_000
    assert "is no time" in Drive().take("odometry", wrong, stamp_of(0))


@pytest.mark.parametrize("topic", ["odometry", "image", "lidar"])
@pytest.mark.parametrize("sec", [0, 2**31 - 1])
def test_a_single_outlier_stamp_changes_nothing(topic, sec):
    wrong = message(topic)
    wrong.header.stamp.sec = sec
    drive, reason = driven((topic, wrong))
    assert "away from" in reason
    assert drive.assembler.num_resets == 0 and drive.planned[-1].stamp_ns == stamp_of(LAST)


def test_a_first_odometry_with_an_unset_stamp_costs_two_frames_at_most():
    drive = Drive()
    unset = message("odometry", 0)
    unset.header.stamp.sec = 0
    drive.take("odometry", unset, stamp_of(0))
    for number in range(4):
        drive.frame(number)
    assert [snapshot.stamp_ns for snapshot in drive.planned][-2:] == [stamp_of(2), stamp_of(3)]


def test_a_clock_jump_of_hours_is_followed_from_the_second_message_on():
    drive, hours_ns = Drive(), 5 * 3600 * 10**9
    for number in range(6):
        drive.frame(number)
    before = len(drive.planned)
    for number in range(4):
        for topic, good in ((topic, message(topic, number)) for topic, _ in good_messages(number)):
            if hasattr(good, "header"):
                good.header.stamp.sec -= hours_ns // 10**9
            drive.take(topic, good, stamp_of(number) - hours_ns)
    assert drive.planned[-1].stamp_ns == stamp_of(3) - hours_ns and len(drive.planned) >= before + 2
    assert all(state.stamp_ns <= stamp_of(3) - hours_ns for state in drive.planned[-1].history)


@pytest.mark.parametrize(("field", "value"), [("fx", 1e308), ("fy", 1e-300), ("cx", 1e300), ("cy", -1e9)])
def test_an_implausible_camera_info_is_refused(field, value):
    wrong = message("info")
    wrong.p[{"fx": 0, "cx": 2, "fy": 5, "cy": 6}[field]] = value
    camera = RIG.cameras[0]
    assert f"fit no image of {camera.width}x{camera.height}" in Drive().take("info", wrong, stamp_of(0))


def test_implausible_vehicle_states_are_refused_before_they_overflow():
    speed, place, turn, push, route = (message(t) for t in ("odometry",) * 3 + ("acceleration", "route"))
    speed.twist.twist.linear.x = -1e300
    place.pose.pose.position.y = 1e9
    turn.twist.twist.angular.z = 500.0
    push.accel.accel.linear.y = 1e39
    route.poses[1].pose.position.x = 1e200
    drive = Drive()
    assert "beyond" in drive.take("odometry", speed, stamp_of(0)) and "beyond" in drive.take(
        "odometry", place, stamp_of(0)
    )
    assert "yaw rate 500 rad/s" in drive.take("odometry", turn, stamp_of(0))
    assert "1e+39 m/s2" in drive.take("acceleration", push, stamp_of(0))
    assert "beyond 1e+08 m" in drive.take("route", route, stamp_of(0))


def test_points_beyond_ten_kilometers_are_skipped_like_those_that_are_not_finite():
    cloud = message("lidar")
    values = cloud.data.view("<f4").reshape(-1, 4).copy()
    values[0, 0], values[1, 1], values[2, 2] = 1e38, np.nan, -1e5
    cloud.data = values.view(np.uint8).reshape(-1)
    np.testing.assert_array_equal(decode_inputs.point_cloud(cloud).xyz_N3, values[3:, :3])


def test_a_signal_of_unknown_state_is_accepted_with_any_distance():
    signal = message("traffic_signal")
    signal.state, signal.distance_m = 0, float("nan")
    assert Drive().take("traffic_signal", signal, stamp_of(0)) is None


def test_an_image_of_16_bits_or_an_unusual_format_is_refused():
    depth = io.BytesIO()
    Image.fromarray(np.full((128, 136), 5000, dtype=np.uint16)).save(depth, "PNG")
    with pytest.raises(InputError, match="no 8-bit color or gray image"):
        decode_inputs.image(compressed(depth.getvalue()), "front")
    with pytest.raises(InputError, match="cannot be decoded"):
        decode_inputs.image(compressed(picture("TIFF")), "front")
