"""What lens, imager and compression make of a rendered image: blur, exposure, tone, color, flare, noise, JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

Pixels = NDArray[np.uint8]

_NUM_GRAINS = 1 << 20
_LOSSLESS = 95  # differences above are smaller than the noise


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraEffects:
    """Effects of one drive, the same in every image but for the noise.

    Attributes:
        exposure: Factor of linear brightness.
        gamma: Exponent of the tone curve.
        white_balance: Factor of each channel.
        saturation: 0 gray, 1 as rendered.
        blur_px: Standard deviation of a Gaussian blur.
        noise: Standard deviation at mid-gray, share of full scale.
        flare: Brightness of the flare, share of full scale.
        flare_at: Its middle, as shares of width and height.
        vignette: Darkening of the corners.
        jpeg_quality: 100 for no compression.
    """

    exposure: float = 1.0
    gamma: float = 1.0
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    saturation: float = 1.0
    blur_px: float = 0.0
    noise: float = 0.0
    flare: float = 0.0
    flare_at: tuple[float, float] = (0.5, 0.0)
    vignette: float = 0.0
    jpeg_quality: int = 100

    def applied(self, image_HW3: Pixels, rng: np.random.Generator) -> Pixels:
        """Return the image as this camera would give it.

        Args:
            image_HW3: As rendered, RGB, encoded with gamma 2.
            rng: Of the noise.
        """
        pixels = Image.fromarray(image_HW3)
        if self.blur_px > 0.15:
            pixels = pixels.filter(ImageFilter.GaussianBlur(self.blur_px))
        pixels = pixels.point(_lookup(self))
        if abs(self.saturation - 1.0) > 0.02:
            pixels = ImageEnhance.Color(pixels).enhance(self.saturation)
        value = np.asarray(pixels)
        if self.flare or self.vignette or self.noise:
            changed = value + _light(self, value.shape[0], value.shape[1])
            if self.noise:
                changed += _grain(value.shape, self.noise, rng)
            value = np.clip(changed, 0, 255).astype(np.uint8)
        return value if self.jpeg_quality >= _LOSSLESS else _compressed(value, self.jpeg_quality)


@lru_cache(maxsize=16)
def _lookup(effects: CameraEffects) -> list[int]:
    """Return the byte for each of 256 bytes of the three channels, one channel after the other."""
    table: list[int] = []
    for factor in effects.white_balance:
        linear = (np.arange(256) / 255.0) ** 2 * effects.exposure * factor
        # Bright parts are compressed rather than cut.
        linear = np.where(linear > 0.8, 0.8 + 0.2 * np.tanh((linear - 0.8) / 0.2), linear)
        table += np.rint(255.0 * linear ** (0.5 * effects.gamma)).astype(int).tolist()
    return table


@lru_cache(maxsize=16)
def _light(effects: CameraEffects, height: int, width: int) -> NDArray[np.int16]:
    """Return what flare adds and vignetting takes, (H, W, 1)."""
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    away = np.hypot(x - effects.flare_at[0], (y - effects.flare_at[1]) * height / width)
    out = np.hypot(x - 0.5, y - 0.5) / np.sqrt(0.5)
    light = 255.0 * (effects.flare * np.exp(-4.0 * away) - 0.6 * effects.vignette * out**3)
    return np.asarray(light[..., None], dtype=np.int16)


@lru_cache(maxsize=4)
def _grains(noise: float) -> NDArray[np.int16]:
    random = np.random.default_rng(round(noise * 1e6))
    return np.rint(255.0 * noise * random.standard_normal(_NUM_GRAINS)).astype(np.int16)


def _grain(shape: tuple[int, ...], noise: float, rng: np.random.Generator) -> NDArray[np.int16]:
    """Return noise of an image: a piece of a long series, which is much cheaper than drawing it."""
    count = int(np.prod(shape))
    first = int(rng.integers(0, _NUM_GRAINS - min(count, _NUM_GRAINS - 1)))
    return np.resize(_grains(noise)[first : first + count], shape)


def _compressed(image_HW3: Pixels, quality: int) -> Pixels:
    """Return an image after JPEG compression."""
    buffer = io.BytesIO()
    Image.fromarray(image_HW3).save(buffer, format="JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
