"""Graphs that repeat a part of another one read its weights from that graph's file, as ONNX's external data."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto

LEAST_BYTES = 1024
"""Smaller tensors stay where they are."""


def share_tensors(path: Path, holder: Path) -> int:
    """Rewrite a graph so that tensors which another graph's file holds are read from there.

    Args:
        path: The graph; rewritten in place.
        holder: The other graph, in the same folder; the first one is invalid once this file changes.

    Returns:
        Bytes that the graph no longer holds itself.
    """
    model, content, saved = onnx.load(str(path)), holder.read_bytes(), 0
    known = {_identity(tensor) for tensor in onnx.load(str(holder)).graph.initializer}
    for tensor in model.graph.initializer:
        raw = tensor.raw_data
        if len(raw) < LEAST_BYTES or _identity(tensor) not in known:
            continue
        where = {"location": holder.name, "offset": content.index(raw), "length": len(raw)}
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in where.items():
            tensor.external_data.add(key=key, value=str(value))
        saved += len(raw)
    # Not by onnx.save, which would write the tensors over the other graph's file.
    path.write_bytes(model.SerializeToString())
    return saved


def _identity(tensor: TensorProto) -> tuple[int, tuple[int, ...], bytes]:
    return tensor.data_type, tuple(tensor.dims), tensor.raw_data
