"""Strong changes of the images' appearance in training, so that the encoder learns shapes and not the simulator's colors.

Domain randomization (Tobin et al. 2017): every surface class of an image gets another tint and texture where its labels are
known, then the whole image another tone curve and mixture of colors; blur, noise, hidden rectangles and artifacts of JPEG
imitate cameras. Heads of traffic lights keep their colors, whose meaning is learned. All functions take images (3, H, W) of
bytes and return new ones.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from transdiffuser_planner.core.view_semantics import VIEW_STRIDE, ViewClass
from transdiffuser_planner.training.recipe import AugmentationConfig

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

TINT = 0.35
"""Standard deviation of the logarithm of a surface's brightness; its color varies by half of it."""
TEXTURE = 0.25
"""Largest contrast of the textures."""
JPEG_QUALITY = (15, 75)
BLUR_PX = (0.4, 1.6)
NOISE_LEVELS = (2.0, 18.0)
CUTOUT_SHARE = 0.2
"""Longest edge of a hidden rectangle as a share of the image's height and width."""


def change_appearance(
    image_BCHW: NDArray[np.uint8],
    labels_BHW: NDArray[np.uint8] | None,
    rng: np.random.Generator,
    config: AugmentationConfig,
) -> NDArray[np.uint8]:
    """Change shares of the images as the recipe requests; without such a request nothing is drawn from rng.

    Args:
        image_BCHW: Images; columns that no camera covers are zeros and stay so.
        labels_BHW: Their ViewClass in cells of VIEW_STRIDE; None without labels.
        rng: Random numbers.
        config: Probabilities.
    """
    shares = (config.style, config.blur, config.noise, config.cutout, config.jpeg)
    if not any(shares):
        return image_BCHW
    out: NDArray[np.uint8] = image_BCHW.copy()
    chosen = rng.random((len(out), len(shares))) < np.asarray(shares)
    steps = (None, _blurred, _noisy, _with_cutouts, _as_jpeg)
    for row in np.flatnonzero(chosen.any(axis=1)):
        image = out[row]
        hidden_W = ~image.any(axis=(0, 1))
        if chosen[row, 0]:
            image = restyled(image, None if labels_BHW is None else labels_BHW[row], rng)
        for step, wanted in zip(steps[1:], chosen[row, 1:], strict=True):
            if wanted and step is not None:
                image = step(image, rng)
        out[row] = image
        out[row][:, :, hidden_W] = 0
    return out


def restyled(image_CHW: Pixels, labels_HW: NDArray[np.uint8] | None, rng: np.random.Generator) -> Pixels:
    """Give every surface another tint and texture, the image another tone curve and mixture of colors.

    Args:
        image_CHW: The image.
        labels_HW: Its ViewClass in cells of VIEW_STRIDE, or None.
        rng: Random numbers.
    """
    size = (image_CHW.shape[1], image_CHW.shape[2])
    value: Floats = image_CHW.astype(np.float32) / np.float32(255.0)
    keep = np.zeros(size, dtype=np.bool_)
    if labels_HW is not None:
        label = labels_HW.repeat(VIEW_STRIDE, axis=0).repeat(VIEW_STRIDE, axis=1)[: size[0], : size[1]]
        keep = label == ViewClass.LAMP
        gain = np.exp(rng.normal(0.0, TINT, (256, 1)) + rng.normal(0.0, 0.5 * TINT, (256, 3)))
        value *= gain.astype(np.float32)[label].transpose(2, 0, 1)
        contrast = rng.uniform(0.0, TEXTURE, 256).astype(np.float32)[label]
    else:
        contrast = np.full(size, rng.uniform(0.0, TEXTURE), dtype=np.float32)
    value *= 1.0 + contrast * _texture(size, rng)
    value = _mixed_colors(value, rng)
    changed = _tone_curves(np.clip(value, 0.0, 1.0), rng)
    return np.where(keep, image_CHW, changed)


