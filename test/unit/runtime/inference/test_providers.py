"""Options of GPU providers, reasons for which one does not work, and what each provider refuses."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from transdiffuser_planner.core.contract import AGENT_AXIS, CANDIDATE_AXIS, TOKEN_AXIS
from transdiffuser_planner.core.errors import ConfigError, ModelError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.runtime.inference import providers
from transdiffuser_planner.runtime.inference.half_precision import HALF_GRAPHS, half_graphs
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.inference.onnx_session import capture_refusal
from transdiffuser_planner.runtime.inference.providers import explain, provider_options, provider_problem

# Operators of which onnxruntime's docs/OperatorKernels.md lists a CUDA kernel for float, of opset 17.
ON_CUDA = """
Abs Add AveragePool Cast Clip Concat Conv Cos CumSum DepthToSpace Div Exp Expand Flatten Gather Gemm GridSample
LayerNormalization MatMul Max Min Mul Neg Pow ReduceL2 ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape
Resize Sigmoid Sin Slice Softmax Split Sqrt Squeeze Sub Tanh Transpose Unsqueeze
"""


def test_cuda_gets_device_limit_and_graph() -> None:
    config = PlannerConfig(provider="cuda", device_id=2, gpu_memory_mb=512)
    ((name, options),) = provider_options(config, None, capture=True, half=False)
    assert name == "CUDAExecutionProvider"
    assert (options["device_id"], options["gpu_mem_limit"], options["enable_cuda_graph"]) == ("2", "536870912", "1")
    ((_, without),) = provider_options(PlannerConfig(provider="cuda"), None, capture=False, half=False)
    assert without["enable_cuda_graph"] == "0" and "gpu_mem_limit" not in without


def test_tensorrt_keeps_each_engine_apart_and_leaves_the_rest_to_cuda(tmp_path: Path) -> None:
    config = PlannerConfig(provider="tensorrt", precision="fp16")
    first, second = provider_options(config, tmp_path / "denoise-30", capture=True, half=True)
    assert first[0] == "TensorrtExecutionProvider" and second[0] == "CUDAExecutionProvider"
    assert first[1]["trt_fp16_enable"] == first[1]["trt_cuda_graph_enable"] == "1"
    assert first[1]["trt_engine_cache_path"] == str(tmp_path / "denoise-30")
    assert first[1]["trt_timing_cache_path"] == str(tmp_path)
    assert second[1]["enable_cuda_graph"] == "0"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"cuda_graphs": "on"}, "cuda_graphs on needs a GPU: set provider to cuda or tensorrt, or cuda_graphs to auto"),
        ({"precision": "fp16"}, "precision fp16 needs a GPU, .* or precision to fp32 or int8"),
        ({"provider": "cuda", "precision": "int8"}, "int8 is of graphs for CPUs, .* set precision to fp16"),
        ({"provider": "tensorrt", "precision": "int8"}, "int8 is of graphs for CPUs, which tensorrt"),
        ({"device_id": -1}, "device_id: must lie in 0"),
    ],
)
def test_what_a_provider_does_not_have_is_refused(values: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        PlannerConfig.from_dict(values)


@pytest.mark.parametrize(
    ("reported", "reason"),
    [
        ("libcublasLt.so.13: cannot open shared object file", r"not installed; pip install .*\(libcublasLt\.so\.13\)"),
        ("libcuda.so.1: cannot open shared object file: No such file", r"no NVIDIA driver .*\(libcuda\.so\.1\)"),
        (
            "libnvinfer.so.10: cannot open shared object file: No",
            "TensorRT 10 is not installed; .* or use provider cuda",
        ),
        (
            'provider option "device_id": CUDA failure 100: no CUDA-capable device is detected ; GPU=-1',
            "has no NVIDIA GPU",
        ),
        (
            "Invalid device ID: 7, must be between 0 (inclusive) and 1 (exclusive).",
            r"set device_id .*Invalid device ID: 7",
        ),
        (
            "/src/x.cc:63 f() [ONNXRuntimeError] : 1 : FAIL : out of memory\nat line",
            "'cuda': 1 : FAIL : out of memory; see",
        ),
        ("", "used the CPU without a reason"),
    ],
)
def test_the_reason_is_one_line_with_the_remedy(reported: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason) as raised:
        raise ModelError(explain("cuda", reported))
    assert "\n" not in str(raised.value) and "docs/how-to/gpu.md" in str(raised.value)


def test_the_package_for_cpus_is_recognized(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    problem = provider_problem("cuda")
    assert "is not the GPU package" in problem and "pip uninstall onnxruntime" in problem
    assert provider_problem("cpu") == ""


def test_a_library_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(providers.PROVIDERS.values()))
    monkeypatch.setattr(onnxruntime, "__file__", str(tmp_path / "__init__.py"))
    providers._unloadable.cache_clear()
    try:
        assert "libonnxruntime_providers_shared.so: cannot open" in provider_problem("cuda")
    finally:
        providers._unloadable.cache_clear()


def test_why_a_graph_is_not_captured() -> None:
    assert "branches or loops" in capture_refusal("graph capture feature ... as the model has control flow nodes")
    assert "run on the CPU" in capture_refusal(
        "graph capture feature ... all compute graph nodes have not been partitioned"
    )


@pytest.mark.parametrize("name", ["encoder", "condition", "denoise", "scorer"])
def test_with_fixed_axes_every_operator_has_a_cuda_kernel(name: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC  # what precedes partitioning
    options.optimized_model_filepath = str(tmp_path / "folded.onnx")
    for axis, size in {CANDIDATE_AXIS: 30, TOKEN_AXIS: 9, AGENT_AXIS: 8}.items():
        options.add_free_dimension_override_by_name(axis, size)
    path = load_manifest(model_folder("tiny")).graphs[name]
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(tmp_path / "folded.onnx").graph
    found = {node.op_type if not node.domain else f"{node.domain}:{node.op_type}" for node in graph.node}
    # Shape operators would run on the CPU, and not be part of a CUDA graph.
    missing = sorted(found - set(ON_CUDA.split()))
    assert not missing, "has it a kernel of CUDAExecutionProvider? If not, docs/how-to/gpu.md is wrong"


def test_fp16_graphs_are_made_once_and_differ_a_little(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    manifest = load_manifest(model_folder("tiny"))
    graphs = half_graphs(manifest, tmp_path / "half")
    assert {name for name in graphs if graphs[name] != manifest.graphs[name]} == set(HALF_GRAPHS)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "half").iterdir()}
    assert half_graphs(manifest, tmp_path / "half") == graphs
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "half").iterdir()} == made
    half, full = (
        onnxruntime.InferenceSession(str(path["encoder"]), providers=["CPUExecutionProvider"])
        for path in (graphs, manifest.graphs)
    )
    rng = np.random.default_rng(1)
    feeds = {item.name: rng.random(item.shape).astype(np.float32) for item in full.get_inputs()}
    for ours, theirs in zip(half.run(None, feeds), full.run(None, feeds), strict=True):
        assert ours.dtype == np.float32
        assert 0.0 < np.abs(ours - theirs).mean() < 0.01 * np.abs(theirs).mean()


def test_without_the_converter_fp16_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModelError, match="made with the package onnx, which is missing; pip install onnx"):
        half_graphs(load_manifest(model_folder("tiny")), tmp_path)
