"""What lens, imager and compression make of a rendered picture: blur, exposure, tone, color, flare, noise, JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraEffects:
    """Effects of one drive, the same in every picture but for the noise.

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
        """Return the picture as this camera would give it.

        Args:
            image_HW3: As rendered, RGB, encoded with gamma 2.
            rng: Of the noise.
        """
        image = image_HW3
        if self.blur_px > 0.15:
            image = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(self.blur_px)))
        image = np.stack([self._table(channel)[image[..., channel]] for channel in range(3)], axis=-1)
        value = image + self._light(image.shape[:2])[..., None] if self.flare or self.vignette else image
        gray = value.mean(axis=2, keepdims=True)
        value = gray + np.float32(self.saturation) * (value - gray)
        if self.noise:
            # Brighter pixels have more shot noise, but less of it after encoding.
            value = value + np.float32(255.0 * self.noise) * rng.standard_normal(value.shape, dtype=np.float32)
        out: Pixels = np.clip(value + np.float32(0.5), 0.0, 255.0).astype(np.uint8)
        return out if self.jpeg_quality >= 100 else _compressed(out, self.jpeg_quality)

    def _table(self, channel: int) -> NDArray[np.float32]:
        linear = (np.arange(256) / 255.0) ** 2 * self.exposure * self.white_balance[channel]
        # Bright parts are compressed rather than cut.
        linear = np.where(linear > 0.8, 0.8 + 0.2 * np.tanh((linear - 0.8) / 0.2), linear)
        return (255.0 * linear ** (0.5 * self.gamma)).astype(np.float32)

    def _light(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return what flare adds and vignetting takes, for every pixel."""
        height, width = shape
        x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
        away = np.hypot(x - self.flare_at[0], (y - self.flare_at[1]) * height / width)
        out = np.hypot(x - 0.5, y - 0.5) / np.sqrt(0.5)
        return (255.0 * (self.flare * np.exp(-4.0 * away) - 0.6 * self.vignette * out**3)).astype(np.float32)


def _compressed(image_HW3: Pixels, quality: int) -> Pixels:
    """Return an image after JPEG compression."""
    buffer = io.BytesIO()
    Image.fromarray(image_HW3).save(buffer, format="JPEG", quality=quality)
    return np.asarray(Image.open(buffer))