def _texture(size: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Random field (H, W) of about -1 to 1, a sum of octaves of which some are missing."""
    field = np.zeros(size, dtype=np.float32)
    for cell in (2, 4, 8, 16, 32, 64):
        weight = max(rng.normal(0.0, 0.6), 0.0)
        shape = (-(-size[0] // cell), -(-size[1] // cell))
        coarse = rng.uniform(-1.0, 1.0, shape).astype(np.float32)
        field += np.float32(weight) * np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BILINEAR))
    return field


def _mixed_colors(value_CHW: Floats, rng: np.random.Generator) -> Floats:
    """Mix the channels: less or more saturated, another white balance, sometimes nearly gray."""
    gray = np.full((3, 3), 1.0 / 3.0)
    saturation = rng.uniform(0.0, 1.6)
    matrix = saturation * np.eye(3) + (1.0 - saturation) * gray + rng.normal(0.0, 0.06, (3, 3))
    matrix *= np.exp(rng.normal(0.0, 0.12, (3, 1)))
    return np.tensordot(matrix.astype(np.float32), value_CHW, axes=1)


def _tone_curves(value_CHW: Floats, rng: np.random.Generator) -> Pixels:
    """Apply a random rising curve, slightly different for each channel."""
    knots = np.linspace(0.0, 1.0, 6)
    common = np.cumsum(rng.dirichlet(np.full(6, 3.0)))
    low, high = rng.uniform(-0.1, 0.25), rng.uniform(0.7, 1.1)
    out = np.empty(value_CHW.shape, dtype=np.uint8)
    for channel in range(3):
        curve = low + (high - low) * np.clip(common + rng.normal(0.0, 0.02, 6), 0.0, 1.0)
        table = np.interp(np.arange(256) / 255.0, knots, curve)
        codes = (value_CHW[channel] * 255.0).astype(np.uint8)
        out[channel] = np.rint(255.0 * np.clip(table, 0.0, 1.0)).astype(np.uint8)[codes]
    return out


def _blurred(image_CHW: Pixels, rng: np.random.Generator) -> Pixels:
    """Blur, or reduce and enlarge the image."""
    image = _to_pillow(image_CHW)
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(*BLUR_PX)))
    else:
        share = rng.uniform(0.4, 0.9)
        small = (max(int(image.width * share), 1), max(int(image.height * share), 1))
        image = image.resize(small, Image.Resampling.BILINEAR).resize(image.size, Image.Resampling.BILINEAR)
    return _from_pillow(image)


def _noisy(image_CHW: Pixels, rng: np.random.Generator) -> Pixels:
    """Add noise, of brightness or of each channel."""
    channels = 3 if rng.random() < 0.5 else 1
    noise = rng.standard_normal((channels, *image_CHW.shape[1:]), dtype=np.float32)
    value = image_CHW + np.float32(rng.uniform(*NOISE_LEVELS)) * noise
    return np.clip(value, 0.0, 255.0).astype(np.uint8)


def _with_cutouts(image_CHW: Pixels, rng: np.random.Generator) -> Pixels:
    """Hide up to three rectangles behind one color each."""
    out = image_CHW.copy()
    size = np.asarray(image_CHW.shape[1:])
    for _ in range(rng.integers(1, 4)):
        edge = np.maximum(size * rng.uniform(0.03, CUTOUT_SHARE, 2), 1).astype(int)
        row, column = (rng.random(2) * (size - edge)).astype(int)
        out[:, row : row + edge[0], column : column + edge[1]] = rng.integers(0, 256, 3)[:, None, None]
    return out


def _as_jpeg(image_CHW: Pixels, rng: np.random.Generator) -> Pixels:
    """Compress and decompress."""
    buffer = io.BytesIO()
    _to_pillow(image_CHW).save(buffer, "JPEG", quality=int(rng.integers(*JPEG_QUALITY)))
    return _from_pillow(Image.open(buffer))


def _to_pillow(image_CHW: Pixels) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image_CHW.transpose(1, 2, 0)))


def _from_pillow(image: Image.Image) -> Pixels:
    return np.asarray(image, dtype=np.uint8).transpose(2, 0, 1)
