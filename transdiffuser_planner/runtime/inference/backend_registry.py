"""Backends by name: ONNX Runtime, and plugins of other packages.

A package registers a factory ``(ModelManifest, PlannerConfig) -> InferenceBackend`` in the entry-point group
``transdiffuser_planner.backends``; parameter ``backend`` selects it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from transdiffuser_planner.core.contract import STORED_PRECISIONS, ModelContract
from transdiffuser_planner.core.errors import ConfigError, ModelError, PlannerError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.plugins import load_plugin, plugin_names
from transdiffuser_planner.runtime.inference.backend import InferenceBackend
from transdiffuser_planner.runtime.inference.manifest import ModelManifest
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend

BackendFactory = Callable[[ModelManifest, PlannerConfig], InferenceBackend]

GROUP: Final = "transdiffuser_planner.backends"


def onnx_backend(manifest: ModelManifest, config: PlannerConfig) -> InferenceBackend:
    """Make a backend on the configured execution provider, or on the CPU if the configuration allows that.

    Args:
        manifest: A checked model folder.
        config: Provider, precision and threads.

    Raises:
        ModelError: A graph cannot be loaded; also when the provider does not work and ``strict_provider`` is set.
    """
    precision = config.precision
    if config.provider != "cpu":
        from transdiffuser_planner.runtime.inference.bound_backend import BoundBackend  # none of it runs on the CPU

        try:
            return BoundBackend(manifest, config)
        except ModelError:
            if config.strict_provider:
                raise
        precision = precision if precision in STORED_PRECISIONS else "fp32"
    return OnnxBackend(manifest, config.num_threads, precision, denoise_sizes(manifest.contract, config))


def denoise_sizes(contract: ModelContract, config: PlannerConfig) -> list[tuple[int, int]]:
    """Samples and tokens of every denoise graph that a cycle may run: shares of candidates, each number of agents.

    Args:
        contract: Most agents.
        config: Numbers of candidates and threads.
    """
    shares = min(config.num_threads, config.num_candidates)
    samples = {config.num_candidates // shares, -(-config.num_candidates // shares)}
    return [(count, 1 + agents) for count in sorted(samples) for agents in range(contract.num_agents + 1)]


BUILT_IN: Final[dict[str, BackendFactory]] = {"onnxruntime": onnx_backend}


def backend_names() -> tuple[str, ...]:
    """Return the names of all installed backends."""
    return tuple(dict.fromkeys((*BUILT_IN, *plugin_names(GROUP))))


def make_backend(manifest: ModelManifest, config: PlannerConfig) -> InferenceBackend:
    """Load a model with the configured backend.

    Args:
        manifest: A checked model folder.
        config: Backend, provider, precision and threads.

    Raises:
        ConfigError: The backend is unknown, cannot be imported or is no backend.
        ModelError: The model cannot be loaded.
        PlannerError: A plugin's own error of that tree, unchanged.
    """
    factory = BUILT_IN.get(config.backend)
    if factory is not None:
        return factory(manifest, config)
    if config.backend not in plugin_names(GROUP):
        raise ConfigError(f"parameter backend: '{config.backend}' is unknown; known are {', '.join(backend_names())}")
    plugin = load_plugin(GROUP, config.backend)
    try:
        backend = plugin(manifest, config)
    except PlannerError:
        raise
    except Exception as error:  # a plugin can raise anything
        reason = (str(error).splitlines() or [""])[0]
        raise ConfigError(f"backend '{config.backend}': failed to load ({type(error).__name__}: {reason})") from None
    if not isinstance(backend, InferenceBackend):
        raise ConfigError(
            f"backend '{config.backend}': {type(backend).__name__} is no InferenceBackend (runtime/inference/backend.py)"
        )
    return backend
