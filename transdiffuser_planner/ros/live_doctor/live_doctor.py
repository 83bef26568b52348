"""Doctor for a live graph: the planner node, the publishers of its inputs, and the received messages."""

from __future__ import annotations

import os
from collections.abc import Iterator

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.utilities import get_rmw_implementation_identifier

from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.doctor import camera_coverage, message_arrival, message_content
from transdiffuser_planner.doctor.findings import Finding, Findings
from transdiffuser_planner.doctor.model import check_vehicle, contract_of
from transdiffuser_planner.ros.live_doctor.graph import wiring
from transdiffuser_planner.ros.live_doctor.listen import listen
from transdiffuser_planner.ros.live_doctor.node_state import Target, find_target, lifecycle, settle, sim_time, status
from transdiffuser_planner.ros.live_doctor.static_tf import StaticTransforms

NODE_NAME = "transdiffuser_doctor"
_FINDINGS = Findings("planner node")


class LiveDoctor:
    """Examines one planner node with its own node; rclpy must be initialized."""

    def __init__(self) -> None:
        self._node = Node(NODE_NAME, automatically_declare_parameters_from_overrides=False)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()

    def examine(self, node_name: str, seconds: float) -> Iterator[Finding]:
        """Examine one node, in the order in which faults hide each other.

        Args:
            node_name: Fully qualified, for example "/transdiffuser_planner".
            seconds: Duration of listening to its inputs.

        Yields:
            Findings.
        """
        found = find_target(self._node, self._executor, node_name)
        if isinstance(found, Finding):
            yield found
            return
        yield _FINDINGS.ok(
            "node", f"{found.full_name}, planning_rate_hz {found.config.planning_rate_hz:g}, model {found.model}"
        )
        yield lifecycle(self._node, self._executor, found)
        if found.use_sim_time:
            self._node.set_parameters([Parameter("use_sim_time", value=True)])
        try:
            rig = Rig.load(found.rig)
        except PlannerError as error:
            remedy = "start the doctor where the planner runs, or correct its parameter 'rig'"
            yield _FINDINGS.error("rig", str(error), remedy)
            return
        yield from check_vehicle(found.model, rig)
        settle(self._node, self._executor)
        yield from self._listened(found, rig, seconds)

    def _listened(self, target: Target, rig: Rig, seconds: float) -> Iterator[Finding]:
        """Yield findings about connections and messages; repeated when a publisher was discovered while listening."""
        transforms = StaticTransforms(self._node)
        connected = wiring(self._node, target, rig)
        statuses = listen(self._node, self._executor, target, connected, seconds)
        later = wiring(self._node, target, rig)
        if len(later.topic_statistics) > len(connected.topic_statistics):
            connected = later
            statuses = listen(self._node, self._executor, target, connected, seconds)
        yield from sim_time(self._node, target)
        yield from connected.findings
        if connected.topic_statistics:
            yield from message_arrival.check(
                connected.topic_statistics, target.config, seconds, plain_udp=_is_plain_udp()
            )
            yield from message_content.check(connected.topic_statistics, rig)
            yield from camera_coverage.check(
                rig, contract_of(target.model), message_content.live_intrinsics(connected.topic_statistics)
            )
        yield from transforms.check(rig, connected.topic_statistics)
        yield status(statuses, target, seconds)


def examine(node_name: str, seconds: float) -> list[Finding]:
    """Return all findings about a live node; see ``LiveDoctor.examine``.

    Args:
        node_name: Fully qualified.
        seconds: Duration of listening to its inputs.
    """
    doctor = LiveDoctor()
    try:
        return list(doctor.examine(node_name, seconds))
    finally:
        doctor.close()


def _is_plain_udp() -> bool:
    value = os.environ.get("FASTDDS_BUILTIN_TRANSPORTS", "")
    return "fastrtps" in get_rmw_implementation_identifier() and not value.startswith(("LARGE_DATA", "SHM"))
