"""The doctor on a live graph: the planner node, who feeds it, and what arrives."""

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
_SAY = Findings("planner node")


class LiveDoctor:
    """Looks at one planner node from a node of its own; rclpy is initialized."""

    def __init__(self) -> None:
        self._node = Node(NODE_NAME, automatically_declare_parameters_from_overrides=False)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()

    def examine(self, node_name: str, seconds: float) -> Iterator[Finding]:
        """Everything about one node, in the order in which faults hide each other.

        Args:
            node_name: Fully qualified, for example "/transdiffuser_planner".
            seconds: How long to listen to its inputs.
        """
        found = find_target(self._node, self._executor, node_name)
        if isinstance(found, Finding):
            yield found
            return
        yield _SAY.ok(
            "node", f"{found.full_name}, planning_rate_hz {found.config.planning_rate_hz:g}, model {found.model}"
        )
        yield lifecycle(self._node, self._executor, found)
        if found.use_sim_time:
            self._node.set_parameters([Parameter("use_sim_time", value=True)])
        try:
            rig = Rig.load(found.rig)
        except PlannerError as error:
            remedy = "start the doctor where the planner runs, or correct its parameter 'rig'"
            yield _SAY.error("rig", str(error), remedy)
            return
        yield from check_vehicle(found.model, rig)
        settle(self._node, self._executor)
        yield from self._listened(found, rig, seconds)

    def _listened(self, target: Target, rig: Rig, seconds: float) -> Iterator[Finding]:
        """What is connected and what arrives; once more when somebody was discovered only while listening."""
        transforms = StaticTransforms(self._node)
        connected = wiring(self._node, target, rig)
        statuses = listen(self._node, self._executor, target, connected, seconds)
        later = wiring(self._node, target, rig)
        if len(later.heard) > len(connected.heard):
            connected = later
            statuses = listen(self._node, self._executor, target, connected, seconds)
        yield from sim_time(self._node, target)
        yield from connected.findings
        if connected.heard:
            yield from message_arrival.check(connected.heard, target.config, seconds, plain_udp=_is_plain_udp())
            yield from message_content.check(connected.heard, rig)
            yield from camera_coverage.check(
                rig, contract_of(target.model), message_content.live_intrinsics(connected.heard)
            )
        yield from transforms.check(rig, connected.heard)
        yield status(statuses, target, seconds)


def examine(node_name: str, seconds: float) -> list[Finding]:
    """All findings about a live node; see ``LiveDoctor.examine``."""
    doctor = LiveDoctor()
    try:
        return list(doctor.examine(node_name, seconds))
    finally:
        doctor.close()


def _is_plain_udp() -> bool:
    value = os.environ.get("FASTDDS_BUILTIN_TRANSPORTS", "")
    return "fastrtps" in get_rmw_implementation_identifier() and not value.startswith(("LARGE_DATA", "SHM"))
