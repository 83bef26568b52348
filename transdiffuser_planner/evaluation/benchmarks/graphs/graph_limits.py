"""How far each graph of the model is from the machine's limit: operations, time alone, rate, share of the peak."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.evaluation.benchmarks.graphs.graph_calls import GraphCall, GraphsAlone, RecordingBackend
from transdiffuser_planner.evaluation.benchmarks.graphs.graph_operations import count_operations, require_onnx
from transdiffuser_planner.evaluation.benchmarks.graphs.machine_peak import MachinePeak

SCORER: Final = "scorer"
WHOLE_CYCLE: Final = "whole cycle"
_PEAK_EVERY: Final = 4
"""Cycles between two measurements of the peak; the best of all counts."""


class GraphLimits:
    """Repeats the recorded calls of each cycle and counts their operations.

    Args:
        backend: Records the cycles.
        config: Candidates, threads and selection. The peak is the CPU's and is left out for other providers.
    """

    def __init__(self, backend: RecordingBackend, config: PlannerConfig) -> None:
        self._backend, self._config = backend, config
        self._graphs = GraphsAlone()
        self._ms: dict[str, list[float]] = {}
        self._calls: dict[str, list[list[GraphCall]]] = {}
        self._failure, self._peak = "", None
        try:
            require_onnx()
            self._peak = MachinePeak(config.num_threads) if backend.provider == "cpu" else None
        except EvaluationError as error:
            self._failure = str(error)

    def repeat_ms(self) -> float:
        """Repeat the graphs of the cycle that was just planned.

        Returns:
            Milliseconds of the cycle's graphs. The scorer is measured as well where the cycle does not use it, and not
            included.
        """
        calls = self._backend.take()
        alone_ms = self._measure(calls)
        if self._backend.has_scorer and not any(call.graph == SCORER for call in calls):
            self._measure([self._backend.scorer_call(self._config.num_candidates)])
        if self._peak is not None and len(self._ms["encoder"]) % _PEAK_EVERY == 1:
            self._peak.measure()
        return alone_ms

    def _measure(self, calls: list[GraphCall]) -> float:
        spent_ms = self._graphs.once_ms(calls)
        for name, value in spent_ms.items():
            self._ms.setdefault(name, []).append(value)
            # Without the call itself, which holds all tensors of its cycle.
            kept = [GraphCall(graph=name, sizes=c.sizes, thread=c.thread) for c in calls if c.graph == name]
            self._calls.setdefault(name, []).append(kept)
        self._backend.take()
        return sum(spent_ms.values())

    def statistics(self, cycle_ms: float) -> dict[str, Any]:
        """Return "peak", and "graphs" with one row per graph and one for the cycle; or "not_counted" with the reason.

        Args:
            cycle_ms: Median of the whole cycle.
        """
        if self._failure:
            return {"not_counted": self._failure}
        try:
            rows = [self._row(name) for name in self._ms]
        except EvaluationError as error:
            return {"not_counted": str(error)}
        used = [row for row in rows if row["graph"] != SCORER or self._config.selection == SCORER]
        operations = sum(row["mflop"] for row in used)
        rows.append({"graph": WHOLE_CYCLE, **self._rates(operations, cycle_ms)})
        return {"peak": None if self._peak is None else self._peak.to_dict(), "graphs": rows}

    def _row(self, name: str) -> dict[str, Any]:
        """Operations (mean of the cycles), time (median) and rate of one graph; shares of the candidates are one run."""
        path = self._backend.manifest.graphs_of(self._backend.precision)[name]
        cycles = self._calls[name]
        mflop = float(np.mean([sum(count_operations(path, call.sizes) for call in calls) for calls in cycles])) * 1e-6
        runs = float(np.mean([len(calls) / len({call.thread for call in calls}) for calls in cycles]))
        each = {"runs": round(runs, 1), "mflop_each": round(mflop / runs, 2)}
        return {"graph": name, **each, **self._rates(mflop, float(np.median(self._ms[name])))}

    def _rates(self, mflop: float, spent_ms: float) -> dict[str, Any]:
        rates = {"mflop": round(mflop, 1), "ms": round(spent_ms, 2), "gflops": round(mflop / spent_ms, 1)}
        if self._peak is None:
            return rates
        peak = self._peak.gflops
        return rates | {
            "percent_of_peak": round(100.0 * mflop / spent_ms / peak, 1),
            "ms_at_peak": round(mflop / peak, 2),
        }
