"""Editing of an ONNX graph: nodes by what they produce and consume, new nodes and constants, removal of what is unused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

Shape = tuple[int, ...]


class GraphEditor:
    """One model with static shapes.

    Args:
        model: The model, changed by ``finish``.

    Attributes:
        nodes: All nodes.
        constants: Initializers by name.
        shapes: Shapes of all tensors of ``model`` by name; new tensors are not in it.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model, self._count = model, 0
        self.nodes = list(model.graph.node)
        self.constants = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
        self.shapes = _shapes(model)
        self._outputs = {item.name for item in model.graph.output}
        self._index()

    def _index(self) -> None:
        self._producers = {name: node for node in self.nodes for name in node.output}
        self._consumers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self._consumers.setdefault(name, []).append(node)

    def producer(self, name: str, op_type: str) -> onnx.NodeProto | None:
        """The node that computes a tensor, if it has this type."""
        node = self._producers.get(name)
        return node if node is not None and node.op_type == op_type else None

    def consumers(self, name: str) -> list[onnx.NodeProto]:
        """All nodes that read a tensor."""
        return self._consumers.get(name, [])

    def only_consumer(self, name: str, op_type: str) -> onnx.NodeProto | None:
        """The node that alone reads a tensor, if it has this type and the tensor is no output of the graph."""
        nodes = self.consumers(name)
        single = len(nodes) == 1 and nodes[0].op_type == op_type and name not in self._outputs
        return nodes[0] if single else None

    def constant(self, value: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        self._count += 1
        name = f"rewritten_constant_{self._count}"
        self.constants[name] = np.ascontiguousarray(value)
        return name

    def integers(self, *values: int) -> str:
        """Add a constant vector of integers, for example a shape, and return its name."""
        return self.constant(np.asarray(values, dtype=np.int64))

    def add(self, op_type: str, inputs: Iterable[str], output: str | None = None, **attributes: Any) -> str:
        """Add a node with one output, in any order, and return the output's name.

        Args:
            op_type: Operator of ONNX.
            inputs: Names of the inputs; "" for an omitted one.
            output: Name of the output (default: a new one).
            **attributes: Of the operator.
        """
        return self.add_all(op_type, inputs, [output or self._name(op_type)], **attributes)[0]

    def add_all(self, op_type: str, inputs: Iterable[str], outputs: list[str], **attributes: Any) -> list[str]:
        """Add a node with several outputs and return their names."""
        self.nodes.append(onnx.helper.make_node(op_type, list(inputs), outputs, self._name(op_type), **attributes))
        self._index()
        return outputs

    def _name(self, op_type: str) -> str:
        self._count += 1
        return f"rewritten_{op_type}_{self._count}"

    def remove(self, *dead: onnx.NodeProto) -> None:
        """Remove nodes whose outputs are computed by others from now on."""
        self.nodes = [node for node in self.nodes if not any(node is other for other in dead)]
        self._index()

    def replace_input(self, node: onnx.NodeProto, position: int, name: str) -> None:
        """Make a node read another tensor."""
        node.input[position] = name
        self._index()

    def replace_output(self, node: onnx.NodeProto, name: str) -> None:
        """Make a node with one output compute another tensor."""
        node.output[0] = name
        self._index()

    def finish(self) -> onnx.ModelProto:
        """Write nodes in the order of execution and used constants to the model, and check it.

        Returns:
            The model.
        """
        self._drop_unused()
        graph = self._model.graph
        ordered = self._ordered()
        used = {name for node in ordered for name in node.input}
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(ordered)
        graph.initializer.extend(
            onnx.numpy_helper.from_array(value, name) for name, value in self.constants.items() if name in used
        )
        onnx.checker.check_model(self._model)
        return self._model

    def _drop_unused(self) -> None:
        while dead := [
            node
            for node in self.nodes
            if not any(name in self._consumers or name in self._outputs for name in node.output)
        ]:
            self.remove(*dead)

    def _ordered(self) -> list[onnx.NodeProto]:
        known = {"", *self.constants, *(item.name for item in self._model.graph.input)}
        left, ordered = self.nodes, []
        while left:
            ready = []
            waiting = []
            for node in left:
                (ready if known.issuperset(node.input) else waiting).append(node)
                if ready and ready[-1] is node:
                    known.update(node.output)
            assert ready, "rewritten graph has a cycle"
            ordered += ready
            left = waiting
        return ordered


def attribute(node: onnx.NodeProto, name: str) -> Any:
    """Value of a node's attribute, None without it."""
    for item in node.attribute:
        if item.name == name:
            return onnx.helper.get_attribute_value(item)
    return None


def _shapes(model: onnx.ModelProto) -> dict[str, Shape]:
    graph = onnx.shape_inference.infer_shapes(model).graph
    items = (*graph.value_info, *graph.input, *graph.output)
    return {item.name: tuple(axis.dim_value for axis in item.type.tensor_type.shape.dim) for item in items}
