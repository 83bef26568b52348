"""Constant folding: shape arithmetic of the exporter is computed once, normalizations are merged into convolutions."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
import onnxruntime


def folded(path: Path) -> onnx.ModelProto:
    """Read a graph with everything computed that does not depend on its inputs; the operators stay those of ONNX.

    Args:
        path: The graph.
    """
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / path.name
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(target)
        options.log_severity_level = 3
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        model = onnx.load(str(target))
    used = {node.domain for node in model.graph.node}
    kept = [item for item in model.opset_import if item.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return model
