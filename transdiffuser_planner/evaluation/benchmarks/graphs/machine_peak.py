"""The machine's peak: the best rate of fp32 operations that ONNX Runtime reaches with large operators.

A matrix product of 1024 x 1024 x 1024 and the reference convolution R, with the threads of the model: no small operator of
the same library can be faster, so it is the limit that the planner's graphs are compared with.
"""

from __future__ import annotations

import time
from typing import Any, Final

import numpy as np
import onnxruntime

from transdiffuser_planner.evaluation.benchmarks.graphs.graph_operations import require_onnx
from transdiffuser_planner.runtime.inference.reference_convolution import NUM_OPERATIONS, ReferenceConvolution

SIDE: Final = 1024
_OPSET: Final = 17


class MachinePeak:
    """Measures the peak again and again and keeps the best.

    Args:
        num_threads: Threads within an operator.

    Raises:
        EvaluationError: onnx is not installed.
    """

    def __init__(self, num_threads: int) -> None:
        self.num_threads = num_threads
        self._convolution = ReferenceConvolution(num_threads)
        self._product = _matrix_product(num_threads)
        random = np.random.default_rng(0)
        self._factors = {name: random.standard_normal((SIDE, SIDE), dtype=np.float32) for name in ("a", "b")}
        self._best: dict[str, float] = {"matrix_product": 0.0, "convolution": 0.0}

    def measure(self) -> None:
        """Run both operators once."""
        self._keep("convolution", NUM_OPERATIONS, self._convolution.once_ms())
        begin = time.perf_counter()
        self._product.run(None, self._factors)
        self._keep("matrix_product", 2 * SIDE**3, (time.perf_counter() - begin) * 1e3)

    @property
    def gflops(self) -> float:
        """Best rate of both, in 10^9 operations per second; 0 before the first measurement."""
        return max(self._best.values())

    def to_dict(self) -> dict[str, float]:
        """Return the best rates by operator, in 10^9 operations per second, and the number of threads."""
        return {"threads": self.num_threads} | {f"{name}_gflops": round(rate, 1) for name, rate in self._best.items()}

    def _keep(self, name: str, operations: int, spent_ms: float) -> None:
        self._best[name] = max(self._best[name], operations / spent_ms * 1e-6)


def _matrix_product(num_threads: int) -> Any:
    onnx = require_onnx()
    make = onnx.helper
    items = [make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [SIDE, SIDE]) for name in ("a", "b", "y")]
    graph = make.make_graph([make.make_node("MatMul", ["a", "b"], ["y"])], "peak", items[:2], items[2:])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", _OPSET)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
