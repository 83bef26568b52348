"""fp16 graphs for CUDA: made once from a model's fp32 graphs, kept in the cache folder.

Encoder and denoise steps are nearly all of a cycle's arithmetic. Condition and scorer stay fp32: they compute with
positions of up to 100 m, which fp16 rounds to 3 to 6 cm, and sum squares beyond its largest number. Inputs and outputs
stay fp32. TensorRT needs no such graphs: it chooses fp16 itself, for the same two.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.core.files import cache_folder
from transdiffuser_planner.runtime.inference.manifest import ModelManifest

HALF_GRAPHS: Final = ("encoder", "denoise")
"""Graphs that fp16 changes."""
_VERSION: Final = 1  # of the conversion, so that no file of an earlier one is used


def half_graphs(manifest: ModelManifest, folder: Path | None = None) -> dict[str, Path]:
    """Return graph name -> file for fp16, converting the graphs at first use.

    Args:
        manifest: A checked model folder.
        folder: Where converted graphs are kept; None: in the cache folder.

    Raises:
        ModelError: The package onnx is missing, or a graph cannot be converted or written.
    """
    folder = folder or cache_folder() / "fp16" / f"{manifest.model_hash[:16]}-{_VERSION}"
    graphs = dict(manifest.graphs)
    for name in HALF_GRAPHS:
        path = folder / graphs[name].name
        if not path.is_file():
            _convert(graphs[name], path)
        graphs[name] = path
    return graphs


def _convert(source: Path, target: Path) -> None:
    """Write a graph with fp16 weights and arithmetic, and inputs and outputs of the given types.

    Raises:
        ModelError: As ``half_graphs``.
    """
    try:
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16
    except ImportError as error:
        raise ModelError(
            f"precision fp16: its graphs are made with the package {error.name}, which is missing; pip install onnx"
        ) from None
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), partial)
        partial.replace(target)
    except Exception as error:  # the converter can raise anything
        raise ModelError(f"precision fp16: {source.name} cannot be converted into {target} ({error})") from None
