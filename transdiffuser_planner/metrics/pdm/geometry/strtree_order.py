"""Order of the members of a sort-tile-recursive tree as the devkit uses it.

PDM-Closed selects the first of equally near obstacles. Two boxes are equally near when the ego overlaps both.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

NODE_CAPACITY = 10


def tree_order(bounds_N4: FloatArray) -> list[int]:
    """Indices of N rectangles (low x, low y, high x, high y) in the order of the tree's leaves.

    Level by level, nodes are sorted by x, cut into slices, each slice sorted by y and cut into parents of ten.
    """
    nodes = [([index], bounds.tolist()) for index, bounds in enumerate(bounds_N4)]
    while len(nodes) > 1:
        num_slices = math.ceil(math.sqrt(math.ceil(len(nodes) / NODE_CAPACITY)))
        per_slice = math.ceil(len(nodes) / num_slices)
        nodes.sort(key=lambda node: node[1][0] + node[1][2])
        parents = []
        for start in range(0, len(nodes), per_slice):
            part = sorted(nodes[start : start + per_slice], key=lambda node: node[1][1] + node[1][3])
            for first in range(0, len(part), NODE_CAPACITY):
                children = part[first : first + NODE_CAPACITY]
                low = [min(child[1][axis] for child in children) for axis in (0, 1)]
                high = [max(child[1][axis] for child in children) for axis in (2, 3)]
                parents.append(([leaf for child in children for leaf in child[0]], low + high))
        nodes = parents
    return nodes[0][0] if nodes else []
