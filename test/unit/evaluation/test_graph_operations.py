"""Operations of graphs are those that one counts by hand, at the sizes of the call."""

from pathlib import Path

import numpy as np
import pytest

from transdiffuser_planner.core.contract import AGENT_AXIS, CANDIDATE_AXIS, TOKEN_AXIS
from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.evaluation.benchmarks.graphs.graph_operations import count_operations
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.inference.reference_convolution import GRAPH, NUM_OPERATIONS

onnx = pytest.importorskip("onnx")
MODEL = Path(model_folder("tiny"))


def _save(path: Path, nodes: list, weights: dict[str, np.ndarray], shape: list) -> Path:
    make = onnx.helper
    float32 = onnx.TensorProto.FLOAT
    inputs = [make.make_tensor_value_info("x", float32, shape)]
    outputs = [make.make_tensor_value_info("y", float32, None)]
    constants = [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = make.make_graph(nodes, "g", inputs, outputs, constants)
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def test_a_product_in_the_middle_of_a_graph_is_counted_at_the_size_of_its_free_axis(tmp_path: Path) -> None:
    make = onnx.helper
    nodes = [
        make.make_node("MatMul", ["x", "a"], ["h"]),
        make.make_node("Relu", ["h"], ["r"]),
        make.make_node("Gemm", ["r", "b"], ["y"], transA=1),
    ]
    weights = {"a": np.ones((4, 7)), "b": np.ones((5, 3))}
    path = _save(tmp_path / "product.onnx", nodes, weights, ["rows", 4])
    # (5, 4) x (4, 7), then the transposed (7, 5) x (5, 3).
    assert count_operations(path, {"rows": 5}) == 2 * 5 * 4 * 7 + 2 * 7 * 5 * 3


def test_a_grouped_convolution_counts_its_weights_once_per_output(tmp_path: Path) -> None:
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"], group=2, strides=[2, 2], pads=[1, 1, 1, 1])
    path = _save(tmp_path / "conv.onnx", [node], {"w": np.ones((6, 2, 3, 3))}, [1, 4, 8, 8])
    assert count_operations(path, {}) == 2 * (6 * 4 * 4) * (2 * 3 * 3)


def test_the_reference_convolution_has_the_operations_that_its_constant_states(tmp_path: Path) -> None:
    path = tmp_path / "reference.onnx"
    path.write_bytes(GRAPH)
    assert count_operations(path, {}) == NUM_OPERATIONS


def test_the_shipped_denoise_graph_grows_in_proportion_to_the_candidates() -> None:
    path = MODEL / "denoise.onnx"
    ten, thirty = (count_operations(path, {CANDIDATE_AXIS: count, TOKEN_AXIS: 7}) for count in (10, 30))
    assert ten > 1e6 and thirty == 3 * ten
    assert count_operations(MODEL / "condition.onnx", {AGENT_AXIS: 6}) > 1e6


def test_what_cannot_be_counted_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="free axis candidates has no size"):
        count_operations(MODEL / "denoise.onnx", {TOKEN_AXIS: 7})
    node = onnx.helper.make_node("Einsum", ["x", "x"], ["y"], equation="ij,kj->ik")
    with pytest.raises(EvaluationError, match="operations of Einsum cannot be counted"):
        count_operations(_save(tmp_path / "einsum.onnx", [node], {}, [2, 3]), {})
