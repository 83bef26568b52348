"""The sensors of a load test: what is stated is what is made."""

import io

import numpy as np
import pytest
from PIL import Image

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.evaluation.benchmarks.sensor_load import parse_load, rig_text, street_image, sweep


def test_the_load_by_default_is_six_cameras_a_lidar_odometry_and_a_route():
    load = parse_load([])
    assert (load.num_cameras, load.width, load.height, load.camera_hz, load.encoding) == (6, 1920, 1080, 30.0, "jpeg")
    assert (load.num_points, load.lidar_hz, load.odometry_hz, load.num_poses, load.route_hz) == (
        200000,
        10,
        100,
        20000,
        1,
    )
    assert sum(load.rates_hz.values()) == 6 * 30 + 10 + 100 + 1


def test_items_may_be_words_or_one_text():
    words = ["camera=2x640x480@15,png", "lidar=5000@20"]
    assert parse_load(words) == parse_load([" ".join(words)])
    assert parse_load(words).encoding == "png" and parse_load(words).route_hz == 0.0


@pytest.mark.parametrize(
    "words",
    [["camera=6"], ["radar=10@2"], ["camera=2x640x480@15,h264"], ["lidar=-5@10"], ["odometry=100"], ["camera=1x4x4@9"]],
)
def test_anything_else_is_refused_in_one_line(words):
    with pytest.raises(EvaluationError, match=r"^--sensors: ") as error:
        parse_load(words)
    assert "\n" not in str(error.value)


def test_the_rig_has_the_cameras_around_the_vehicle(tmp_path):
    load = parse_load(["camera=4x640x480@15", "lidar=5000@20"])
    (tmp_path / "rig.yaml").write_text(rig_text(load), encoding="utf-8")
    rig = Rig.load(tmp_path / "rig.yaml")
    assert [camera.name for camera in rig.cameras] == list(load.camera_names) and rig.lidar is not None
    np.testing.assert_allclose([c.yaw_rad for c in rig.cameras], [0.0, np.pi / 2, -np.pi, -np.pi / 2], atol=1e-9)


def test_images_and_sweeps_have_the_stated_size():
    rgb_HW3, file = street_image(parse_load(["camera=1x320x200@5"]))
    assert rgb_HW3.shape == (200, 320, 3) and Image.open(io.BytesIO(file)).size == (320, 200)
    points = sweep(20_001)
    assert points.shape == (20_001, 4) and np.isfinite(points).all() and points[:, 2].min() >= -1.9 - 1e-5
