"""Runs a model's graphs on a GPU: tensors stay there from the encoder to the last denoise step.

Every graph is loaded with fixed axes, so that it is one CUDA graph and, with TensorRT, one engine. Agents are therefore
padded to the contract's number; absent ones are masked, which changes results by less than 1e-4.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import (
    AGENT_AXIS,
    CANDIDATE_AXIS,
    ENCODER_INPUTS,
    SCORER_INPUTS,
    TOKEN_AXIS,
    condition_inputs,
)
from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.core.files import cache_folder
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.runtime.inference.bound_graph import BoundGraph, Device, DeviceTensors
from transdiffuser_planner.runtime.inference.half_precision import HALF_GRAPHS, half_graphs
from transdiffuser_planner.runtime.inference.manifest import ModelManifest
from transdiffuser_planner.runtime.inference.onnx_session import CaptureError, first_line, make_session
from transdiffuser_planner.runtime.inference.providers import provider_options, provider_problem

Array = NDArray[np.float32]
Tensors = Mapping[str, Array]
Feeds = Mapping[str, NDArray[Any]]

AGENT_INPUTS: Final = ("agents", "agents_valid")


def engine_cache(manifest: ModelManifest) -> Path:
    """Return the folder in which TensorRT caches a model's engines, so that only the first start is slow."""
    return cache_folder() / "engines" / manifest.model_hash[:16]


