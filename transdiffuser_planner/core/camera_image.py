"""One camera image. Its pixels are unpacked when they are first read, at once in the size that is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from transdiffuser_planner.core.errors import InputError


class Pixels(Protocol):
    """Where the pixels of an image come from.

    Attributes:
        width, height: Size in pixels, known without unpacking.
    """

    width: int
    height: int

    def unpack(self, reduction: int) -> NDArray[np.uint8]:
        """Return uint8 RGB (ceil(height / reduction), ceil(width / reduction), 3).

        Args:
            reduction: How many pixels, in both directions, become one; 1 for the image itself.

        Raises:
            InputError: The pixels cannot be unpacked.
        """
        ...


class ArrayPixels:
    """Pixels in memory.

    Args:
        rgb_HW3: uint8, rows from the top.
    """

    def __init__(self, rgb_HW3: NDArray[np.uint8]) -> None:
        self._rgb_HW3 = rgb_HW3
        self.height, self.width = (int(size) for size in rgb_HW3.shape[:2])

    def unpack(self, reduction: int) -> NDArray[np.uint8]:
        """Return the pixels, reduced by averaging.

        Args:
            reduction: See ``Pixels``.
        """
        return reduced_rgb(self._rgb_HW3, reduction)


@dataclass(init=False, eq=False)
class CameraImage:
    """One image of a camera. Pixels are unpacked at most once per size, in the thread that reads them first.

    Args:
        rgb_HW3: uint8, rows from the top; or pixels are given.

    Attributes:
        stamp_ns: Stamp of the image.
        name: Camera of the rig.
        pixels: Source of the pixels.
        failure: Reason that the pixels could not be unpacked, after the attempt.
    """

    __slots__ = ("_unpacked", "failure", "name", "pixels", "stamp_ns")
    stamp_ns: int
    name: str
    pixels: Pixels

    def __init__(
        self, *, stamp_ns: int, name: str, rgb_HW3: NDArray[np.uint8] | None = None, pixels: Pixels | None = None
    ) -> None:
        if pixels is None:
            assert rgb_HW3 is not None
            pixels = ArrayPixels(rgb_HW3)
        self.stamp_ns, self.name, self.pixels = stamp_ns, name, pixels
        self.failure = ""
        self._unpacked: dict[int, NDArray[np.uint8]] = {}

    @property
    def width(self) -> int:
        """Width in pixels, without unpacking."""
        return self.pixels.width

    @property
    def height(self) -> int:
        """Height in pixels, without unpacking."""
        return self.pixels.height

    @property
    def rgb_HW3(self) -> NDArray[np.uint8]:
        """The whole image, uint8, rows from the top.

        Raises:
            InputError: It cannot be unpacked.
        """
        return self.reduced(1)

    def reduced(self, reduction: int) -> NDArray[np.uint8]:
        """Return the image at a fraction of its size, uint8 (ceil(height / reduction), ceil(width / reduction), 3).

        Args:
            reduction: How many pixels, in both directions, become one.

        Raises:
            InputError: It cannot be unpacked.
        """
        if reduction not in self._unpacked:
            if self.failure:
                raise InputError(self.failure)
            try:
                self._unpacked[reduction] = self.pixels.unpack(reduction)
            except InputError as error:
                self.failure = str(error)
                raise
        return self._unpacked[reduction]


def reduced_rgb(rgb_HW3: NDArray[np.uint8], reduction: int) -> NDArray[np.uint8]:
    """Average blocks of pixels.

    Args:
        rgb_HW3: uint8 image.
        reduction: Height and width of a block.

    Returns:
        uint8 (ceil(H / reduction), ceil(W / reduction), 3); the image itself for blocks of one pixel.
    """
    if reduction == 1:
        return rgb_HW3
    return np.asarray(PillowImage.fromarray(np.ascontiguousarray(rgb_HW3)).reduce(reduction))
