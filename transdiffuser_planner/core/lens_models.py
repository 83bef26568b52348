"""Lenses: where rays of a camera's optical frame (x right, y down, z ahead) appear in its raw image.

Pixel coordinates are continuous: the pixel of column c covers c .. c + 1, as everywhere in this package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_STEEPEST = 12.0
"""Tangent of the largest angle that images of pinhole cameras with distortion are used for."""
_SAMPLES = 600


class Lens(Protocol):
    """Projection of a lens."""

    def project(self, ray_N3: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Return column and row (N, 2) of rays, and which of them the lens images (N,).

        Args:
            ray_N3: Directions in the optical frame, not normalized.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class FThetaLens:
    """The distance from the principal point is a polynomial of the angle of the ray, as in NVIDIA's rigs.

    Attributes:
        cx, cy: Principal point, pixels.
        angle_to_distance: Coefficients of pixels by radians, constant first.
        max_angle_rad: Largest angle of the image; 0 for the half space ahead.
        linear: c, d, e of the matrix [[c, d], [e, 1]] between sensor and lens.
    """

    cx: float
    cy: float
    angle_to_distance: tuple[float, ...]
    max_angle_rad: float = 0.0
    linear: tuple[float, float, float] = (1.0, 0.0, 0.0)

    def project(self, ray_N3: FloatArray) -> tuple[FloatArray, BoolArray]:
        """See ``Lens.project``."""
        unit_N2, angle_N = _direction_and_angle(ray_N3)
        offset_N2 = unit_N2 * np.polynomial.polynomial.polyval(angle_N, self.angle_to_distance)[:, None]
        c, d, e = self.linear
        pixel_N2 = offset_N2 @ np.asarray([[c, d], [e, 1.0]]).T + [self.cx, self.cy]
        return pixel_N2, angle_N <= (self.max_angle_rad or np.pi / 2.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class FisheyeLens:
    """Kannala and Brandt, "A generic camera model", 2006, with four coefficients, as in OpenCV's module fisheye.

    Attributes:
        fx, fy, cx, cy: Pixels.
        k: Coefficients of the powers 3, 5, 7, 9 of the angle.
        max_angle_rad: Largest angle of the image; 0 for the half space ahead.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    k: tuple[float, ...] = ()
    max_angle_rad: float = 0.0

    def project(self, ray_N3: FloatArray) -> tuple[FloatArray, BoolArray]:
        """See ``Lens.project``."""
        unit_N2, angle_N = _direction_and_angle(ray_N3)
        bent_N = kannala_brandt(angle_N, self.k)
        return unit_N2 * bent_N[:, None] * [self.fx, self.fy] + [self.cx, self.cy], angle_N <= (
            self.max_angle_rad or np.pi / 2.0
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RadialLens:
    """Brown and Conrady with rational radial, tangential and thin prism terms, as in OpenCV's calib3d.

    Attributes:
        fx, fy, cx, cy: Pixels.
        radial: k1 to k6.
        tangential: p1, p2.
        thin_prism: s1 to s4.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    radial: tuple[float, ...] = ()
    tangential: tuple[float, ...] = ()
    thin_prism: tuple[float, ...] = ()

    def project(self, ray_N3: FloatArray) -> tuple[FloatArray, BoolArray]:
        """See ``Lens.project``; rays that the polynomials would fold back into the image are not imaged."""
        ahead_N = ray_N3[:, 2] > 1e-3
        depth_N = np.where(ahead_N, ray_N3[:, 2], 1.0)
        x, y = ray_N3[:, 0] / depth_N, ray_N3[:, 1] / depth_N
        with np.errstate(all="ignore"):
            bent_x, bent_y = brown_conrady(x, y, self.radial, self.tangential, self.thin_prism)
        pixel_N2 = np.stack([self.fx * bent_x + self.cx, self.fy * bent_y + self.cy], axis=1)
        seen_N = ahead_N & (x * x + y * y < self._reach() ** 2)
        return np.where(seen_N[:, None], pixel_N2, 0.0), seen_N

    def _reach(self) -> float:
        """Tangent of the angle up to which the image's radius grows with the angle."""
        radius = np.linspace(0.0, _STEEPEST, _SAMPLES)
        with np.errstate(all="ignore"):
            grows = np.diff(radius * _rational(radius**2, self.radial)) > 0.0
        return _STEEPEST if grows.all() else float(radius[np.argmin(grows)])


def kannala_brandt(angle_N: FloatArray, k: tuple[float, ...]) -> FloatArray:
    """Return distances from the principal point, in focal lengths, see ``FisheyeLens``.

    Args:
        angle_N: Angles of the rays to the optical axis, rad.
        k: Up to four coefficients.
    """
    return np.asarray(angle_N * (1.0 + sum(value * angle_N ** (2 * i + 2) for i, value in enumerate(k[:4]))))


def brown_conrady(
    x: FloatArray,
    y: FloatArray,
    radial: tuple[float, ...],
    tangential: tuple[float, ...],
    thin_prism: tuple[float, ...],
) -> tuple[FloatArray, FloatArray]:
    """Return the tangents at which a lens shows rays, see ``RadialLens``; not finite at the poles of its rational term.

    Args:
        x: Tangents of the rays to the right of the optical axis.
        y: Tangents below it.
        radial: Up to six coefficients.
        tangential: Up to two.
        thin_prism: Up to four.
    """
    r2 = x * x + y * y
    p1, p2 = _padded(tangential, 2)
    s1, s2, s3, s4 = _padded(thin_prism, 4)
    factor = _rational(r2, radial)
    bent_x = x * factor + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x) + s1 * r2 + s2 * r2 * r2
    bent_y = y * factor + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y + s3 * r2 + s4 * r2 * r2
    return bent_x, bent_y


def _rational(r2: FloatArray, radial: tuple[float, ...]) -> FloatArray:
    """Factor of the radius."""
    k1, k2, k3, k4, k5, k6 = _padded(radial, 6)
    return np.asarray((1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1.0 + r2 * (k4 + r2 * (k5 + r2 * k6))))


def _direction_and_angle(ray_N3: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Unit vectors (N, 2) from the optical axis to the rays, and their angles to it, rad."""
    across_N = np.hypot(ray_N3[:, 0], ray_N3[:, 1])
    unit_N2 = ray_N3[:, :2] / np.maximum(across_N, 1e-12)[:, None]
    return unit_N2, np.arctan2(across_N, ray_N3[:, 2])


def _padded(values: tuple[float, ...], count: int) -> tuple[float, ...]:
    return (*values, *(0.0,) * count)[:count]
