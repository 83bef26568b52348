"""Sensor frames of a recorded drive that are read when they are needed. N points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.camera_image import Pixels
from transdiffuser_planner.core.types import CameraIntrinsics


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFrame:
    """An image file of a camera.

    Attributes:
        stamp_ns: Time of the exposure.
        camera: Name of the rig's camera.
        read: Returns the JPEG, PNG or WebP file of the rig's camera, rectified; raises InputError where it cannot be read.
        pixels: Returns the pixels as recorded, where they are not just those of that file; raises InputError.
        intrinsics: Of those pixels; None where they are those of the rig's camera.
    """

    stamp_ns: int
    camera: str
    read: Callable[[], bytes]
    pixels: Callable[[], Pixels] | None = None
    intrinsics: CameraIntrinsics | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CloudFrame:
    """A sweep of the LiDAR.

    Attributes:
        stamp_ns: Time to which the sweep is compensated.
        read: Returns x, y, z (m) in the frame of the rig's LiDAR and intensity, float32 (N, 4); raises InputError.
    """

    stamp_ns: int
    read: Callable[[], NDArray[np.float32]]


SensorFrame = ImageFrame | CloudFrame
