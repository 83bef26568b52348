"""Latency of planning cycles, interleaved with the graphs alone, the reference convolution R and the network in PyTorch."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import PlanResult, SensorSnapshot
from transdiffuser_planner.evaluation.benchmarks.cpu_load import loaded_cores, resident_mb
from transdiffuser_planner.evaluation.benchmarks.graphs.graph_calls import RecordingBackend
from transdiffuser_planner.evaluation.benchmarks.graphs.graph_limits import GraphLimits
from transdiffuser_planner.evaluation.benchmarks.latency_statistics import percentiles
from transdiffuser_planner.evaluation.benchmarks.placed_agents import PlacedAgents
from transdiffuser_planner.runtime.cycle.time_budget import CycleBudget
from transdiffuser_planner.runtime.inference.backend_registry import make_backend
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.reference_convolution import ReferenceConvolution
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.runtime.supervision.realtime_settings import apply_realtime_settings, raise_priority

WARM_UP_CYCLES = 10
_SETTLE_S = 0.02  # the threads of other libraries keep spinning for a while and would disturb the next cycle


class EagerNetwork(Protocol):
    """The same network in another library; see ``training.eager_reference``.

    Attributes:
        num_agents: Agents of the contract.
        num_steps: Denoise steps T.
    """

    num_agents: int

    @property
    def num_steps(self) -> int:
        """Denoise steps T."""

    def once_ms(self, num_agents: int) -> float:
        """Run the network of one cycle with these agents and return the milliseconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkSetting:
    """How much is measured, and under which load.

    Attributes:
        cycles: Number of measured cycles.
        warm_up: Number of cycles before.
        load: Number of other processes that each load one core; with them cycles have the node's budget.
        placed_agents: Cars placed around the vehicle; None: those that the model detects.
    """

    cycles: int
    warm_up: int = WARM_UP_CYCLES
    load: int = 0
    placed_agents: int | None = None


def planner_speed(
    model: Path,
    rig: Rig,
    config: PlannerConfig,
    inputs: list[SensorSnapshot],
    setting: BenchmarkSetting,
    eager: EagerNetwork | None = None,
    advance: Callable[[], Any] = lambda: None,
) -> dict[str, Any]:
    """Measure percentiles of the planning cycle, of its stages, of the graphs alone and of R, in milliseconds.

    Args:
        model: Model folder.
        rig: The vehicle's sensors.
        config: Precision, threads, numbers of candidates and steps; its deadline applies under load.
        inputs: Snapshots, used repeatedly; the planner is reset before each pass.
        setting: Numbers of cycles and of busy processes.
        eager: The same network in PyTorch, run after every cycle: with the contract's agents after every other one, with
            the scene's agents after the rest.
        advance: Called after every cycle.

    Returns:
        Settings and numbers. "graphs" has one row per graph; without onnx "not_counted" has the reason instead.
    """
    begin = time.perf_counter()
    executed = make_backend(load_manifest(model), config)
    if setting.placed_agents is not None:
        executed = PlacedAgents(executed, setting.placed_agents)
    backend = RecordingBackend(executed)
    planner = Planner(backend, rig, config)
    planner.warm_up()
    load_s = time.perf_counter() - begin
    apply_realtime_settings()
    priority = raise_priority(config.priority)
    samples = _Samples(reference=ReferenceConvolution(), limits=GraphLimits(backend, config), eager=eager)
    with loaded_cores(setting.load):
        for index in range(setting.cycles + setting.warm_up):
            if index % len(inputs) == 0:
                planner.reset()
            backend.take()
            result, elapsed_ms = _one_cycle(planner, inputs[index % len(inputs)], has_budget=setting.load > 0)
            advance()
            if index >= setting.warm_up:
                samples.add(result, elapsed_ms)
    return {
        "provider": planner.backend.provider,
        "precision": config.precision,
        "candidates": config.num_candidates,
        "sampler": config.sampler,
        "denoise_steps": config.num_denoise_steps,
        "threads": config.num_threads,
        "busy_processes": setting.load,
        "priority": priority,
        "cycles": setting.cycles,
        "load_s": round(load_s, 2),
        **samples.statistics(config.deadline_ms),
        **samples.limits.statistics(float(np.median(samples.total_ms))),
        "resident_mb": round(resident_mb(), 0),
    }


def _one_cycle(planner: Planner, snapshot: SensorSnapshot, *, has_budget: bool) -> tuple[PlanResult, float]:
    """Plan once, with the node's budget if requested; the result and the milliseconds."""
    config, start = planner.config, time.perf_counter()
    margin_s = (config.deadline_ms - config.fallback_margin_ms) * 1e-3
    result = planner.plan(snapshot, CycleBudget(end_s=start + margin_s) if has_budget else None)
    return result, (time.perf_counter() - start) * 1e3


@dataclass(kw_only=True, slots=True)
class _Samples:
    """Measured cycles with the graphs alone, the reference and the network in PyTorch next to them."""

    reference: ReferenceConvolution
    limits: GraphLimits
    eager: EagerNetwork | None
    total_ms: list[float] = field(default_factory=list)
    graphs_ms: list[float] = field(default_factory=list)
    reference_ms: list[float] = field(default_factory=list)
    eager_ms: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)
    results: list[PlanResult] = field(default_factory=list)

    def add(self, result: PlanResult, elapsed_ms: float) -> None:
        """Store a cycle, and measure what belongs next to it: each after R, so that all start with the same cold caches."""
        self.total_ms.append(elapsed_ms)
        self.results.append(result)
        self._measure_reference()
        alone_ms = self.limits.repeat_ms()
        self.graphs_ms.append(alone_ms)
        self._measure_reference()
        if self.eager is not None:
            is_padded = len(self.total_ms) % 2 == 1
            count = self.eager.num_agents if is_padded else len(result.agents.id_A)
            spent_ms = self.eager.once_ms(count)
            name = "contract_agents" if is_padded else "scene_agents"
            self.eager_ms.setdefault(name, []).append((spent_ms, elapsed_ms, alone_ms))
            time.sleep(_SETTLE_S)

    def _measure_reference(self) -> None:
        self.reference_ms.append(self.reference.once_ms())
        time.sleep(_SETTLE_S)

    def statistics(self, deadline_ms: float) -> dict[str, Any]:
        """Return percentiles, and ratios to the graphs alone, to the reference and of the network in PyTorch."""
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
            **self._over_eager(),
        }

    def _over_eager(self) -> dict[str, Any]:
        """Return the network in PyTorch and the speed-ups over it: medians of paired ratios, and ratios of medians."""
        if self.eager is None:
            return {}
        found: dict[str, Any] = {"library": "torch", "precision": "fp32", "denoise_steps": self.eager.num_steps}
        for name, rows in self.eager_ms.items():
            eager, cycle, graphs = np.asarray(rows).T
            found[name] = {
                "agents": self.eager.num_agents if name == "contract_agents" else "of the scene",
                "ms": percentiles(list(eager)),
                "cycle_ms": round(float(np.median(cycle)), 2),
                "speed_up": round(float(np.median(eager / cycle)), 2),
                "speed_up_of_medians": round(float(np.median(eager) / np.median(cycle)), 2),
                "speed_up_of_graphs": round(float(np.median(eager / graphs)), 2),
            }
        return {"eager": found}


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
