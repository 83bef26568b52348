"""Runs a model's graphs with ONNX Runtime: encode once, condition once, predict noise at every denoise step."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import (
    CANDIDATE_AXIS,
    ENCODER_INPUTS,
    SCORER_INPUTS,
    TOKEN_AXIS,
    condition_inputs,
)
from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.core.files import cache_folder
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.runtime.inference.manifest import ModelManifest

Array = NDArray[np.float32]
Tensors = dict[str, Array]

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


def engine_cache(manifest: ModelManifest) -> Path:
    """Return the folder in which TensorRT caches a model's engines, so that only the first start is slow."""
    return cache_folder() / "engines" / manifest.model_hash[:16]


def make_session(
    path: Path,
    provider: str,
    num_threads: int,
    sizes: dict[str, int] | None = None,
    engines: Path | None = None,
) -> onnxruntime.InferenceSession:
    """Make an inference session that runs on one provider and on no other.

    Args:
        path: The graph.
        provider: "cpu", "cuda" or "tensorrt".
        num_threads: Threads within an operator; operators run sequentially, so results do not depend on timing.
        sizes: Named free axis -> its length; all shapes are then inferred at loading.
        engines: Cache folder of TensorRT's engines; None caches none.

    Raises:
        ModelError: The provider is not available, or the graph cannot be loaded.
    """
    required = PROVIDERS[provider]
    available = onnxruntime.get_available_providers()
    if required not in available:
        raise ModelError(
            f"execution provider '{provider}' is not available; this onnxruntime has {', '.join(available)}"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Spinning worker threads would take cores from other processes of the vehicle computer.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for name, size in (sizes or {}).items():
        options.add_free_dimension_override_by_name(name, size)
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=[(required, _provider_options(provider, engines))]
        )
    except Exception as error:  # onnxruntime raises plain RuntimeError subclasses of its own binding
        raise ModelError(f"graph {path}: cannot be loaded ({_first_line(error)}); export the model again") from None
    if session.get_providers()[0] != required:
        raise ModelError(f"graph {path}: fell back to {session.get_providers()[0]}, expected {required}")
    return session


def _provider_options(provider: str, engines: Path | None) -> dict[str, str]:
    if provider != "tensorrt" or engines is None:
        return {}
    engines.mkdir(parents=True, exist_ok=True)
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(engines),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(engines),
    }


