"""Floating-point operations of a graph, counted from its convolutions and matrix products at given sizes."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from transdiffuser_planner.core.errors import EvaluationError

INSTALL: Final = "counting operations needs onnx; install it with: pip install 'transdiffuser_planner[training]'"

_CONVOLUTIONS: Final = {"Conv": 1, "FusedConv": 1, "NhwcFusedConv": 1, "QLinearConv": 3, "ConvInteger": 1}
"""Operator -> index of the weights among its inputs."""
_PRODUCTS: Final = frozenset(
    ("MatMul", "Gemm", "FusedMatMul", "FusedGemm", "QLinearMatMul", "MatMulInteger", "QGemm", "MatMulIntegerToFloat")
)
_NOT_COUNTED: Final = frozenset(
    ("ConvTranspose", "Attention", "MultiHeadAttention", "QAttention", "Einsum", "LSTM", "GRU", "DynamicQuantizeMatMul")
)
"""Operators of much work for which there is no rule here."""


def require_onnx() -> Any:
    """Import onnx, which the runtime does not need.

    Raises:
        EvaluationError: It is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise EvaluationError(INSTALL) from None
    return onnx


def count_operations(path: Path, sizes: Mapping[str, int]) -> int:
    """Count multiplications and additions of all convolutions and matrix products, two per weight and output.

    Everything else (norms, activations, softmax) is a few operations per output and left out, as is usual. int8 operations
    count like those of fp32. The shapes are those of a real run on zeros.

    Args:
        path: The graph.
        sizes: Named free axis -> its length.

    Raises:
        EvaluationError: onnx is not installed, an axis has no size, or an operator cannot be counted.
    """
    return _count(path, tuple(sorted(sizes.items())))


@functools.lru_cache(maxsize=256)
def _count(path: Path, sizes: tuple[tuple[str, int], ...]) -> int:
    onnx = require_onnx()
    model = onnx.load(str(path))
    counted = [node for node in model.graph.node if node.op_type in _CONVOLUTIONS or node.op_type in _PRODUCTS]
    unknown = sorted({node.op_type for node in model.graph.node} & _NOT_COUNTED)
    if unknown:
        raise EvaluationError(f"graph {path}: operations of {', '.join(unknown)} cannot be counted")
    shapes = _shapes(onnx, model, counted, _zeros(onnx, model, dict(sizes), path))
    return sum(_operations(node, shapes) for node in counted)


def _zeros(onnx: Any, model: Any, sizes: dict[str, int], path: Path) -> dict[str, Any]:
    """Inputs of zeros.

    Raises:
        EvaluationError: A free axis has no size.
    """
    feeds, constants = {}, {item.name for item in model.graph.initializer}
    for item in model.graph.input:
        kind = item.type.tensor_type
        free = {axis.dim_param for axis in kind.shape.dim if axis.dim_param} - set(sizes)
        if free:
            raise EvaluationError(f"graph {path}: free axis {', '.join(sorted(free))} has no size")
        shape = [sizes.get(axis.dim_param, axis.dim_value) for axis in kind.shape.dim]
        if item.name not in constants:
            feeds[item.name] = np.zeros(shape, dtype=onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return feeds


def _shapes(onnx: Any, model: Any, nodes: list[Any], feeds: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor that these nodes read or write, from one run in which they are outputs."""
    shapes = {item.name: tuple(item.dims) for item in model.graph.initializer}
    shapes |= {name: value.shape for name, value in feeds.items()}
    names = dict.fromkeys(name for node in nodes for name in (*node.input, *node.output) if name)
    wanted = [name for name in names if name not in shapes]
    already = {item.name for item in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted if name not in already)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values = session.run(wanted, feeds)
    return shapes | {name: value.shape for name, value in zip(wanted, values, strict=True)}


def _operations(node: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    outputs = math.prod(shapes[node.output[0]])
    if node.op_type in _CONVOLUTIONS:
        return 2 * outputs * math.prod(shapes[node.input[_CONVOLUTIONS[node.op_type]]][1:])
    is_transposed = any(item.name == "transA" and item.i for item in node.attribute)
    left = shapes[node.input[0]]
    return 2 * outputs * (left[-2] if is_transposed else left[-1])
