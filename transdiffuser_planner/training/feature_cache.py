"""The frozen encoder's tokens of all samples, computed once and kept on disk for stage 2."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.networks.planner_network import PerceptionNetwork
from transdiffuser_planner.networks.scene_encoder import FEATURE_NAMES
from transdiffuser_planner.training.encoder_stage import perceive
from transdiffuser_planner.training.samples import SampleSet

BATCH = 64
Arrays = dict[str, NDArray[Any]]


class FeatureCache:
    """Half-precision tokens by the names of ``FEATURE_NAMES``, (N, K, D), memory-mapped."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays

    def gather(self, index_B: NDArray[np.int64]) -> dict[str, torch.Tensor]:
        """Tokens (B, K, D), float32."""
        return {name: torch.from_numpy(array[index_B].astype(np.float32)) for name, array in self._arrays.items()}

    @staticmethod
    def make(
        folder: Path, key: str, network: PerceptionNetwork, samples: SampleSet, contract: ModelContract
    ) -> FeatureCache:
        """Open the cache, or fill it when it belongs to other weights or samples.

        Args:
            folder: Where it lies.
            key: Identifies encoder weights and samples.
            network: The trained perception.
        """
        mark = folder / "done.json"
        if mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == key:
            return FeatureCache({name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in FEATURE_NAMES})
        folder.mkdir(parents=True, exist_ok=True)
        mark.unlink(missing_ok=True)
        counts, width = network.encoder.token_counts(), network.config.width
        arrays = {
            name: np.lib.format.open_memmap(
                folder / f"{name}.npy", mode="w+", dtype=np.float16, shape=(len(samples), counts[name], width)
            )
            for name in FEATURE_NAMES
        }
        _fill(arrays, network.eval(), samples, contract)
        mark.write_text(json.dumps(key), encoding="utf-8")
        return FeatureCache(dict(arrays))


@torch.no_grad()
def _fill(arrays: Arrays, network: PerceptionNetwork, samples: SampleSet, contract: ModelContract) -> None:
    names = ("image", "lidar", "camera_valid", "lidar_valid")
    for start in tqdm(range(0, len(samples), BATCH), desc="features", unit="batch", file=sys.stderr, mininterval=1.0):
        index = np.arange(start, min(start + BATCH, len(samples)))
        batch = {name: torch.from_numpy(value) for name, value in samples.gather(index, names).items()}
        with torch.autocast("cpu", torch.bfloat16):
            features, _ = perceive(network, batch, contract)
        for name, tokens in features.tokens.items():
            arrays[name][index] = tokens.float().numpy().astype(np.float16)