class _Graph:
    """A session with the cached names of its inputs and outputs."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._inputs = frozenset(item.name for item in session.get_inputs())
        self._outputs = [item.name for item in session.get_outputs()]

    def run(self, feeds: Tensors) -> Tensors:
        """Run the graph; feeds that it does not read are dropped."""
        used = {name: value for name, value in feeds.items() if name in self._inputs}
        return dict(zip(self._outputs, self._session.run(self._outputs, used), strict=True))


class OnnxBackend:
    """The graphs of one model. The denoise graph is loaded once per number of samples and tokens.

    ``predict_noise`` may be called from several threads at once; on "cpu" each call stays on its caller's thread.
    """

    def __init__(
        self, manifest: ModelManifest, provider: str = "cpu", num_threads: int = 2, precision: str = "fp32"
    ) -> None:
        """Load the graphs.

        Args:
            manifest: A checked model folder.
            provider: "cpu", "cuda" or "tensorrt".
            num_threads: Threads within an operator; on "cpu" of the encoder only, the operators of the others are
                too small to be parallelized.
            precision: "fp32" or "int8".

        Raises:
            ModelError: A graph cannot be loaded, or the model has no graphs of this precision.
        """
        self.manifest = manifest
        self._conditions = condition_inputs(manifest.contract)
        self.provider = provider
        self.precision = precision
        self._paths = manifest.graphs_of(precision)
        self._engines = engine_cache(manifest) if provider == "tensorrt" else None
        self._few_threads = 1 if provider == "cpu" else num_threads
        self._encoder = _Graph(make_session(self._paths["encoder"], provider, num_threads, None, self._engines))
        self._condition = _Graph(
            make_session(self._paths["condition"], provider, self._few_threads, None, self._engines)
        )
        self._scorer = None
        if "scorer" in self._paths:
            self._scorer = _Graph(make_session(self._paths["scorer"], provider, self._few_threads, None, self._engines))
        self._denoise: dict[tuple[int, int], _Graph] = {}
        self._denoise_lock = threading.Lock()

    @staticmethod
    def for_config(manifest: ModelManifest, config: PlannerConfig) -> OnnxBackend:
        """Make a backend on the configured execution provider, or on the CPU if the configuration allows that.

        Args:
            manifest: A checked model folder.
            config: Provider, precision and threads.

        Raises:
            ModelError: As the constructor; also when the provider does not work and ``strict_provider`` is set.
        """
        try:
            return OnnxBackend(manifest, config.provider, config.num_threads, config.precision)
        except ModelError:
            if config.strict_provider or config.provider == "cpu":
                raise
        return OnnxBackend(manifest, "cpu", config.num_threads, config.precision)

    def load_denoise(self, num_samples: int, num_tokens: int) -> None:
        """Load the denoise graph for M samples of N = 1 + A tokens, so that the first step is as fast as later ones.

        Args:
            num_samples: M.
            num_tokens: N.

        Raises:
            ModelError: The graph cannot be loaded.
        """
        self._denoise_graph(num_samples, num_tokens)

    def encode(self, observation: Tensors) -> Tensors:
        """Compute scene features and auxiliary outputs of one observation; see ``core.contract`` for names."""
        return self._run("encoder", {name: observation[name] for name in ENCODER_INPUTS}, self._encoder)

    def condition(self, features: Tensors, observation: Tensors, agents: Tensors) -> Tensors:
        """Compute the denoiser's condition, once per cycle.

        Args:
            features: Result of ``encode``.
            observation: The conditions (history, status, route, signal, speed limit, action tokens with masks).
            agents: "agents" (1, A, F) and "agents_valid" (1, A), any A from 0 on.

        Raises:
            ModelError: The graph failed.
        """
        feeds = {name: features[name] for name in self.manifest.encoder_features}
        feeds |= {name: observation[name] for name in self._conditions} | agents
        return self._run("condition", feeds, self._condition)

    def predict_noise(self, sample_MNP: Array, step: int, condition: Tensors) -> Array:
        """Predict the noise in M joint samples at a denoise step; thread-safe.

        Args:
            sample_MNP: Samples (M, N, P) in model space; N = 1 + A with the agents given to ``condition``.
            step: Denoise step k, 1..T.
            condition: Result of ``condition``.

        Raises:
            ModelError: The graph failed or cannot be loaded for this M and N.
        """
        feeds: dict[str, Any] = {name: condition[name] for name in self.manifest.condition_outputs}
        feeds |= {"x": sample_MNP, "k": np.asarray([step], dtype=np.int64)}
        graph = self._denoise_graph(sample_MNP.shape[0], sample_MNP.shape[1])
        return self._run("denoise", feeds, graph)["eps"]

    @property
    def has_scorer(self) -> bool:
        """Whether the model can predict scores."""
        return self._scorer is not None

    def score(
        self, pose_MKT3: NDArray[np.floating[Any]], features: Tensors, observation: Tensors, agents: Tensors
    ) -> Array:
        """Predict the sub-scores (M, Q) of ``core.contract.SCORE_NAMES``, each 0 to 1.

        Args:
            pose_MKT3: Joint futures (M, 1 + A, T, 3) in base_link, the ego first.
            features: Result of ``encode``.
            observation: As for ``condition``.
            agents: As for ``condition``.

        Raises:
            ModelError: The model has no scorer, or it failed.
        """
        if self._scorer is None:
            raise ModelError(f"model {self.manifest.name}: it has no scorer; use selection rules")
        poses = pose_MKT3.astype(np.float32)
        values = {**features, **observation, **agents}
        feeds = {name: values[name] for name in SCORER_INPUTS} | {"pose": poses[:, 0], "agent_pose": poses[:, 1:]}
        return self._run("scorer", feeds, self._scorer)["score"]

    def _denoise_graph(self, num_samples: int, num_tokens: int) -> _Graph:
        """The denoise graph of these sizes, loaded on first use."""
        size = (num_samples, num_tokens)
        with self._denoise_lock:
            if size not in self._denoise:
                axes = {CANDIDATE_AXIS: num_samples, TOKEN_AXIS: num_tokens}
                session = make_session(self._paths["denoise"], self.provider, self._few_threads, axes, self._engines)
                self._denoise[size] = _Graph(session)
            return self._denoise[size]

    def _run(self, name: str, feeds: Tensors, graph: _Graph) -> Tensors:
        try:
            return graph.run(feeds)
        except Exception as error:  # the binding raises types that are not exported
            raise ModelError(f"{name} graph of {self.manifest.name} failed: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
