"""Token grids join their feature maps in the layout of the convolutions.

ONNX Runtime keeps the feature maps of consecutive convolutions in blocks of channels. Tokens that are enlarged and added to
a map are not in that layout, so the whole map is converted to the ordinary one and back for each addition. A convolution by
the identity converts the few tokens instead: enlarging, addition and the next convolution then stay in blocks.
"""

from __future__ import annotations

import numpy as np
import onnx

from transdiffuser_planner.training.export.rewriting.graph_editor import GraphEditor, attribute

TO_CHANNELS_FIRST = [0, 3, 1, 2]
SPATIAL_AXES = 4
IDENTITY = "identity_of_tokens"
"""Prefix of the names of these convolutions."""


def join_in_blocks(editor: GraphEditor) -> None:
    """Rewrite all additions of a token grid, enlarged or not, to a feature map."""
    for node in list(editor.nodes):
        if node.op_type == "Resize" and attribute(node, "mode") == b"linear":
            _enlarge(editor, node)
        elif node.op_type == "Add":
            _add(editor, node)


def join_in_rows(model: onnx.ModelProto) -> None:
    """Undo ``join_in_blocks``: feature maps in int8 have the channels of a pixel together, and no blocks.

    Args:
        model: The rewritten graph, changed.
    """
    graph = model.graph
    sources = {node.output[0]: node.input[0] for node in graph.node if node.name.startswith(IDENTITY)}
    for node in graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = sources.get(name, name)
    kept = [node for node in graph.node if node.output[0] not in sources]
    del graph.node[:]
    graph.node.extend(kept)


def _enlarge(editor: GraphEditor, node: onnx.NodeProto) -> None:
    grid, target = editor.shapes[node.input[0]], editor.shapes[node.output[0]]
    scales = np.asarray([1.0, 1.0, target[2] / grid[2], target[3] / grid[3]], dtype=np.float32)
    if editor.producer(node.input[0], "Transpose") is None or np.any(scales != np.round(scales)):
        return
    blocks = _identity(editor, node.input[0], grid[1])
    editor.remove(node)
    editor.add(
        "Resize",
        [blocks, "", editor.constant(scales)],
        node.output[0],
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )


def _add(editor: GraphEditor, node: onnx.NodeProto) -> None:
    for position, name in enumerate(node.input):
        source = editor.producer(name, "Transpose")
        is_map = len(editor.shapes.get(node.input[1 - position], ())) == SPATIAL_AXES
        if source is not None and attribute(source, "perm") == TO_CHANNELS_FIRST and is_map:
            editor.replace_input(node, position, _identity(editor, name, editor.shapes[name][1]))


def _identity(editor: GraphEditor, name: str, channels: int) -> str:
    weight = editor.constant(np.eye(channels, dtype=np.float32)[:, :, None, None])
    output = editor.add("Conv", [name, weight], kernel_shape=[1, 1])
    editor.nodes[-1].name = f"{IDENTITY}_{name}"
    return output
