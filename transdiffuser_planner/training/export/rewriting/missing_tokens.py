"""Tokens of image and LiDAR are replaced by learned vectors where a sensor is missing: both grids in one expression.

Each grid's tokens t become m + v (t - m), with v the share of valid data and m the learned vector, and positions p are
added to all of them. For the joined grids this is v t + ((1 - v) m + p); v and 1 - v are the same at every stage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from transdiffuser_planner.training.export.rewriting.graph_editor import GraphEditor

GRIDS = 2


@dataclass(frozen=True, slots=True)
class _Grid:
    """Names of tokens and of their validity, and the learned vector (C)."""

    tokens: str
    valid: str
    missing: np.ndarray


def blend_joined(editor: GraphEditor) -> None:
    """Rewrite the blending of both grids before every fusion.

    Args:
        editor: The graph.
    """
    shares: dict[tuple[str, ...], tuple[str, str]] = {}
    for joined in list(editor.nodes):
        positioned = editor.only_consumer(joined.output[0], "Add") if joined.op_type == "Concat" else None
        if positioned is None or len(joined.input) != GRIDS:
            continue
        grids = [_blended(editor, name) for name in joined.input]
        position = [name for name in positioned.input if name in editor.constants]
        if len(position) != 1 or grids[0] is None or grids[1] is None:
            continue
        present = [grid for grid in grids if grid is not None]
        key = tuple(grid.valid for grid in present)
        if key not in shares:
            shares[key] = _shares(editor, present)
        valid, absent = shares[key]
        counts = [editor.shapes[grid.tokens][1] for grid in present]
        missing = np.concatenate(
            [np.tile(grid.missing, (1, count, 1)) for grid, count in zip(present, counts, strict=True)], axis=1
        )
        editor.remove(joined, positioned)
        tokens = editor.add("Mul", [editor.add("Concat", [grid.tokens for grid in present], axis=1), valid])
        offset = editor.add("Add", [editor.add("Mul", [absent, editor.constant(missing)]), position[0]])
        editor.add("Add", [tokens, offset], positioned.output[0])


def _blended(editor: GraphEditor, name: str) -> _Grid | None:
    """Recognize m + v (t - m)."""
    total = editor.producer(name, "Add")
    for missing, product in _orders(total):
        node = editor.producer(product, "Mul")
        for valid, difference in _orders(node):
            gap = editor.producer(difference, "Sub")
            if gap is not None and gap.input[1] == missing and missing in editor.constants:
                return _Grid(gap.input[0], valid, editor.constants[missing])
    return None


def _orders(node: onnx.NodeProto | None) -> list[tuple[str, str]]:
    """Inputs of a commutative node in both orders; none without a node."""
    return [] if node is None else [(node.input[0], node.input[1]), (node.input[1], node.input[0])]


def _shares(editor: GraphEditor, grids: list[_Grid]) -> tuple[str, str]:
    """Valid and missing share of all tokens (1, N, 1)."""
    names = []
    for grid in grids:
        count = editor.shapes[grid.tokens][1]
        whole = editor.shapes[grid.valid][1] == count
        names.append(grid.valid if whole else editor.add("Expand", [grid.valid, editor.integers(1, count, 1)]))
    valid = editor.add("Concat", names, axis=1)
    return valid, editor.add("Sub", [editor.constant(np.ones(1, dtype=np.float32)), valid])
