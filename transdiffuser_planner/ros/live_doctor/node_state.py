"""Finds the planner node on the graph and reads its parameters, lifecycle state, clock and status."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from rclpy.executors import Executor
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.doctor.findings import Finding, Findings
from transdiffuser_planner.ros.message_factory import message_class

_FINDINGS = Findings("planner node")
_FIND_S = 3.0
_ANSWER_S = 5.0
_CALM_S, _SETTLE_S = 1.5, 10.0
_OTHERS_SHOWN = 8
STATUS_TYPE = "transdiffuser_msgs/msg/PlannerStatus"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A planner node on the graph.

    Attributes:
        name: Node name on the graph.
        namespace: Its namespace.
        config: Its planner parameters.
        model: Its parameter of that name.
        rig: Its parameter of that name.
        use_sim_time: Whether its clock is /clock.
    """

    name: str
    namespace: str
    config: PlannerConfig
    model: str
    rig: str
    use_sim_time: bool

    @property
    def full_name(self) -> str:
        """Fully qualified name."""
        return f"{self.namespace.rstrip('/')}/{self.name}"


def wait_for(executor: Executor, condition: Any, timeout_s: float) -> bool:
    """Spin until a condition holds.

    Args:
        executor: Spins.
        condition: Called repeatedly.
        timeout_s: Longest wait.

    Returns:
        Whether it holds.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        executor.spin_once(timeout_sec=0.05)
    return True


def settle(node: Node, executor: Executor) -> None:
    """Wait until discovery is complete: under load, nodes and topics are discovered over seconds."""
    seen, since, begin = _graph(node), time.monotonic(), time.monotonic()
    while time.monotonic() - since < _CALM_S and time.monotonic() - begin < _SETTLE_S:
        executor.spin_once(timeout_sec=0.1)
        now = _graph(node)
        if now != seen:
            seen, since = now, time.monotonic()


def _graph(node: Node) -> list[Any]:
    topics = [topic for topic, _ in node.get_topic_names_and_types()]
    return [sorted(node.get_node_names_and_namespaces()), [(topic, node.count_publishers(topic)) for topic in topics]]


def find_target(node: Node, executor: Executor, full_name: str) -> Target | Finding:
    """Find a planner node and read its parameters.

    Args:
        node: The doctor's.
        executor: Spins the node.
        full_name: Fully qualified name of the planner.

    Returns:
        The planner, or a finding with the reason that there is none.
    """
    namespace, _, name = ("/" + full_name.lstrip("/")).rpartition("/")
    namespace = namespace or "/"
    if not wait_for(executor, lambda: (name, namespace) in node.get_node_names_and_namespaces(), _FIND_S):
        return _not_found(node, full_name)
    values = _parameters(node, executor, f"{namespace.rstrip('/')}/{name}")
    if values is None:
        remedy = "give the planner's name with --node; if it is the planner, it hangs: restart it"
        return _FINDINGS.error("node", f"{full_name} does not answer for its parameters", remedy)
    known = {item.name for item in fields(PlannerConfig)}
    if values.get("model") is None or values.get("planning_rate_hz") is None:
        return _FINDINGS.error(
            "node", f"{full_name} is not a planner: it has no parameters model and planning_rate_hz", "give --node"
        )
    try:
        config = PlannerConfig.from_dict(
            {key: value for key, value in values.items() if key in known and value is not None}
        )
    except ConfigError as error:
        return _FINDINGS.error(
            "parameters", str(error), "correct the parameter, or start the doctor of the planner's version"
        )
    return Target(
        name=name,
        namespace=namespace,
        config=config,
        model=str(values["model"]),
        rig=str(values["rig"]),
        use_sim_time=bool(values.get("use_sim_time")),
    )


def _not_found(node: Node, full_name: str) -> Finding:
    """Report the nodes that were found: they show whether the name or the network is wrong."""
    others = sorted(
        f"{ns.rstrip('/')}/{name}" for name, ns in node.get_node_names_and_namespaces() if name != node.get_name()
    )
    if not others:
        remedy = "start it ('transdiffuser plan'); same ROS_DOMAIN_ID, discovery range and middleware on both sides"
        return _FINDINGS.error("node", f"{full_name} is not on the graph, and no other node either", remedy)
    listed = ", ".join(others[:_OTHERS_SHOWN]) + (", ..." if len(others) > _OTHERS_SHOWN else "")
    return _FINDINGS.error(
        "node", f"{full_name} is not on the graph; there are {listed}", "start it, or give its name with --node"
    )


def _parameters(node: Node, executor: Executor, full_name: str) -> dict[str, Any] | None:
    names = [item.name for item in fields(PlannerConfig)] + ["model", "rig", "use_sim_time"]
    client = AsyncParameterClient(node, full_name)
    if not wait_for(executor, client.services_are_ready, _ANSWER_S):
        return None
    future = client.get_parameters(names)
    if not wait_for(executor, future.done, _ANSWER_S):
        return None
    return {name: parameter_value_to_python(value) for name, value in zip(names, future.result().values, strict=False)}


def lifecycle(node: Node, executor: Executor, target: Target) -> Finding:
    """Check the planner's lifecycle state.

    Args:
        node: The doctor's.
        executor: Spins the node.
        target: The planner.
    """
    from lifecycle_msgs.srv import GetState

    client = node.create_client(GetState, f"{target.full_name}/get_state")
    try:
        if not wait_for(executor, client.service_is_ready, _ANSWER_S):
            return _FINDINGS.error(
                "lifecycle", "the node has no lifecycle services", "give the planner's name with --node"
            )
        future = client.call_async(GetState.Request())
        if not wait_for(executor, future.done, _ANSWER_S):
            return _FINDINGS.error("lifecycle", "no answer for its state", "the node hangs; restart it")
        label = str(future.result().current_state.label)
    finally:
        node.destroy_client(client)
    if label == "active":
        return _FINDINGS.ok("lifecycle", "active")
    if label == "inactive":
        return _FINDINGS.error(
            "lifecycle", "inactive: it does not plan", f"ros2 lifecycle set {target.full_name} activate"
        )
    text = f"{label}: it has no model and subscribes to nothing; /diagnostics or its log give the reason"
    return _FINDINGS.error(
        "lifecycle", text, f"correct that, then ros2 lifecycle set {target.full_name} configure, and activate"
    )


def sim_time(node: Node, target: Target) -> Iterator[Finding]:
    """Compare the planner's clock with the publishers of /clock.

    Args:
        node: The doctor's.
        target: The planner.

    Yields:
        One finding.
    """
    clock, sources = Findings("clock"), node.get_publishers_info_by_topic("/clock")
    if target.use_sim_time and not sources:
        remedy = "start the simulator or 'ros2 bag play --clock', or set use_sim_time to false"
        yield clock.error(
            "use_sim_time", "true, and /clock has no publisher: the planner's time does not advance", remedy
        )
    elif target.use_sim_time and len(sources) > 1:
        names = ", ".join(sorted(info.node_name for info in sources))
        yield clock.error(
            "use_sim_time", f"{len(sources)} publishers of /clock ({names}): time jumps", "keep one of them"
        )
    elif not target.use_sim_time and sources:
        text = f"false, and '{sources[0].node_name}' publishes /clock: sensors probably carry simulated time"
        yield clock.warn("use_sim_time", text, "start the planner with use_sim_time:=true")
    else:
        yield clock.ok(
            "use_sim_time",
            "true, /clock has one publisher" if target.use_sim_time else "false, /clock has no publisher",
        )


def status_topic(node: Node, target: Target) -> str:
    """Return the topic of the planner's status; the empty string without one.

    Args:
        node: The doctor's.
        target: The planner.
    """
    pairs = node.get_publisher_names_and_types_by_node(target.name, target.namespace)
    return next((topic for topic, kinds in pairs if STATUS_TYPE in kinds), "")


def status_class() -> Any:
    """Return the class of the planner's status messages."""
    return message_class(STATUS_TYPE)


