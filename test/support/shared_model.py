"""Loads the graphs of a model once per process: every planner is a new one, their sessions are shared."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.runtime.cycle.plan_history import PlanHistory
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
from transdiffuser_planner.runtime.planner import Planner


def planner_loader(model: str, rig: Rig) -> Callable[[PlannerConfig, PlanHistory], Planner]:
    """Replacement of the node's ``planner_loader``; the model's files are checked every time."""

    def load(config: PlannerConfig, memory: PlanHistory) -> Planner:
        folder = model_folder(model)
        load_manifest(folder)
        planner = Planner(_backend(folder, config.num_threads, config.precision), rig, config, memory)
        planner.warm_up()
        return planner

    return load


@cache
def _backend(folder: Path, num_threads: int, precision: str) -> OnnxBackend:
    return OnnxBackend(load_manifest(folder), num_threads, precision)
