"""Queries, keys and values of self-attention are moved to their heads together, by one transposition instead of three."""

from __future__ import annotations

import onnx

from transdiffuser_planner.training.export.rewriting.graph_editor import GraphEditor

PARTS = 3


def transpose_heads_once(editor: GraphEditor) -> None:
    """Rewrite the splitting of every common projection (N, 3 C) to queries, keys and values.

    Args:
        editor: The graph.
    """
    for node in list(editor.nodes):
        if node.op_type == "Reshape" and editor.producer(node.input[0], "Gemm") is not None:
            _rewrite(editor, node)


def _rewrite(editor: GraphEditor, node: onnx.NodeProto) -> None:
    slices = editor.consumers(node.output[0])
    if len(slices) != PARTS or any(part.op_type != "Slice" for part in slices):
        return
    slices = sorted(slices, key=lambda part: int(editor.constants[part.input[1]][0]))
    reshapes = [editor.only_consumer(part.output[0], "Reshape") for part in slices]
    transposes = [part and editor.only_consumer(part.output[0], "Transpose") for part in reshapes]
    if None in reshapes or None in transposes:
        return
    _, count, heads, size = editor.shapes[reshapes[0].output[0]]
    query, key, value = (part.output[0] for part in transposes)
    editor.remove(node, *slices, *reshapes, *transposes)
    parts = editor.add("Reshape", [node.input[0], editor.integers(count, PARTS, heads, size)])
    by_head = editor.add("Transpose", [parts], perm=[1, 2, 0, 3])
    rows = f"{key}_rows"
    editor.add_all("Split", [by_head, editor.integers(1, 1, 1)], [query, rows, value], axis=0)
    # ONNX Runtime merges a transposition of the last two axes into the matrix product that reads it.
    editor.add("Transpose", [rows], key, perm=[0, 1, 3, 2])
