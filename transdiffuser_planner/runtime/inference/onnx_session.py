"""Inference sessions of ONNX Runtime that run on one provider and on no other."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.runtime.inference.providers import (
    PROVIDERS,
    ProviderOptions,
    explain,
    provider_problem,
)

_SILENT, _WARNINGS = 4, 2


class CaptureError(ModelError):
    """A graph cannot be captured as a CUDA graph."""


def make_session(
    path: Path,
    provider: str,
    num_threads: int,
    sizes: dict[str, int] | None = None,
    options: ProviderOptions | None = None,
) -> onnxruntime.InferenceSession:
    """Make an inference session that runs on one provider and on no other.

    Args:
        path: The graph.
        provider: "cpu", "cuda" or "tensorrt".
        num_threads: Threads within an operator; operators run sequentially, so results do not depend on timing.
        sizes: Named free axis -> its length; all shapes are then inferred at loading.
        options: Providers of the session with their options; None: the required one with its defaults.

    Raises:
        CaptureError: The options request a CUDA graph, which this graph does not permit.
        ModelError: The provider is not available or does not work, or the graph cannot be loaded.
    """
    problem = provider_problem(provider)
    if problem:
        raise ModelError(problem)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = num_threads
    settings.inter_op_num_threads = 1
    settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Spinning worker threads would take cores from other processes of the vehicle computer.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for name, size in (sizes or {}).items():
        settings.add_free_dimension_override_by_name(name, size)
    settings.log_severity_level = 3
    chosen = options or [(PROVIDERS[provider], {})]
    if provider == "cpu":
        try:
            return onnxruntime.InferenceSession(str(path), settings, providers=chosen)
        except Exception as error:  # onnxruntime raises plain RuntimeError subclasses of its own binding
            raise ModelError(f"graph {path}: cannot be loaded ({first_line(error)}); export the model again") from None
    settings.use_deterministic_compute = True
    return _gpu_session(path, provider, settings, chosen)


def _gpu_session(
    path: Path, provider: str, settings: onnxruntime.SessionOptions, options: ProviderOptions
) -> onnxruntime.InferenceSession:
    """A session whose first provider is on the GPU.

    Raises:
        CaptureError: The graph cannot be captured.
        ModelError: The provider does not work, or the graph cannot be loaded.
    """
    onnxruntime.set_default_logger_severity(_SILENT)  # the cause goes into the error, in one line
    try:
        session = onnxruntime.InferenceSession(str(path), settings, providers=options, enable_fallback=0)
    except Exception as error:  # as above
        if "graph capture" in str(error):
            raise CaptureError(f"graph {path.name}: {capture_refusal(str(error))}") from None
        raise ModelError(explain(provider, str(error))) from None
    finally:
        onnxruntime.set_default_logger_severity(_WARNINGS)
    if session.get_providers()[0] != PROVIDERS[provider]:
        raise ModelError(explain(provider, ""))
    return session


def capture_refusal(reported: str) -> str:
    """Return why onnxruntime refuses to capture a graph.

    Args:
        reported: Its error.
    """
    if "control flow" in reported:
        return "no CUDA graph, it has branches or loops"
    return "no CUDA graph, some of its operators run on the CPU or on another provider"


def first_line(error: Exception) -> str:
    """Return the first line of an error, its type if it has none."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
