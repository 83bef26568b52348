"""Calls of a model's graphs, recorded in real cycles and repeated without the rest of the planner."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import AGENT_AXIS, CANDIDATE_AXIS, TOKEN_AXIS
from transdiffuser_planner.runtime.inference.backend import InferenceBackend
from transdiffuser_planner.runtime.inference.manifest import ModelManifest

Array = NDArray[np.float32]
Tensors = Mapping[str, Array]
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphCall:
    """One call of a graph.

    Attributes:
        graph: encoder, condition, denoise or scorer.
        sizes: Named free axis of the graph -> its length in this call.
        thread: Identity of the calling thread.
        repeat: Makes the same call again; None once it is only counted.
    """

    graph: str
    sizes: dict[str, int]
    thread: int
    repeat: Callable[[], Any] | None = None


class RecordingBackend:
    """Passes every call on to a backend and keeps it, so that benchmarks repeat what a cycle really did.

    Args:
        backend: Executes the model.
    """

    manifest: ModelManifest
    provider: str
    precision: str

    def __init__(self, backend: InferenceBackend) -> None:
        self._backend = backend
        self.manifest, self.provider, self.precision = backend.manifest, backend.provider, backend.precision
        self._calls: list[GraphCall] = []
        self._scene: tuple[Tensors, Tensors, Tensors] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    @property
    def parallel_shares(self) -> int:
        """As the backend's; see ``InferenceBackend``."""
        return self._backend.parallel_shares

    @property
    def has_scorer(self) -> bool:
        """Whether the model can predict scores."""
        return self._backend.has_scorer

    def take(self) -> list[GraphCall]:
        """Return the calls since the last time, in order, and forget them."""
        calls, self._calls = self._calls, []
        return calls

    def encode(self, observation: Tensors) -> Tensors:
        """Pass on; see ``InferenceBackend``."""
        return self._keep("encoder", {}, lambda: self._backend.encode(observation))

    def condition(self, features: Tensors, observation: Tensors, agents: Tensors) -> Tensors:
        """Pass on; see ``InferenceBackend``."""
        self._scene = features, observation, agents
        sizes = {AGENT_AXIS: agents["agents"].shape[1]}
        return self._keep("condition", sizes, lambda: self._backend.condition(features, observation, agents))

    def predict_noise(self, sample_MNP: Array, step: int, condition: Tensors) -> Array:
        """Pass on; see ``InferenceBackend``."""
        sizes = {CANDIDATE_AXIS: sample_MNP.shape[0], TOKEN_AXIS: sample_MNP.shape[1]}
        return self._keep("denoise", sizes, lambda: self._backend.predict_noise(sample_MNP, step, condition))

    def score(
        self, pose_MKT3: NDArray[np.floating[Any]], features: Tensors, observation: Tensors, agents: Tensors
    ) -> Array:
        """Pass on; see ``InferenceBackend``."""
        sizes = {CANDIDATE_AXIS: pose_MKT3.shape[0], AGENT_AXIS: agents["agents"].shape[1]}
        return self._keep("scorer", sizes, lambda: self._backend.score(pose_MKT3, features, observation, agents))

    def scorer_call(self, num_candidates: int) -> GraphCall:
        """Return a call of the scorer in the scene of the last cycle, for candidates that stand still.

        Args:
            num_candidates: M.
        """
        assert self._scene is not None
        features, observation, agents = self._scene
        shape = (num_candidates, 1 + agents["agents"].shape[1], self.manifest.contract.num_plan_steps, 3)
        before = self.take()
        self.score(np.zeros(shape), features, observation, agents)
        (call,), self._calls = self.take(), before
        return call

    def _keep(self, graph: str, sizes: dict[str, int], call: Callable[[], Outcome]) -> Outcome:
        self._calls.append(GraphCall(graph=graph, sizes=sizes, thread=threading.get_ident(), repeat=call))
        return call()


class GraphsAlone:
    """Repeats the calls of a cycle back to back, in as many threads: no cycle of the same calls can be faster."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(thread_name_prefix="graphs alone")

    def once_ms(self, calls: Sequence[GraphCall]) -> dict[str, float]:
        """Repeat the calls of one cycle.

        Args:
            calls: Result of ``RecordingBackend.take``.

        Returns:
            Graph -> milliseconds, in order of their first call; calls of a graph from several threads run at once.
        """
        spent_ms: dict[str, float] = {}
        for graph in dict.fromkeys(call.graph for call in calls):
            shares: dict[int, list[GraphCall]] = {}
            for call in calls:
                if call.graph == graph:
                    shares.setdefault(call.thread, []).append(call)
            first, *others = shares.values()
            begin = time.perf_counter()
            running = [self._threads.submit(_repeat, share) for share in others]
            _repeat(first)
            for share in running:
                share.result()
            spent_ms[graph] = (time.perf_counter() - begin) * 1e3
        return spent_ms


def _repeat(calls: Sequence[GraphCall]) -> None:
    for call in calls:
        assert call.repeat is not None
        call.repeat()
