"""Execution providers of ONNX Runtime: their options, and why one does not work on this machine.

Option names are those of CUDAExecutionProvider and TensorrtExecutionProvider in onnxruntime-gpu 1.31; ONNX Runtime
refuses unknown ones.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import io
from pathlib import Path
from typing import Final

import onnxruntime

from transdiffuser_planner.core.planner_config import PlannerConfig

ProviderOptions = list[tuple[str, dict[str, str]]]

PROVIDERS: Final = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
INSTALL_GPU: Final = "pip uninstall onnxruntime, then pip install 'transdiffuser_planner[gpu]'"
_HOW_TO: Final = "docs/how-to/gpu.md"
_LIBRARIES: Final = {"cuda": "libonnxruntime_providers_cuda.so", "tensorrt": "libonnxruntime_providers_tensorrt.so"}
_REMEDIES: Final = (
    ("libcuda.so", "no NVIDIA driver is installed here; install it"),
    ("libnvinfer", "TensorRT 10 is not installed; pip install 'tensorrt-cu13<11', or use provider cuda"),
    ("libnvonnxparser", "TensorRT 10 is not installed; pip install 'tensorrt-cu13<11', or use provider cuda"),
    ("Please install TensorRT", "TensorRT 10 is not installed; pip install 'tensorrt-cu13<11', or use provider cuda"),
    ("libcu", "CUDA or cuDNN is not installed; pip install 'transdiffuser_planner[gpu]'"),
    ("no CUDA-capable device", "this machine has no NVIDIA GPU, or it is not passed into the container"),
    ("driver version is insufficient", "the NVIDIA driver is older than this onnxruntime-gpu needs; update it"),
    ("Invalid device ID", "no GPU has this number; set device_id to one that nvidia-smi lists"),
)


def provider_options(config: PlannerConfig, engines: Path | None, *, capture: bool, half: bool) -> ProviderOptions:
    """Return the providers of a session, the first being the required one, with their options.

    Args:
        config: Provider, device and limit of memory.
        engines: Folder of TensorRT's engine of this graph in these sizes; its names do not depend on the sizes.
        capture: Whether the session's work is captured as a CUDA graph.
        half: Whether TensorRT may compute in fp16.
    """
    if config.provider == "cpu":
        return [(PROVIDERS["cpu"], {})]
    cuda = {
        "device_id": str(config.device_id),
        # No more than is needed, and no timing of algorithms at load: equal plans after every start.
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",
        "do_copy_in_default_stream": "1",
        "enable_cuda_graph": str(int(capture)),
    }
    if config.gpu_memory_mb:
        cuda["gpu_mem_limit"] = str(config.gpu_memory_mb << 20)
    if config.provider == "cuda":
        return [(PROVIDERS["cuda"], cuda)]
    tensorrt = {
        "device_id": str(config.device_id),
        "trt_fp16_enable": str(int(half)),
        "trt_cuda_graph_enable": str(int(capture)),
    }
    if config.gpu_memory_mb:
        tensorrt["trt_max_workspace_size"] = str(config.gpu_memory_mb << 20)
    if engines is not None:
        tensorrt |= {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(engines),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(engines.parent),
        }
    # What TensorRT does not support runs on CUDA instead of the CPU. One of the two captures.
    return [(PROVIDERS["tensorrt"], tensorrt), (PROVIDERS["cuda"], cuda | {"enable_cuda_graph": "0"})]


def provider_problem(provider: str) -> str:
    """Return why a provider cannot be loaded on this machine, and what to do, in one line; "" if it can.

    Args:
        provider: Of ``PROVIDERS``.
    """
    if provider == "cpu":
        return ""
    return _missing(provider) or _unloadable(provider)


def _missing(provider: str) -> str:
    """Why this onnxruntime cannot have a provider, and which package has it."""
    available = onnxruntime.get_available_providers()
    if PROVIDERS[provider] in available:
        return ""
    return (
        f"execution provider '{provider}' is not available: onnxruntime {onnxruntime.__version__} here is not the GPU "
        f"package (it has {', '.join(available)}); {INSTALL_GPU}, see {_HOW_TO}"
    )


def explain(provider: str, reported: str) -> str:
    """Return why a provider of this onnxruntime does not work on this machine, and what to do, in one line.

    Args:
        provider: "cuda" or "tensorrt".
        reported: What onnxruntime reported; "" when it used the CPU without an error.
    """
    for sign, remedy in _REMEDIES:
        if sign in reported:
            return f"execution provider '{provider}': {remedy} ({_cause(reported, sign)}), see {_HOW_TO}"
    cause = _last_part(reported) or "onnxruntime used the CPU without a reason"
    return f"execution provider '{provider}': {cause}; see {_HOW_TO}"


@functools.cache
def _unloadable(provider: str) -> str:
    """Load a provider's library, and before it those that pip installed; why it cannot be loaded."""
    _load_pip_libraries(provider)
    reported = _load_error(provider)
    return explain(provider, reported) if reported else ""


def _load_pip_libraries(provider: str) -> None:
    """Load the CUDA, cuDNN and TensorRT libraries that pip installed, which no search path has; absent ones are skipped."""
    preload = getattr(onnxruntime, "preload_dlls", None)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find; the cause is named below
        if preload is not None:
            preload()
        if provider == "tensorrt":
            with contextlib.suppress(ImportError, OSError):
                importlib.import_module("tensorrt")


def _load_error(provider: str) -> str:
    """Return which library a provider's own library needs and does not find; "" if it can be loaded."""
    folder = Path(onnxruntime.__file__).parent / "capi"
    try:
        # The provider's library takes its symbols from this one.
        ctypes.CDLL(str(folder / "libonnxruntime_providers_shared.so"), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(folder / _LIBRARIES[provider]))
    except OSError as error:
        return str(error)
    return ""


def _cause(text: str, sign: str) -> str:
    """The part of an error around a sign."""
    line = next(line for line in text.splitlines() if sign in line)
    start = line.index(sign)
    return line[start:].split(" ;")[0].split(": cannot open")[0].strip().rstrip(".")


def _last_part(text: str) -> str:
    """The first line of an error without the source files that onnxruntime puts before it."""
    line = text.strip().splitlines()[0] if text.strip() else ""
    return line.rpartition("[ONNXRuntimeError] : ")[2]