def status(received: Sequence[Any], target: Target, seconds: float) -> Finding:
    """Summarize the planner's status messages.

    Args:
        received: Status messages.
        target: The planner.
        seconds: Duration of listening.
    """
    if not received:
        text = f"no status within {seconds:g} s"
        return _FINDINGS.error(
            "plans",
            text,
            "check that the node runs and that its status reaches this machine; listen longer with --seconds",
        )
    ready = [message for message in received if message.ready]
    if not ready:
        remedy = "see the findings above and docs/bad_input.md"
        return _FINDINGS.error("plans", f"none in {seconds:g} s: {received[-1].not_ready_reason}", remedy)
    fallbacks = [message for message in ready if message.fallback_level]
    if len(fallbacks) == len(ready):
        text = f"only fallbacks in {seconds:g} s: {fallbacks[-1].fallback_reason}"
        remedy = "see the findings above; where time is short, end other programs or lower num_candidates"
        return _FINDINGS.error("plans", text, remedy)
    latencies = sorted(message.latency_ms for message in ready)
    masked = ", ".join(ready[-1].missing_inputs) or "nothing"
    text = f"{len(ready)} in {seconds:g} s, latency {latencies[len(latencies) // 2]:.0f} ms, masked: {masked}"
    late = sum(value > target.config.deadline_ms for value in latencies)
    if late:
        remedy = "end other programs, or lower num_candidates or num_denoise_steps"
        return _FINDINGS.warn("plans", f"{text}; {late} late", remedy)
    if fallbacks:
        text += f"; {len(fallbacks)} fallbacks, the last: {fallbacks[-1].fallback_reason}"
        return _FINDINGS.warn("plans", text, "see ~/output/status over a longer time")
    return _FINDINGS.ok("plans", text)
