"""Rearrangement of channels to pixels in two passes over contiguous rows; DepthToSpace moves single numbers."""

from __future__ import annotations

from transdiffuser_planner.training.export.rewriting.graph_editor import GraphEditor, attribute


def shuffle_by_rows(editor: GraphEditor) -> None:
    """Rewrite every DepthToSpace of mode CRD, channels (c, row, column) to pixels.

    Args:
        editor: The graph.
    """
    for node in list(editor.nodes):
        if node.op_type != "DepthToSpace" or attribute(node, "mode") != b"CRD":
            continue
        size = attribute(node, "blocksize")
        _, channels, height, width = editor.shapes[node.input[0]]
        pairs = editor.integers(1, channels // size, size, height * width)
        columns = editor.add("Transpose", [editor.add("Reshape", [node.input[0], pairs])], perm=[0, 1, 3, 2])
        rows = editor.integers(1, channels // size**2, size, height, width * size)
        lines = editor.add("Transpose", [editor.add("Reshape", [columns, rows])], perm=[0, 1, 3, 2, 4])
        pixels = editor.integers(1, channels // size**2, height * size, width * size)
        editor.remove(node)
        editor.add("Reshape", [lines, pixels], node.output[0])
