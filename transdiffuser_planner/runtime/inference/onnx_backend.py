"""Runs a model's graphs with ONNX Runtime: encode once, condition once, predict noise at every denoise step."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
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
from transdiffuser_planner.runtime.inference.manifest import ModelManifest
from transdiffuser_planner.runtime.inference.onnx_session import first_line, make_session

Array = NDArray[np.float32]
Tensors = Mapping[str, Array]


class _Graph:
    """A session with the cached names of its inputs and outputs."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._inputs = frozenset(item.name for item in session.get_inputs())
        self._outputs = [item.name for item in session.get_outputs()]

    def run(self, feeds: Tensors) -> dict[str, Array]:
        """Run the graph; feeds that it does not read are dropped."""
        used = {name: value for name, value in feeds.items() if name in self._inputs}
        return dict(zip(self._outputs, self._session.run(self._outputs, used), strict=True))


class OnnxBackend:
    """The graphs of one model, fed from the host: the backend of the CPU (``bound_backend.py`` has that of GPUs).

    The denoise graph is loaded once per number of samples and tokens. Graphs are loaded in parallel.

    ``predict_noise`` may be called from several threads at once; each call stays on its caller's thread.
    """

    provider = "cpu"

    def __init__(
        self,
        manifest: ModelManifest,
        num_threads: int = 2,
        precision: str = "fp32",
        denoise_sizes: Iterable[tuple[int, int]] = (),
    ) -> None:
        """Load the graphs.

        Args:
            manifest: A checked model folder.
            num_threads: Threads within an operator of the encoder; those of the others are too small to be parallelized.
            precision: "fp32" or "int8".
            denoise_sizes: Samples M and tokens N of each denoise graph to load at once; others load on first use.

        Raises:
            ModelError: A graph cannot be loaded, or the model has no graphs of this precision.
        """
        self.manifest = manifest
        self._conditions = condition_inputs(manifest.contract)
        self.precision = precision
        self._paths = manifest.graphs_of(precision)
        self._num_threads = num_threads
        self._denoise_lock = threading.Lock()
        with ThreadPoolExecutor(max_workers=num_threads, thread_name_prefix="graphs") as loaders:
            single = [name for name in ("encoder", "scorer", "condition") if name in self._paths]
            jobs = {name: loaders.submit(self._load, name) for name in single}
            denoise = {size: loaders.submit(self._load, "denoise", size) for size in dict.fromkeys(denoise_sizes)}
        self._encoder, self._condition = jobs["encoder"].result(), jobs["condition"].result()
        self._scorer = jobs["scorer"].result() if "scorer" in jobs else None
        self._denoise = {size: job.result() for size, job in denoise.items()}

    @property
    def parallel_shares(self) -> int:
        """One call of ``predict_noise`` per thread; each stays on one core."""
        return self._num_threads

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
        feeds |= {name: observation[name] for name in self._conditions} | dict(agents)
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
                self._denoise[size] = self._load("denoise", size)
            return self._denoise[size]

    def _load(self, name: str, size: tuple[int, int] | None = None) -> _Graph:
        """Load a graph, the denoise graph for M samples of N tokens."""
        axes = None if size is None else {CANDIDATE_AXIS: size[0], TOKEN_AXIS: size[1]}
        num_threads = self._num_threads if name == "encoder" else 1
        return _Graph(make_session(self._paths[name], self.provider, num_threads, axes))

    def _run(self, name: str, feeds: Tensors, graph: _Graph) -> dict[str, Array]:
        try:
            return graph.run(feeds)
        except Exception as error:  # the binding raises types that are not exported
            raise ModelError(f"{name} graph of {self.manifest.name} failed: {first_line(error)}") from None
