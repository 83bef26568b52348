"""Reads parameter files with rclpy: asked for in JSON on standard input, answered in JSON on the last line of standard output."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python


def typed(values: Mapping[str, object]) -> dict[str, str]:
    """Values with their types, comparable also when NaN."""
    return {name: repr([type(value), list(value) if isinstance(value, (list, tuple)) or hasattr(value, "tolist") else value])
            for name, value in values.items()}  # fmt: skip


def given_parameters(path: Path, namespaces: Sequence[str]) -> dict[str, dict[str, str]]:
    """The parameters that a node named transdiffuser_planner is given in each namespace."""
    context = Context()
    rclpy.init(args=["test", "--ros-args", "--params-file", str(path)], context=context)
    found = {}
    try:
        for namespace in namespaces:
            node = Node(
                "transdiffuser_planner", namespace=namespace, context=context, enable_rosout=False,
                start_parameter_services=False, allow_undeclared_parameters=True,
            )  # fmt: skip
            given = node._parameter_overrides
            found[namespace] = typed(
                {name: parameter_value_to_python(value.get_parameter_value()) for name, value in given.items()}
            )
            node.destroy_node()
    finally:
        rclpy.shutdown(context=context)
    return found


def main() -> None:
    """Answer for every text of the file."""
    asked = json.load(sys.stdin)
    path, found = Path(asked["path"]), []
    for text in asked["texts"]:
        path.write_text(text, encoding="utf-8")
        found.append(given_parameters(path, asked["namespaces"]))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
