"""Parameter files: the replay reads them as rclpy does, and node and replay refuse the same values with the same line."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import needs_ros  # noqa: F401
import pytest
from parameters_by_rclpy import typed
from rclpy.parameter import Parameter

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.replay.node_parameters import node_parameters
from transdiffuser_planner.replay.parameter_file import parameters_of, read_sections
from transdiffuser_planner.ros.planner_node import parameters
from transdiffuser_planner.ros.planner_node.node import PlannerNode

SUPPORT = Path(__file__).parents[1] / "support"
NAMESPACES = ("/", "/car")
SECTION = "{name}:\n  ros__parameters: {{a: 1, b: {{c: 2.5}}}}\n"
NAMES = (
    "transdiffuser_planner", "/transdiffuser_planner", "car/transdiffuser_planner", "/car/transdiffuser_planner", "/**",
    "'**'", "/*", "'*'", "/**/transdiffuser_planner", "/*/transdiffuser_planner", "/car/**", "/car/*", "'**/car/*'",
    "/car/**/transdiffuser_planner", "/other", "/car/x/transdiffuser_planner",
)  # fmt: skip
NUMBERS = (
    "0x10", "010", "08", "-5", "+5", "1_000", ".5", "1.", "2e-1", "1e3", "1e400", "1e-400", "0.0e9", "99999999999999999999",
    ".inf", "-.inf", "inf", "nan", ".NaN", "-.nan", "yes", "on", "Off", "tRue", "~", "null", "0b11", "12:30", "'5'", '"5"',
    "!!str 5", "!!float 5", "0x1p3", "1e", "2001-01-01", "[1, 2]", "[1.5]", "[a, b]", "[true]", "[]", "''", "text",
)  # fmt: skip
FILES = (
    "/**:\n  ros__parameters: {a: 1}\n/car/transdiffuser_planner:\n  ros__parameters: {a: 2}\n/**:\n  ros__parameters: {a: 3}\n",
    "/car/transdiffuser_planner:\n  ros__parameters: {a: 1, b: 1}\n/**:\n  ros__parameters: {a: 2, c: 2}\n",
    "car/transdiffuser_planner:\n  ros__parameters: {a: 1}\n/**:\n  ros__parameters: {a: 2}\n"
    "/car/transdiffuser_planner:\n  ros__parameters: {a: 3}\n",
    "/**:\n  transdiffuser_planner:\n    ros__parameters: {a: 1}\n",
    "car:\n  transdiffuser_planner:\n    ros__parameters: {a: 1}\n  camera:\n    ros__parameters: {a: 2}\n",
    "car:\n  ros__parameters: {a: 1}\n  transdiffuser_planner:\n    ros__parameters: {b: 1}\n",
    "/**:\n  ros__parameters: {a: 1, a: 2.5}\n",
    "/**:\n  ros__parameters: {a: 2.5, a: x}\n",
    "/**:\n  ros__parameters: {qos_overrides: {/lidar: {subscription: {depth: 3}}},\n"
    "    qos_overrides./lidar.subscription.history: keep_all}\n",
    "\ufeff---\n/**:\n  ros__parameters: {a: 1}\n---\n/**:\n  ros__parameters: {b: 1}\n",
)  # fmt: skip
REFUSED = (
    "/**:\n  ros__parameters: {a: &x 1, b: *x}\n", "/**:\n  ros__parameters:\n    a:\n    b: 1\n", "/**:\n  ros__parameters:\n",
    "transdiffuser_planner:\n  a: 1\n", "ros__parameters:\n  a: 1\n", "- a\n", "/**:\n  ros__parameters: {a: [1, x]}\n",
    "/car-x/transdiffuser_planner:\n  ros__parameters: {a: 1}\n", "//transdiffuser_planner:\n  ros__parameters: {a: 1}\n",
    "/**:\n  ros__parameters: {a: 1\n", "/**:\n  ros__parameters: {'': 1}\n",
)  # fmt: skip


def by_rclpy(path: Path, texts: Iterable[str]) -> list[dict[str, dict[str, str]]]:
    """Per text of a file, the parameters that a real node of each namespace is given, in a process of its own.

    Dozens of contexts in one process stop now and then inside the middleware for good: that process is then started again.
    """
    asked = json.dumps({"path": str(path), "namespaces": NAMESPACES, "texts": list(texts)})
    command = [sys.executable, str(SUPPORT / "parameters_by_rclpy.py")]
    for last in (False, False, True):
        try:
            ended = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=120)
        except subprocess.TimeoutExpired:
            if last:
                raise
            continue
        if ended.returncode:
            raise RuntimeError(ended.stderr)
        return list(json.loads(ended.stdout.splitlines()[-1]))
    raise AssertionError("unreachable")


def test_sections_wildcards_and_values_are_read_as_rclpy_reads_them(tmp_path):
    numbers = "/**:\n  ros__parameters:\n" + "".join(f"    p{i}: {text}\n" for i, text in enumerate(NUMBERS))
    pairs = [SECTION.format(name=first) + SECTION.format(name=second).replace("a: 1", "a: 7") for first, second in
             itertools.islice(itertools.product(NAMES, repeat=2), 0, None, 7)]  # fmt: skip
    path = tmp_path / "parameters.yaml"
    texts = (numbers, *FILES, *(SECTION.format(name=name) for name in NAMES), *pairs)
    for text, expected in zip(texts, by_rclpy(path, texts), strict=True):
        path.write_text(text, encoding="utf-8")
        sections = read_sections(path)
        for namespace in NAMESPACES:
            read = parameters_of(sections, f"{namespace.rstrip('/')}/transdiffuser_planner")
            assert typed(read) == expected[namespace], f"{namespace}: {text}"


@pytest.mark.parametrize("text", REFUSED)
def test_a_file_that_rclpy_refuses_is_refused_with_its_line(tmp_path, text):
    path = tmp_path / "parameters.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RuntimeError, match="parse"):
        by_rclpy(path, [text])
    with pytest.raises(ConfigError, match=r"parameter file .*: (line \d|not valid YAML)"):
        read_sections(path)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"num_candidates": 9999}, "parameter num_candidates: must lie in 1 .. 128, got 9999"),
        ({"deadline_ms": 5000}, "parameter deadline_ms: must lie in 5.0 .. 1000.0 ms, got 5000.0"),
        ({"num_candidats": 6}, "unknown parameters ['num_candidats']; did you mean num_candidates?"),
        ({"use_sim_time": 1}, "parameter use_sim_time: expected bool, got 1"),
        ({"model": 3}, "parameter model: expected str, got 3"),
        (
            {"qos_overrides./a.subscription.durability": "volatil"},
            "qos_overrides./a.subscription.durability: must be one of",
        ),
    ],
)
def test_node_and_replay_refuse_a_parameter_with_the_same_line(tmp_path, given, line):
    with pytest.raises(ConfigError) as of_the_node:
        PlannerNode(parameter_overrides=[Parameter(name, value=value) for name, value in given.items()])
    path = tmp_path / "parameters.yaml"
    path.write_text(f"/**:\n  ros__parameters: {given}\n")
    with pytest.raises(ConfigError) as of_the_replay:
        node_parameters(path)
    assert line in str(of_the_node.value) and line in str(of_the_replay.value)


def test_whole_numbers_are_taken_at_the_start_and_later():
    node = PlannerNode(parameter_overrides=[Parameter("deadline_ms", value=90), Parameter("run_seed", value=3)])
    try:
        assert parameters.config_of(node).deadline_ms == 90.0 and parameters.config_of(node).run_seed == 3
        later = node.set_parameters([Parameter("deadline_ms", value=80), Parameter("planning_rate_hz", value=5)])
        assert all(result.successful for result in later)
        assert parameters.config_of(node).deadline_ms == 80.0
        refused = node.set_parameters([Parameter("deadline_ms", value=5000), Parameter("run_seed", value=1.0)])
        assert not any(result.successful for result in refused)
        assert node.describe_parameter("deadline_ms").floating_point_range[0].to_value == 1000.0
    finally:
        node.destroy_node()
