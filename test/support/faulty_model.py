"""The real model with injected faults: its session raises, hangs, returns NaN, or takes longer."""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.runtime.cycle.plan_history import PlanHistory
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
from transdiffuser_planner.runtime.planner import Planner


class Faults:
    """Faults of the sessions that are loaded through ``loader``.

    Attributes:
        mode: "" (nothing), "raise", "hang", "nan" or "slow".
        slow_s: Extra time of every denoise step when slow.
        num_loads: How often a model was loaded.
    """

    def __init__(self, backends: dict[str, "_FaultyBackend"] | None = None) -> None:
        """Without faults; sessions kept in ``backends`` by model are used again instead of loaded."""
        self._backends = backends
        self.mode = ""
        self.slow_s = 0.05
        self.num_loads = 0
        self._over = threading.Event()

    def end(self) -> None:
        """Remove the fault; calls that hang resume."""
        self.mode = ""
        self._over.set()
        self._over = threading.Event()

    def loader(self, model: str, rig: Rig) -> Callable[[PlannerConfig, PlanHistory], Planner]:
        """Replacement of the node's ``planner_loader``."""

        def load(config: PlannerConfig, memory: PlanHistory) -> Planner:
            self.num_loads += 1
            manifest = load_manifest(model_folder(model))
            backend = (self._backends or {}).get(model)
            if backend is None:
                backend = _FaultyBackend(manifest, config.num_threads, config.precision)
            if self._backends is not None:
                self._backends[model] = backend
            backend.faults = None
            planner = Planner(backend, rig, config, memory)
            planner.warm_up()
            backend.faults = self
            return planner

        return load

    def strike(self, result: Any) -> Any:
        """Alter or delay a session's result."""
        if self.mode == "raise":
            raise RuntimeError("the session is broken")
        if self.mode == "hang":
            self._over.wait(60.0)
        if self.mode == "slow":
            time.sleep(self.slow_s)
        return np.full_like(result, np.nan) if self.mode == "nan" else result


class _FaultyBackend(OnnxBackend):
    faults: Faults | None = None

    def predict_noise(self, sample_MNP: np.ndarray, step: int, condition: dict[str, np.ndarray]) -> np.ndarray:
        result = super().predict_noise(sample_MNP, step, condition)
        return result if self.faults is None else self.faults.strike(result)
