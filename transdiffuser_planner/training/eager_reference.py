"""The same network as papers publish it, as a yardstick of the planner: PyTorch in eager mode, fp32, on the CPU.

What is run, once per cycle: the scene encoder with its auxiliary heads; ``DenoisingDecoder.prepare``, which computes keys
and values of the scene once and not at every step; all T denoise steps of the ancestral DDPM sampler, each one call of
``DenoisingDecoder.forward`` with all candidates in one batch. Nothing of the export's algebra, no compilation, no other
memory layout. Images, LiDAR histogram, tracking, smoothing, selection and checks are not in it, though they are in the
planner's cycle: the stated speed-up is a lower bound.

Weights are random: the shipped folder has graphs and no PyTorch weights, and the time does not depend on the values. Sizes
are those of the manifest's network configuration and contract.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ENCODER_INPUTS, plan_spec
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.networks.network_config import NetworkConfig
from transdiffuser_planner.networks.planner_network import PlannerNetwork
from transdiffuser_planner.planning.diffusion.sampler import sample_plans
from transdiffuser_planner.runtime.inference.manifest import ModelManifest
from transdiffuser_planner.training.export.model_folder import random_observation

Array = NDArray[np.float32]


class EagerReference:
    """Runs the network of a model folder in PyTorch.

    Args:
        manifest: The model folder.
        num_candidates: Joint futures per cycle.
        num_threads: Threads of PyTorch, of the whole process.

    Raises:
        ConfigError: The manifest does not state the network's sizes.
    """

    def __init__(self, manifest: ModelManifest, num_candidates: int, num_threads: int) -> None:
        if "network" not in manifest.training:
            raise ConfigError(
                f"model folder {manifest.folder}: its manifest does not state the network; export it again"
            )
        torch.set_num_threads(num_threads)
        self.num_agents = manifest.contract.num_agents
        self._num_candidates, self._numbers = num_candidates, plan_spec(manifest.contract).shape[1]
        self._schedule = manifest.sampler().schedule
        self._network = PlannerNetwork(NetworkConfig.from_dict(manifest.training["network"]), manifest.contract).eval()
        values = random_observation(manifest.contract, 0)
        self._values = {name: torch.from_numpy(value) for name, value in values.items()}

    @property
    def num_steps(self) -> int:
        """Denoise steps T."""
        return self._schedule.num_steps

    def once_ms(self, num_agents: int) -> float:
        """Run the network of one cycle and return the milliseconds.

        Args:
            num_agents: Agents of the scene; published code has the contract's number and masks those that are absent.
        """
        shape = (self.num_steps, self._num_candidates, 1 + num_agents, self._numbers)
        noise = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        begin = time.perf_counter()
        with torch.inference_mode():
            self._run(noise, num_agents)
        return (time.perf_counter() - begin) * 1e3

    def _run(self, noise: Array, num_agents: int) -> None:
        values, decoder = self._values, self._network.decoder
        features, _ = self._network.perception(*(values[name] for name in ENCODER_INPUTS))
        agents = (values[name][:, :num_agents] for name in ("agents", "agents_valid"))
        prepared = decoder.prepare(features.tokens, values, *agents)

        def predict_noise(x: Array, k: int) -> Array:
            predicted, _ = decoder(torch.from_numpy(x)[None], torch.full((1, 1), k), prepared)
            return np.asarray(predicted[0])

        sample_plans(predict_noise, self._schedule, noise, num_steps=self.num_steps, sampler="ddpm")