class BoundBackend:
    """The graphs of one model on one device; may be called from several threads, whose calls follow one another.

    On the CPU it computes the same bits as ``OnnxBackend`` with padded agents; it is of use there only to be tested.

    Attributes:
        manifest: The model folder.
        provider: "cuda", "tensorrt" or "cpu".
        precision: "fp32" or "fp16".
        not_captured: Graph -> why it is no CUDA graph although ``cuda_graphs`` is "auto".
    """

    parallel_shares = 1

    def __init__(self, manifest: ModelManifest, config: PlannerConfig) -> None:
        """Load the graphs whose sizes do not depend on the number of candidates.

        Args:
            manifest: A checked model folder.
            config: Provider, device, precision, CUDA graphs, limit of memory.

        Raises:
            ModelError: The provider does not work, or a graph cannot be loaded.
        """
        problem = provider_problem(config.provider)
        if problem:
            raise ModelError(problem)
        self.manifest, self._config = manifest, config
        self.provider, self.precision = config.provider, config.precision
        self.not_captured: dict[str, str] = {}
        self._conditions = condition_inputs(manifest.contract)
        self._num_agents = manifest.contract.num_agents
        is_converted = config.precision == "fp16" and config.provider != "tensorrt"
        self._paths = half_graphs(manifest) if is_converted else dict(manifest.graphs)
        self._device = Device("cpu" if config.provider == "cpu" else "cuda", config.device_id)
        self._denoise: dict[int, BoundGraph] = {}
        self._scorers: dict[int, BoundGraph] = {}
        self._encoder = self._device.call(self._load, "encoder", {}, {})
        sizes = {AGENT_AXIS: self._num_agents, TOKEN_AXIS: 1 + self._num_agents}
        self._condition = self._device.call(self._load, "condition", sizes, self._encoder.outputs)

    @property
    def has_scorer(self) -> bool:
        """Whether the model can predict scores."""
        return "scorer" in self._paths

    def encode(self, observation: Tensors) -> DeviceTensors:
        """Compute scene features and auxiliary outputs of one observation; see ``core.contract`` for names.

        Args:
            observation: At least the ``ENCODER_INPUTS``.

        Raises:
            ModelError: The graph failed.
        """
        return self._device.call(
            self._run, "encoder", self._encoder, {name: observation[name] for name in ENCODER_INPUTS}
        )

    def condition(self, features: Tensors, observation: Tensors, agents: Tensors) -> DeviceTensors:
        """Compute the denoiser's condition, once per cycle; see ``InferenceBackend``."""
        feeds = {name: observation[name] for name in self._conditions} | self._padded(agents)
        return self._device.call(self._run, "condition", self._condition, feeds, {self._encoder: features})

    def predict_noise(self, sample_MNP: Array, step: int, condition: Tensors) -> Array:
        """Predict the noise in M joint samples at a denoise step; thread-safe; see ``InferenceBackend``."""
        num_samples, num_tokens, _ = sample_MNP.shape
        missing = 1 + self._num_agents - num_tokens
        padded = np.pad(sample_MNP, ((0, 0), (0, missing), (0, 0))) if missing else sample_MNP
        feeds: Feeds = {"x": padded, "k": np.asarray([step], dtype=np.int64)}
        return self._device.call(self._predict, num_samples, feeds, condition)[:, :num_tokens]

    def score(
        self, pose_MKT3: NDArray[np.floating[Any]], features: Tensors, observation: Tensors, agents: Tensors
    ) -> Array:
        """Predict the sub-scores (M, Q) of ``core.contract.SCORE_NAMES``, each 0 to 1; see ``InferenceBackend``.

        Raises:
            ModelError: The model has no scorer, or it failed.
        """
        if not self.has_scorer:
            raise ModelError(f"model {self.manifest.name}: it has no scorer; use selection rules")
        missing = 1 + self._num_agents - pose_MKT3.shape[1]
        poses = np.pad(pose_MKT3.astype(np.float32), ((0, 0), (0, missing), (0, 0), (0, 0)))
        observed = {name: observation[name] for name in SCORER_INPUTS if name in observation}
        feeds = observed | self._padded(agents) | {"pose": poses[:, 0], "agent_pose": poses[:, 1:]}
        return self._device.call(self._score, len(poses), feeds, features)

    def _padded(self, agents: Tensors) -> dict[str, Array]:
        """The agents' tensors with masked agents up to the contract's number."""
        missing = self._num_agents - agents["agents"].shape[1]
        return {
            name: np.pad(agents[name], ((0, 0), (0, missing), (0, 0))[: agents[name].ndim]) for name in AGENT_INPUTS
        }

    def _predict(self, num_samples: int, feeds: Feeds, condition: Tensors) -> Array:
        if num_samples not in self._denoise:
            sizes = {CANDIDATE_AXIS: num_samples, TOKEN_AXIS: 1 + self._num_agents}
            self._denoise[num_samples] = self._load("denoise", sizes, self._condition.outputs)
        return self._run("denoise", self._denoise[num_samples], feeds, {self._condition: condition})["eps"]

    def _score(self, num_plans: int, feeds: Feeds, features: Tensors) -> Array:
        if num_plans not in self._scorers:
            sizes = {CANDIDATE_AXIS: num_plans, AGENT_AXIS: self._num_agents}
            self._scorers[num_plans] = self._load("scorer", sizes, self._encoder.outputs)
        return self._run("scorer", self._scorers[num_plans], feeds, {self._encoder: features})["score"]

    def _run(
        self, name: str, graph: BoundGraph, feeds: Feeds, needs: Mapping[BoundGraph, Tensors] | None = None
    ) -> DeviceTensors:
        """Run a graph after the buffers that it shares hold what the caller means.

        Raises:
            ModelError: The graph failed.
        """
        try:
            for source, tensors in (needs or {}).items():
                graph.read_from(source, tensors)
            return graph.run(feeds)
        except Exception as error:  # the binding raises types that are not exported
            raise ModelError(f"{name} graph of {self.manifest.name} failed: {first_line(error)}") from None

    def _load(self, name: str, sizes: dict[str, int], shared: Mapping[str, Any]) -> BoundGraph:
        """Load a graph for these sizes: as a CUDA graph, or without one where that is left to the backend.

        Raises:
            ModelError: The graph cannot be loaded, or not be captured although that is required.
        """
        on_gpu, wanted = self.provider != "cpu", self._config.cuda_graphs
        if on_gpu and wanted != "off" and name not in self.not_captured:
            try:
                return self._bound(name, sizes, shared, capture=True)
            except CaptureError as error:
                if wanted == "on":
                    raise ModelError(f"{error}; set cuda_graphs to auto") from None
                self.not_captured[name] = str(error)
                print(f"{error}: it runs without", file=sys.stderr)
        return self._bound(name, sizes, shared, capture=False)

    def _bound(self, name: str, sizes: dict[str, int], shared: Mapping[str, Any], *, capture: bool) -> BoundGraph:
        half, engines = self.precision == "fp16" and name in HALF_GRAPHS, None
        if self.provider == "tensorrt":
            parts = [name, *(str(size) for size in sizes.values()), "fp16" if half else "fp32"]
            engines = engine_cache(self.manifest) / "-".join(parts)
            if not any(engines.glob("*.engine")):
                print(f"TensorRT builds the engine of {engines.name}, once; this takes up to minutes", file=sys.stderr)
            engines.mkdir(parents=True, exist_ok=True)
        options = provider_options(self._config, engines, capture=capture, half=half)
        session = make_session(self._paths[name], self.provider, self._config.num_threads, sizes, options)
        return BoundGraph(session, self._device, shared)
