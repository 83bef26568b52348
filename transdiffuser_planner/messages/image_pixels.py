"""Pixels of received images: checked when the message arrives, unpacked when they are read."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from transdiffuser_planner.core.camera_image import reduced_rgb
from transdiffuser_planner.core.errors import InputError

_CHANNELS = {"rgb8": (3, (0, 1, 2)), "bgr8": (3, (2, 1, 0)), "rgba8": (4, (0, 1, 2)), "bgra8": (4, (2, 1, 0)),
             "mono8": (1, (0, 0, 0)), "8UC1": (1, (0, 0, 0)), "8UC3": (3, (2, 1, 0)), "8UC4": (4, (2, 1, 0))}  # fmt: skip
# Formats of image_transport, and 8-bit color or gray modes (a 16-bit image is depth).
_IMAGE_FORMATS = ("JPEG", "PNG", "WEBP")
_IMAGE_MODES = ("L", "RGB", "RGBA", "P", "LA", "CMYK")
_MAX_PIXELS = 2**25  # 8K video; a header of a few bytes can claim gigabytes
_MAX_FORMAT = 60
_MAGIC_BYTES = 12
_JPEG_SCALES = (8, 4, 2)
_LEAST_RATIO = 1.25  # between a scaled JPEG and the wanted size: resizing by less would pick single pixels


class RawPixels:
    """Pixels of a sensor_msgs/Image, a view of the message.

    Args:
        message: rclpy's, rosbags' or read from its serialized form.
        name: Camera.

    Raises:
        InputError: Unknown encoding, truncated data or zero size.
    """

    def __init__(self, message: Any, name: str) -> None:
        height, width, step = int(message.height), int(message.width), int(message.step)
        if message.encoding not in _CHANNELS:
            raise InputError(f"camera '{name}': encoding '{message.encoding}' is not one of {', '.join(_CHANNELS)}")
        channels, self._order = _CHANNELS[message.encoding]
        if height < 1 or width < 1 or step < width * channels:
            raise InputError(f"camera '{name}': size {width}x{height} with step {step} is no {message.encoding} image")
        data = np.frombuffer(message.data, dtype=np.uint8)
        if len(data) < height * step:
            raise InputError(f"camera '{name}': truncated, expected {height * step} bytes, got {len(data)}")
        rows = data[: height * step].reshape(height, step)[:, : width * channels]
        self._pixels = rows.reshape(height, width, channels)
        self.width, self.height = width, height

    def unpack(self, reduction: int) -> NDArray[np.uint8]:
        """Return the pixels in the order of RGB.

        Args:
            reduction: See ``core.camera_image.Pixels``.
        """
        is_rgb = self._order == (0, 1, 2) and self._pixels.shape[2] == 3
        return reduced_rgb(self._pixels if is_rgb else np.ascontiguousarray(self._pixels[:, :, self._order]), reduction)


class EncodedPixels:
    """Pixels of a sensor_msgs/CompressedImage: a JPEG, PNG or WebP file.

    Only its header is read at first; a JPEG is unpacked at a fraction of its size where that suffices.

    Args:
        message: rclpy's, rosbags' or read from its serialized form.
        name: Camera.

    Raises:
        InputError: No such file, a damaged header, too many pixels or no 8-bit color or gray image.
    """

    def __init__(self, message: Any, name: str) -> None:
        self._data, self._name = np.frombuffer(message.data, dtype=np.uint8), name  # a view
        self._kind = _kind_of(bytes(self._data[:_MAGIC_BYTES]))
        if not self._kind:
            raise InputError(f"camera '{name}': {_described(str(message.format), len(self._data))}")
        with self._open() as header:
            self.width, self.height = header.size
            if self.width * self.height > _MAX_PIXELS:
                claimed = f"{self.width}x{self.height}"
                raise InputError(f"camera '{name}': {self._kind} claims {claimed}, more than {_MAX_PIXELS} pixels")
            if header.mode not in _IMAGE_MODES:
                raise InputError(f"camera '{name}': {self._kind} of kind {header.mode} is no 8-bit color or gray image")

    def _open(self) -> PillowImage.Image:
        try:
            return PillowImage.open(io.BytesIO(self._data.data), formats=(self._kind,))
        except Exception:  # the exceptions of Pillow's decoders are no closed list
            raise self._damaged() from None

    def _damaged(self) -> InputError:
        """The same text for every image: Pillow's errors hold addresses and numbers of bytes, and would be counted apart."""
        return InputError(f"camera '{self._name}': {self._kind} is damaged or cut off, it cannot be decoded")

    def unpack(self, reduction: int) -> NDArray[np.uint8]:
        """Decode the file.

        Args:
            reduction: See ``core.camera_image.Pixels``.

        Raises:
            InputError: It is damaged.
        """
        with self._open() as image:
            wanted = next((s for s in _JPEG_SCALES if reduction % s == 0 or reduction >= _LEAST_RATIO * s), 1)
            try:
                if wanted > 1:  # no effect on other kinds; Pillow may choose less
                    image.draft("RGB", (max(1, self.width // wanted), max(1, self.height // wanted)))
                rgb = image.convert("RGB")
            except Exception:  # see _open
                raise self._damaged() from None
        scale = next(s for s in (*_JPEG_SCALES, 1) if rgb.size == (-(-self.width // s), -(-self.height // s)))
        if reduction % scale == 0:
            return reduced_rgb(np.asarray(rgb), reduction // scale)
        return _resized(rgb, self.width, self.height, scale, reduction)


def _kind_of(data: bytes) -> str:
    """Pillow's name of the format by the first bytes, or "" for anything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    return "WEBP" if data.startswith(b"RIFF") and data[8:12] == b"WEBP" else ""


def _described(format_: str, size: int) -> str:
    """What is wrong with data that is no image file, in the same words for all messages of a topic."""
    named = f"'{format_[:_MAX_FORMAT]}'"
    accepted = "JPEG, PNG or WebP"
    if not size:
        return f"format {named}, but the message is empty; {accepted} is read"
    if any(known in format_.lower() for known in ("jpeg", "jpg", "png", "webp")) and "depth" not in format_.lower():
        return f"format {named}, but the data cannot be decoded, it is no {accepted}"
    return f"format {named} cannot be decoded, it is no {accepted}"


def _resized(scaled: PillowImage.Image, width: int, height: int, scale: int, reduction: int) -> NDArray[np.uint8]:
    """Resize an image of 1/scale to 1/reduction; incomplete blocks at the right and lower edge repeat their neighbor."""
    columns, rows = max(1, width // reduction), max(1, height // reduction)
    box = (
        0.0,
        0.0,
        min(columns * reduction / scale, scaled.size[0]),
        min(rows * reduction / scale, scaled.size[1]),
    )
    resized = np.asarray(scaled.resize((columns, rows), PillowImage.Resampling.HAMMING, box=box))
    more_rows, more_columns = -(-height // reduction) - rows, -(-width // reduction) - columns
    return (
        np.pad(resized, ((0, more_rows), (0, more_columns), (0, 0)), mode="edge")
        if more_rows + more_columns
        else resized
    )
