"""Images are checked when they arrive and unpacked when their pixels are read, at the size that is needed."""

import io

import numpy as np
import pytest
from PIL import Image

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.messages import decode_inputs
from transdiffuser_planner.messages.definitions import make_message

HEADER = make_message(
    "std_msgs/msg/Header", stamp=make_message("builtin_interfaces/msg/Time", sec=7, nanosec=1), frame_id="camera"
)


def street(width, height, seed=0):
    """Soft colors with a little noise, as a photograph."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 32 + 2, width // 32 + 2, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), dtype=float)
    return np.clip(soft + rng.normal(0.0, 2.0, soft.shape), 0, 255).astype(np.uint8)


def file_of(rgb, format_="JPEG", mode="RGB"):
    buffer = io.BytesIO()
    Image.fromarray(rgb).convert(mode).save(buffer, format_, **({"quality": 90} if format_ == "JPEG" else {}))
    return buffer.getvalue()


def compressed(data, format_="jpeg"):
    return make_message(
        "sensor_msgs/msg/CompressedImage", header=HEADER, format=format_, data=np.frombuffer(data, dtype=np.uint8)
    )


def reason_of(message):
    with pytest.raises(InputError) as error:
        decode_inputs.image(message, "front")
    return str(error.value)


def test_the_size_is_known_without_the_pixels():
    data = file_of(street(64, 40))
    image = decode_inputs.image(compressed(data[: len(data) - 200]), "front")
    assert (image.width, image.height, image.failure) == (64, 40, "")
    with pytest.raises(InputError, match="camera 'front': JPEG is damaged or cut off, it cannot be decoded"):
        image.reduced(1)
    assert "cut off" in image.failure


def test_a_file_is_decoded_once():
    image = decode_inputs.image(compressed(file_of(street(64, 40))), "front")
    assert image.rgb_HW3 is image.rgb_HW3 and image.reduced(3) is image.reduced(3)


def test_files_that_are_cut_off_at_different_places_have_one_reason():
    data = file_of(street(320, 240))
    reasons = set()
    for size in (len(data) // 3, len(data) // 2, len(data) - 50):
        image = decode_inputs.image(compressed(data[:size]), "front")
        with pytest.raises(InputError) as error:
            image.rgb_HW3  # noqa: B018
        reasons.add(str(error.value))
    assert len(reasons) == 1


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_the_whole_image_is_pillows(format_):
    data = file_of(street(65, 43), format_)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(decode_inputs.image(compressed(data), "front").rgb_HW3, expected)


@pytest.mark.parametrize(
    ("format_", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("PNG", "L")]
)
@pytest.mark.parametrize(("width", "height"), [(320, 240), (321, 243), (199, 107)])
def test_a_reduced_image_is_nearly_the_mean_of_its_blocks(format_, mode, width, height):
    data = file_of(street(width, height), format_, mode)
    image = decode_inputs.image(compressed(data), "front")
    for reduction in range(2, 11):
        found, mean = image.reduced(reduction), np.asarray(Image.fromarray(image.rgb_HW3).reduce(reduction))
        assert found.dtype == np.uint8 and found.shape == mean.shape == (
            -(-height // reduction),
            -(-width // reduction),
            3,
        )
        difference = np.abs(found.astype(int) - mean)
        assert difference.mean() < 4.0, reduction
        if format_ == "PNG":
            assert not difference.any()


def test_a_raw_image_is_a_view_of_its_message():
    rgb = street(64, 40)
    message = make_message("sensor_msgs/msg/Image", header=HEADER, height=40, width=64, encoding="rgb8", is_bigendian=0,
                           step=192, data=rgb.reshape(-1))  # fmt: skip
    image = decode_inputs.image(message, "front")
    assert (image.width, image.height) == (64, 40) and np.shares_memory(image.rgb_HW3, rgb)
    np.testing.assert_array_equal(image.reduced(3), np.asarray(Image.fromarray(rgb).reduce(3)))


H264 = b"\x00\x00\x00\x01\x67\x42\x00\x1f" * 40


@pytest.mark.parametrize(
    ("format_", "data", "expected"),
    [
        ("h264", H264, "format 'h264' cannot be decoded, it is no JPEG, PNG or WebP"),
        ("16UC1; compressedDepth png", bytes(12) + b"\x89PNG\r\n\x1a\n", "compressedDepth png' cannot be decoded"),
        ("jpeg", H264, "format 'jpeg', but the data cannot be decoded, it is no JPEG, PNG or WebP"),
        ("jpeg", b"", "format 'jpeg', but the message is empty; JPEG, PNG or WebP is read"),
        ("jpeg", b"\xff\xd8\xff" + bytes(60), "JPEG is damaged or cut off"),
    ],
)
def test_data_that_is_no_image_is_refused_when_it_arrives_naming_the_format(format_, data, expected):
    reasons = {reason_of(compressed(data, format_)) for _ in range(3)}
    assert len(reasons) == 1 and expected in reasons.copy().pop()
