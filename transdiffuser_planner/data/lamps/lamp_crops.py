"""Folders of crops of traffic light heads: the parent folder's name is the state. N crops, H and W of LAMP_CROP."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.types import SignalState
from transdiffuser_planner.core.view_semantics import LAMP_CROP

STATES = {
    "red": SignalState.RED,
    "amber": SignalState.AMBER,
    "yellow": SignalState.AMBER,
    "green": SignalState.GREEN,
    "off": SignalState.UNKNOWN,
}
"""Name of a folder -> state of its crops."""
SUFFIXES = (".jpg", ".jpeg", ".png")
HALVES = ("all", "first", "second")


@dataclass(frozen=True, kw_only=True, slots=True)
class LampCrops:
    """Crops in memory.

    Attributes:
        image_N3HW: RGB bytes.
        state_N: SignalState.
    """

    image_N3HW: NDArray[np.uint8]
    state_N: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.state_N)


def read_crops(folder: Path, half: str = "all") -> LampCrops:
    """Read all crops below a folder.

    Args:
        folder: It holds folders named as STATES at any depth.
        half: "first" or "second" for every other crop of each state, in order of the files' names; or "all".

    Raises:
        InputError: There is no crop, or a file is no image.
    """
    chosen: list[tuple[Path, SignalState]] = []
    for state in SignalState:
        files = [
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in SUFFIXES and STATES.get(path.parent.name.lower()) == state
        ]
        files.sort(key=lambda path: (path.name, str(path)))
        chosen += [(path, state) for path in {"all": files, "first": files[::2], "second": files[1::2]}[half]]
    if not chosen:
        raise InputError(f"crops {folder}: no image in a folder named {', '.join(STATES)}")
    return LampCrops(
        image_N3HW=np.stack([_read(path) for path, _ in chosen]),
        state_N=np.asarray([int(state) for _, state in chosen], dtype=np.int64),
    )


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        image = Image.open(path).convert("RGB").resize(LAMP_CROP[::-1], Image.Resampling.BILINEAR)
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"crop {path}: cannot be read ({error})") from None
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def unlit(crop_3HW: NDArray[np.uint8], state: SignalState) -> NDArray[np.uint8]:
    """Return a head without a lit lamp, made of the unlit half of a lit one and its mirror image.

    Args:
        crop_3HW: A head whose lamps are in a column, red on top.
        state: RED or GREEN; of other heads the lit lamp is in the middle.
    """
    half = crop_3HW.shape[1] // 2
    out: NDArray[np.uint8] = crop_3HW.copy()
    if state == SignalState.RED:
        out[:, :half] = crop_3HW[:, : -half - 1 : -1]
    elif state == SignalState.GREEN:
        out[:, -half:] = crop_3HW[:, half - 1 :: -1]
    return out


def drawn_head(rng: np.random.Generator) -> tuple[NDArray[np.uint8], SignalState]:
    """Draw a head as the simulator's cameras show them, at random size, brightness and place in the crop.

    Args:
        rng: Random numbers.

    Returns:
        Crop (3, H, W) and state.
    """
    height, width = LAMP_CROP
    crop = np.empty((height, width, 3), dtype=np.float64)
    crop[:] = rng.uniform(20.0, 235.0) + rng.normal(0.0, 12.0, 3)
    if rng.random() < 0.5:
        crop[: rng.integers(1, height)] = rng.uniform(20.0, 235.0, 3)
    tall, wide = int(height * rng.uniform(0.55, 1.0)), int(width * rng.uniform(0.45, 0.95))
    top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
    crop[top : top + tall, left : left + wide] = rng.uniform(5.0, 60.0) + rng.normal(0.0, 3.0, 3)
    state = SignalState(int(rng.integers(0, len(SignalState))))
    colors = {
        SignalState.RED: (255, 120 * rng.random(), 90 * rng.random()),
        SignalState.AMBER: (255, rng.uniform(150, 230), 110 * rng.random()),
        SignalState.GREEN: (110 * rng.random(), 255, rng.uniform(90, 235)),
    }
    edge = int(min(tall / 3.4, wide * 0.8))
    for place, lamp in enumerate((SignalState.RED, SignalState.AMBER, SignalState.GREEN)):
        row, column = top + int((place + 0.5) * tall / 3.0) - edge // 2, left + (wide - edge) // 2
        lit = np.asarray(colors[lamp]) * rng.uniform(0.75, 1.0) if lamp == state else rng.uniform(10.0, 70.0, 3)
        crop[max(row, 0) : row + edge, column : column + edge] = lit
    return np.clip(crop, 0.0, 255.0).astype(np.uint8).transpose(2, 0, 1), state


def drawn_surroundings(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw something that is no head: areas and edges of any color, as of house fronts, sky and vehicles.

    Args:
        rng: Random numbers.
    """
    height, width = LAMP_CROP
    crop = np.empty((height, width, 3), dtype=np.float64)
    crop[:] = rng.uniform(0.0, 255.0, 3)
    for _ in range(rng.integers(0, 9)):
        edge = (np.asarray(LAMP_CROP) * rng.uniform(0.1, 1.2, 2)).astype(int) + 1
        row, column = rng.integers(-edge[0] // 2, height), rng.integers(-edge[1] // 2, width)
        color = rng.uniform(0.0, 255.0) + rng.normal(0.0, 60.0 if rng.random() < 0.4 else 12.0, 3)
        crop[max(row, 0) : row + edge[0], max(column, 0) : column + edge[1]] = color
    coarse = rng.normal(0.0, rng.uniform(0.0, 30.0), (height // 4, width // 4, 1))
    crop += coarse.repeat(4, axis=0).repeat(4, axis=1)
    drawn: NDArray[np.uint8] = np.clip(crop, 0.0, 255.0).astype(np.uint8).transpose(2, 0, 1)
    return drawn
