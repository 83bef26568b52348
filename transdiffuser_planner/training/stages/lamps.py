"""Stage lamps: a small classifier learns the state of traffic lights from crops, real ones and drawn ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from transdiffuser_planner.core.types import SignalState
from transdiffuser_planner.core.view_semantics import LAMP_CROP
from transdiffuser_planner.data.lamps.lamp_crops import LampCrops, drawn_head, drawn_surroundings, unlit
from transdiffuser_planner.training.engine.devices import full_precision

Batch = dict[str, Any]
Crop = NDArray[np.uint8]

STAGE = "lamps"
DRAWN_SHARE, SURROUNDINGS_SHARE, UNLIT_SHARE = 0.25, 0.15, 0.15
NOTHING = SignalState.UNKNOWN


def make_batch(crops: LampCrops, index_B: NDArray[np.int64], rng: np.random.Generator) -> Batch:
    """Make one batch: rare states as often as others, some heads drawn or without light, some crops of none, all changed.

    Args:
        crops: Training set.
        index_B: Gives the size of the batch; crops are drawn by state.
        rng: Random numbers.
    """
    rows = {state: np.flatnonzero(crops.state_N == int(state)) for state in SignalState}
    present = [state for state in SignalState if len(rows[state])]
    images, states = [], []
    for _ in index_B:
        kind = rng.random()
        if kind < DRAWN_SHARE:
            image, state = drawn_head(rng)
        elif kind < DRAWN_SHARE + SURROUNDINGS_SHARE:
            image, state = drawn_surroundings(rng), NOTHING
        else:
            state = present[rng.integers(len(present))]
            image = crops.image_N3HW[rng.choice(rows[state])]
            if state in (SignalState.RED, SignalState.GREEN) and rng.random() < UNLIT_SHARE:
                image, state = unlit(image, state), NOTHING
        images.append(changed(image, rng))
        states.append(int(state))
    image_B3HW = np.stack(images).astype(np.float32) / np.float32(255.0)
    return {"image": torch.from_numpy(image_B3HW), "state": torch.from_numpy(np.asarray(states, dtype=np.int64))}


def changed(crop_3HW: Crop, rng: np.random.Generator) -> Crop:
    """Shift, mirror, reduce and recolor a crop, as detections and cameras do.

    Args:
        crop_3HW: RGB bytes.
        rng: Random numbers.
    """
    height, width = LAMP_CROP
    image = Image.fromarray(np.ascontiguousarray(crop_3HW.transpose(1, 2, 0)))
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    margin = rng.uniform(-0.15, 0.2, 4) * np.asarray([width, height, width, height])
    box = (-margin[0], -margin[1], width + margin[2], height + margin[3])
    image = image.rotate(rng.normal(0.0, 4.0), Image.Resampling.BILINEAR)
    image = image.transform((width, height), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR)
    if rng.random() < 0.5:  # a distant head
        columns = int(rng.integers(4, width))
        image = image.resize((columns, max(2 * columns, 1)), Image.Resampling.BOX)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    value = np.asarray(image, dtype=np.float32)
    value = 255.0 * (value / 255.0) ** np.float32(np.exp(rng.normal(0.0, 0.25)))
    value = value * np.exp(rng.normal(0.0, 0.05, 3)).astype(np.float32) * np.float32(np.exp(rng.normal(0.0, 0.15)))
    value += rng.normal(0.0, rng.uniform(0.0, 8.0), value.shape).astype(np.float32)
    return np.clip(value, 0.0, 255.0).astype(np.uint8).transpose(2, 0, 1)


def losses(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy of the states as "total"."""
    logits = network(batch["image"])
    with full_precision(logits.device):
        return {"total": nn.functional.cross_entropy(logits.float(), batch["state"], label_smoothing=0.05)}


@torch.no_grad()
def validate(crops: LampCrops, network: nn.Module) -> dict[str, float]:
    """Share of correct states, over all crops and for each state.

    Args:
        crops: Validation set.
        network: The trained network.
    """
    network.eval()
    device = next(network.parameters()).device
    images = torch.from_numpy(crops.image_N3HW.astype(np.float32) / np.float32(255.0))
    found = np.concatenate([network(part.to(device)).argmax(dim=1).cpu().numpy() for part in images.split(128)])
    right = found == crops.state_N
    by_state = {
        s.name.lower(): float(right[crops.state_N == int(s)].mean())
        for s in SignalState
        if (crops.state_N == int(s)).any()
    }
    return {"accuracy": float(right.mean()), **by_state}
