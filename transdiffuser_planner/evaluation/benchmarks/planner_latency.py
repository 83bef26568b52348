"""Latency of planning cycles, interleaved with the model's graphs alone and with the reference convolution R."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.contract import plan_spec
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import PlanResult, SensorSnapshot
from transdiffuser_planner.evaluation.benchmarks.cpu_load import loaded_cores, resident_mb
from transdiffuser_planner.evaluation.benchmarks.latency_statistics import percentiles
from transdiffuser_planner.planning.observation.feature_builder import FeatureBuilder
from transdiffuser_planner.runtime.cycle.candidate_sampler import agent_slots, agent_tensors, candidate_shares
from transdiffuser_planner.runtime.cycle.time_budget import CycleBudget
from transdiffuser_planner.runtime.inference.backend import InferenceBackend
from transdiffuser_planner.runtime.inference.reference_convolution import ReferenceConvolution
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.runtime.supervision.realtime_settings import apply_realtime_settings, raise_priority

WARM_UP_CYCLES = 10
_SETTLE_S = 0.02  # the reference's threads keep spinning for a while and would disturb the next cycle


def planner_speed(
    model: Path, rig: Rig, config: PlannerConfig, inputs: list[SensorSnapshot], cycles: int, load: int = 0
) -> dict[str, Any]:
    """Measure percentiles of the planning cycle, of its stages, of the graphs alone and of R, in milliseconds.

    Args:
        model: Model folder.
        rig: The vehicle's sensors.
        config: Precision, threads, numbers of candidates and steps; its deadline applies under load.
        inputs: Snapshots, used repeatedly; the planner is reset before each pass.
        cycles: Number of measured cycles.
        load: Number of other processes that each load one core; with them cycles have the node's budget.
    """
    begin = time.perf_counter()
    planner = Planner.load(model, rig, config)
    load_s = time.perf_counter() - begin
    reference, graphs = ReferenceConvolution(), _GraphsAlone(planner, rig, inputs[0])
    apply_realtime_settings()
    priority = raise_priority(config.priority)
    samples = _Samples()
    with loaded_cores(load):
        for index in range(cycles + WARM_UP_CYCLES):
            if index % len(inputs) == 0:
                planner.reset()
            start = time.perf_counter()
            budget = None
            if load:
                budget = CycleBudget(end_s=start + (config.deadline_ms - config.fallback_margin_ms) * 1e-3)
            result = planner.plan(inputs[index % len(inputs)], budget)
            elapsed_ms = (time.perf_counter() - start) * 1e3
            if index < WARM_UP_CYCLES:
                continue
            samples.total_ms.append(elapsed_ms)
            samples.results.append(result)
            # Each after the reference, so that all start with the same cold caches.
            samples.reference_ms.append(reference.once_ms())
            time.sleep(_SETTLE_S)
            samples.graphs_ms.append(graphs.once_ms(len(result.agents.id_A)))
            samples.reference_ms.append(reference.once_ms())
            time.sleep(_SETTLE_S)
    return {
        "provider": planner.backend.provider,
        "precision": config.precision,
        "candidates": config.num_candidates,
        "denoise_steps": config.num_denoise_steps,
        "threads": config.num_threads,
        "busy_processes": load,
        "priority": priority,
        "cycles": cycles,
        "load_s": round(load_s, 2),
        **samples.statistics(config.deadline_ms),
        "resident_mb": round(resident_mb(), 0),
    }


@dataclass(kw_only=True, slots=True)
class _Samples:
    """Measured cycles with the graphs alone and the reference next to them."""

    total_ms: list[float] = field(default_factory=list)
    graphs_ms: list[float] = field(default_factory=list)
    reference_ms: list[float] = field(default_factory=list)
    results: list[PlanResult] = field(default_factory=list)

    def statistics(self, deadline_ms: float) -> dict[str, Any]:
        """Return percentiles, and ratios to the graphs alone and to the reference."""
        stages = [result.provenance.stage_ms for result in self.results]
        r_ms, median_ms = float(np.median(self.reference_ms)), float(np.median(self.total_ms))
        return {
            "cycle_ms": percentiles(self.total_ms),
            "stage_ms": {name: percentiles([s[name] for s in stages if name in s]) for name in stages[0]},
            "graphs_alone_ms": percentiles(self.graphs_ms),
            "reference_ms": percentiles(self.reference_ms),
            "median_in_r": round(median_ms / r_ms, 2),
            "p99_in_r": round(float(np.percentile(self.total_ms, 99)) / r_ms, 2),
            "median_by_graphs_alone": round(median_ms / float(np.median(self.graphs_ms)), 2),
            "over_deadline": int(sum(value > deadline_ms for value in self.total_ms)),
            "agents_mean": round(float(np.mean([len(result.agents.id_A) for result in self.results])), 1),
            "steps_chosen": _counts([result.provenance.num_denoise_steps for result in self.results]),
        }


class _GraphsAlone:
    """The model's graphs back to back in the planner's own sessions and threads: no cycle can be faster."""

    def __init__(self, planner: Planner, rig: Rig, snapshot: SensorSnapshot) -> None:
        self._backend: InferenceBackend = planner.backend
        self._config, self._contract = planner.config, planner.contract
        self._observation = FeatureBuilder(planner.contract, rig).build(snapshot)
        self._shares = min(self._config.num_threads, self._backend.parallel_shares)
        self._threads = ThreadPoolExecutor(max_workers=self._shares)

    def once_ms(self, num_agents: int) -> float:
        """Measure encoder, conditioner and all denoise steps once, with the slots for ``num_agents`` agents."""
        slots = next(count for count in agent_slots(self._contract) if count >= num_agents)
        tokens, numbers = plan_spec(self._contract).shape
        assert tokens > slots
        shares = [
            np.zeros((part.stop - part.start, 1 + slots, numbers), dtype=np.float32)
            for part in candidate_shares(self._config.num_candidates, self._shares)
        ]
        begin = time.perf_counter()
        features = self._backend.encode(self._observation)
        no_agents = agent_tensors([], np.zeros((0, 3)), slots)
        condition = self._backend.condition(features, self._observation, no_agents)

        def walk(x: np.ndarray) -> None:
            for k in range(self._config.num_denoise_steps, 0, -1):
                self._backend.predict_noise(x, k, condition)

        list(self._threads.map(walk, shares))
        return (time.perf_counter() - begin) * 1e3


def _counts(values: list[int]) -> dict[str, int]:
    """Count the occurrences of each value, largest value first."""
    return {str(value): values.count(value) for value in sorted(set(values), reverse=True)}


def start_up(model: Path) -> dict[str, float]:
    """Measure time and memory of a fresh Python process until a model is loaded and warmed up."""
    program = (
        "import time, sys; begin = time.perf_counter()\n"
        "from pathlib import Path\n"
        "from transdiffuser_planner.core.planner_config import PlannerConfig\n"
        "from transdiffuser_planner.core.rig import Rig\n"
        "from transdiffuser_planner.params import RIGS\n"
        "from transdiffuser_planner.runtime.planner import Planner\n"
        "Planner.load(Path(sys.argv[1]), Rig.load(RIGS / 'carla.yaml'), PlannerConfig())\n"
        "rss = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmRSS:'))\n"
        "print(time.perf_counter() - begin, int(rss) / 1024, 'torch' in sys.modules)\n"
    )
    begin = time.perf_counter()
    words = subprocess.run(
        [sys.executable, "-c", program, str(model)], check=True, capture_output=True, text=True
    ).stdout.split()
    return {
        "process_s": round(time.perf_counter() - begin, 2),
        "model_ready_s": round(float(words[0]), 2),
        "resident_mb": round(float(words[1]), 0),
        "torch_imported": float(words[2] == "True"),
    }
