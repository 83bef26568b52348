"""A sum of a linear layer and its shortcut is computed by the layer's matrix product.

ONNX Runtime merges an addition and the normalization after it into one operator that takes longer than both.
"""

from __future__ import annotations

import onnx

from transdiffuser_planner.training.export.rewriting.graph_editor import GraphEditor


def add_in_product(editor: GraphEditor) -> None:
    """Rewrite LayerNormalization(x + (h W + b)) as LayerNormalization of the product h W that starts from x + b.

    Args:
        editor: The graph.
    """
    for node in list(editor.nodes):
        normalized = any(other.op_type == "LayerNormalization" for other in editor.consumers(node.output[0]))
        if node.op_type == "Add" and normalized:
            _rewrite(editor, node)


def _rewrite(editor: GraphEditor, node: onnx.NodeProto) -> None:
    for position in (0, 1):
        reshape = editor.producer(node.input[position], "Reshape")
        gemm = reshape and editor.producer(reshape.input[0], "Gemm")
        shortcut = node.input[1 - position]
        if not reshape or not gemm or gemm.input[2] not in editor.constants or shortcut in editor.constants:
            continue
        biased = editor.add("Add", [shortcut, gemm.input[2]])
        rows = editor.integers(*editor.shapes[gemm.output[0]])
        editor.replace_input(gemm, 2, editor.add("Reshape", [biased, rows]))
        editor.remove(node)
        editor.replace_output(reshape, node.output[0])
        return
