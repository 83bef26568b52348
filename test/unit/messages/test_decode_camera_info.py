"""Intrinsics as sensor_msgs/CameraInfo defines them: region of interest, binning and the distortion of the lens."""

import numpy as np
import pytest

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import CameraIntrinsics
from transdiffuser_planner.messages import decode_inputs, encode_inputs
from transdiffuser_planner.messages.definitions import make_message
from transdiffuser_planner.params import RIGS

CAMERA = Rig.load(RIGS / "carla.yaml").cameras[1]


def info(*, roi=(0, 0, 0, 0), binning=(0, 0), **changed):
    """The CameraInfo of a camera of 480x256; roi is x, y, width, height."""
    message = encode_inputs.camera_info(make_message, 1, "", CAMERA)
    message.width, message.height = 480, 256
    message.p[:] = [396.0, 0, 240.0, 0, 0, 396.0, 160.0, 0, 0, 0, 1, 0]
    message.k[:] = [396.0, 0, 240.0, 0, 396.0, 160.0, 0, 0, 1]
    message.roi.x_offset, message.roi.y_offset, message.roi.width, message.roi.height = roi
    message.binning_x, message.binning_y = binning
    for name, value in changed.items():
        setattr(message, name, np.asarray(value) if isinstance(value, list) else value)
    return message


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (480, 256, 396.0, 396.0, 240.0, 160.0)),
        ({"binning": (1, 1)}, (480, 256, 396.0, 396.0, 240.0, 160.0)),
        ({"binning": (2, 2)}, (240, 128, 198.0, 198.0, 120.0, 80.0)),
        ({"binning": (4, 2)}, (120, 128, 99.0, 198.0, 60.0, 80.0)),
        ({"roi": (120, 60, 240, 128)}, (240, 128, 396.0, 396.0, 120.0, 100.0)),
        ({"roi": (120, 60, 240, 128), "binning": (2, 2)}, (120, 64, 198.0, 198.0, 60.0, 50.0)),
        ({"roi": (0, 0, 480, 256)}, (480, 256, 396.0, 396.0, 240.0, 160.0)),
        ({"binning": (7, 7)}, (68, 36, 396 / 7, 396 / 7, 240 / 7, 160 / 7)),
    ],
)
@pytest.mark.parametrize("has_projection", [True, False])
def test_intrinsics_are_cropped_and_scaled_to_the_images(options, expected, has_projection):
    found = decode_inputs.intrinsics(info(**options, **({} if has_projection else {"p": [0.0] * 12})))
    values = (found.width, found.height, found.fx, found.fy, found.cx, found.cy)
    assert values == pytest.approx(expected) and found.is_rectified and not found.distortion


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"roi": (300, 0, 240, 128)}, "region of interest 240x128 at 300, 0 reaches beyond its image of 480x256"),
        ({"binning": (2**31, 2)}, "leaves no pixel of 480x256"),
        ({"d": [np.nan, 0.0]}, "distortion coefficients are not finite"),
    ],
)
def test_impossible_regions_binnings_and_coefficients_are_refused(options, expected):
    with pytest.raises(InputError, match=expected):
        decode_inputs.intrinsics(info(**options))


@pytest.mark.parametrize(
    ("model", "d", "has_projection", "is_rectified"),
    [
        ("plumb_bob", [-0.3, 0.1, 0.0, 0.0, 0.0], False, False),
        ("plumb_bob", [-0.3, 0.1, 0.0, 0.0, 0.0], True, True),
        ("plumb_bob", [0.0] * 5, False, True),
        ("equidistant", [0.0] * 4, False, False),
        ("equidistant", [0.1, 0.0, 0.0, 0.0], True, True),
        ("", [], False, True),
    ],
)
def test_images_without_a_projection_matrix_have_the_distortion_of_their_lens(model, d, has_projection, is_rectified):
    p = {} if has_projection else {"p": [0.0] * 12}
    found = decode_inputs.intrinsics(info(distortion_model=model, d=d, **p))
    assert isinstance(found, CameraIntrinsics) and found.is_rectified == is_rectified
    assert found.distortion == (tuple(d) if any(d) else ()) and found.distortion_model == model


@pytest.mark.parametrize(
    ("written", "frame"), [("/map", "map"), ("//odom", "odom"), ("map", "map"), ("a/map", "a/map"), ("", "")]
)
def test_leading_slashes_of_frames_are_stripped(written, frame):
    assert decode_inputs.frame_name(written) == frame
