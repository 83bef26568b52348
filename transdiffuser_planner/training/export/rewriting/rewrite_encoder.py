"""The encoder graph, rewritten: equal to rounding, fewer and cheaper operators. Used at every export."""

from __future__ import annotations

from pathlib import Path

import onnx

from transdiffuser_planner.training.export.rewriting.attention import transpose_heads_once
from transdiffuser_planner.training.export.rewriting.feature_maps import join_in_blocks
from transdiffuser_planner.training.export.rewriting.folding import folded
from transdiffuser_planner.training.export.rewriting.graph_editor import GraphEditor
from transdiffuser_planner.training.export.rewriting.missing_tokens import blend_joined
from transdiffuser_planner.training.export.rewriting.pixel_shuffle import shuffle_by_rows
from transdiffuser_planner.training.export.rewriting.residual_norm import add_in_product

PASSES = (blend_joined, transpose_heads_once, add_in_product, join_in_blocks, shuffle_by_rows)


def rewrite_encoder(path: Path) -> None:
    """Replace an encoder graph by its rewritten form; a rewritten graph stays as it is, up to names.

    Args:
        path: The graph.
    """
    editor = GraphEditor(folded(path))
    for rewrite in PASSES:
        rewrite(editor)
    onnx.save(editor.finish(), str(path))
