"""Cache of the frozen encoder's tokens of all samples on disk, for stage 2.

The encoder is the run's own network or the graph of an exported model; with the latter the training features equal those
computed on the vehicle.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from transdiffuser_planner.core.contract import ENCODER_INPUTS, ModelContract
from transdiffuser_planner.core.files import writing
from transdiffuser_planner.data.samples.sample_set import SampleSet, observation_of
from transdiffuser_planner.networks.encoder.scene_encoder import FEATURE_NAMES, SceneFeatures
from transdiffuser_planner.networks.planner_network import PerceptionNetwork
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
from transdiffuser_planner.training.engine.devices import Devices, to_device

BATCH = 64
SENSOR_ARRAYS = ("image", "lidar", "camera_valid", "lidar_valid")
Batch = dict[str, Any]
Arrays = dict[str, NDArray[Any]]
Encode = Callable[[Arrays], Arrays]
"""Stored sensor arrays (B, ...) -> tokens (B, K, D) by the names of ``FEATURE_NAMES``."""


def perceive(
    network: PerceptionNetwork, batch: Batch, contract: ModelContract, *, with_view: bool = False
) -> tuple[SceneFeatures, dict[str, Tensor]]:
    """Run the perception on stored sensor bytes.

    Args:
        network: The perception.
        batch: Stored sensor tensors (B, ...).
        contract: Its sizes.
        with_view: Add "view_logits" where the network has a view head.

    Returns:
        Scene features and auxiliary outputs.
    """
    image = (batch["image"].float() / 255.0).contiguous(memory_format=torch.channels_last)
    lidar = (batch["lidar"].float() / contract.lidar_clip_points).contiguous(memory_format=torch.channels_last)
    inputs = {
        "image": image,
        "lidar": lidar,
        "camera_valid": batch["camera_valid"],
        "lidar_valid": batch["lidar_valid"],
    }
    features, heads = network(*(inputs[name] for name in ENCODER_INPUTS))
    if with_view and network.view_head is not None:
        heads["view_logits"] = network.view_head(features.image_maps)
    return features, heads


def network_encoder(network: PerceptionNetwork, contract: ModelContract, machine: Devices) -> Encode:
    """Encoder of the trained perception, on the devices and in the precision of its training."""
    network = network.eval().to(machine.device)

    @torch.no_grad()
    def encode(raw: Arrays) -> Arrays:
        batch = to_device({name: torch.from_numpy(value) for name, value in raw.items()}, machine.device)
        with machine.autocast():
            features, _ = perceive(network, batch, contract)
        return {name: tokens.float().cpu().numpy() for name, tokens in features.tokens.items()}

    return encode


def graph_encoder(backend: OnnxBackend) -> Encode:
    """Encoder graph of an exported model, one scene at a time as on the vehicle."""

    def encode(raw: Arrays) -> Arrays:
        scenes = [{name: value[i : i + 1] for name, value in raw.items()} for i in range(len(raw["image"]))]
        rows = [backend.encode(observation_of(scene, backend.manifest.contract)) for scene in scenes]
        return {name: np.concatenate([row[name] for row in rows]) for name in FEATURE_NAMES}

    return encode


def _reserved(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """A memory-mapped file of half-precision zeros, whose space on the disk is taken now: a full disk would kill the process."""
    with writing(path, path):
        array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


class FeatureCache:
    """Half-precision tokens by the names of ``FEATURE_NAMES``.

    Args:
        arrays: Tokens (N, K, D) of all samples, memory-mapped.
    """

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(next(iter(self._arrays.values())))

    def gather(self, index_B: NDArray[np.int64]) -> dict[str, torch.Tensor]:
        """Tokens (B, K, D), float32."""
        return {name: torch.from_numpy(array[index_B].astype(np.float32)) for name, array in self._arrays.items()}

    @staticmethod
    def make(folder: Path, key: str, encode: Encode, samples: SampleSet) -> FeatureCache:
        """Open the cache; recompute it if it belongs to other weights or samples.

        Args:
            folder: Of the cache.
            key: Identifies encoder weights and samples.
            encode: The encoder.
            samples: The samples to encode.
        """
        mark = folder / "done.json"
        if mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == key:
            return FeatureCache({name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in FEATURE_NAMES})
        folder.mkdir(parents=True, exist_ok=True)
        mark.unlink(missing_ok=True)
        arrays: Arrays = {}
        starts = tqdm(range(0, len(samples), BATCH), desc="features", unit="batch", file=sys.stderr, mininterval=1.0)
        for start in starts:
            index = np.arange(start, min(start + BATCH, len(samples)))
            for name, tokens in encode(samples.gather(index, SENSOR_ARRAYS)).items():
                if name not in arrays:
                    shape = (len(samples), *tokens.shape[1:])
                    arrays[name] = _reserved(folder / f"{name}.npy", shape)
                arrays[name][index] = tokens.astype(np.float16)
        mark.write_text(json.dumps(key), encoding="utf-8")
        return FeatureCache(arrays)


class JoinedFeatures(FeatureCache):
    """Two caches in one index: the samples of the first, then those of the second.

    Args:
        first: Cache of the first samples.
        second: Cache of the samples after them.
    """

    def __init__(self, first: FeatureCache, second: FeatureCache) -> None:
        self._first, self._second = first, second

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._first) + len(self._second)

    def gather(self, index_B: NDArray[np.int64]) -> dict[str, torch.Tensor]:
        """Tokens (B, K, D), float32."""
        own_B = index_B < len(self._first)
        own = self._first.gather(index_B[own_B])
        other = self._second.gather(index_B[~own_B] - len(self._first))
        order = torch.from_numpy(np.argsort(np.concatenate([np.flatnonzero(own_B), np.flatnonzero(~own_B)])))
        return {name: torch.cat([own[name], other[name]])[order] for name in own}
