"""Autoware around the planner node, in its process: more inputs before the assembler, more outputs on the same plans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from transdiffuser_planner.core.types import PlanResult
from transdiffuser_planner.core.vehicle import EGO_VEHICLE, VehicleModel
from transdiffuser_planner.integrations.autoware import topics
from transdiffuser_planner.integrations.autoware.interface import versions
from transdiffuser_planner.integrations.autoware.interface.serialized import TRAFFIC_LIGHTS_BEFORE_1_8, read_autoware
from transdiffuser_planner.integrations.autoware.lanelets.lanelet_map import LaneletMap
from transdiffuser_planner.integrations.autoware.outputs import encode, encode_objects
from transdiffuser_planner.integrations.autoware.outputs.planning_factors import planning_factors
from transdiffuser_planner.integrations.autoware.outputs.turn_indicators import (
    Indicator,
    TurnIndicators,
    wanted_indicator,
)
from transdiffuser_planner.integrations.autoware.peers import PeerCheck
from transdiffuser_planner.integrations.autoware.route_inputs import RouteInputs
from transdiffuser_planner.messages.encode_outputs import Mode
from transdiffuser_planner.messages.input_registry import SnapshotSink
from transdiffuser_planner.ros.message_factory import make_ros_message, message_class
from transdiffuser_planner.ros.planner_node.front_end import FrontEndInput
from transdiffuser_planner.ros.planner_node.node import PlannerNode
from transdiffuser_planner.ros.qos import OUTPUT
from transdiffuser_planner.ros.serialized_subscriptions import OccasionalGroup
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler

_STOP_BELOW_MPS = 0.1
"""An external velocity limit below this requests a stop."""


class AutowareFrontEnd:
    """Autoware's inputs and outputs of one planner node."""

    def __init__(self, node: PlannerNode, lanelet_map: LaneletMap | None, *, uses_tracked_objects: bool) -> None:
        """Create the publishers.

        Args:
            node: The planner node.
            lanelet_map: The vector map; None refuses routes.
            uses_tracked_objects: Whether Autoware's tracked objects replace the planner's detections.
        """
        self._node, self._map = node, lanelet_map
        self._uses_tracked_objects = uses_tracked_objects
        self._route_inputs: RouteInputs | None = None
        self._vehicle = EGO_VEHICLE
        self._turn_indicators = TurnIndicators()
        self._indicator = Indicator.DISABLE
        events = OccasionalGroup()
        self._publishers: dict[tuple[bool, str], Any] = {}
        self._checks: dict[tuple[bool, str], PeerCheck] = {}
        for is_shadow, folder in topics.OUTPUT_FOLDERS.items():
            for name, (_, type_name) in topics.OUTPUTS.items():
                topic = f"{folder}/{name}"
                self._publishers[is_shadow, name] = node.create_publisher(
                    message_class(type_name), topic, OUTPUT, callback_group=events
                )
                self._checks[is_shadow, name] = PeerCheck(node, topic, type_name, is_input=False)
        if lanelet_map is not None:
            node.get_logger().info(
                f"map {lanelet_map.source}: {len(lanelet_map.lanelets)} lanelets, {len(lanelet_map.traffic_lights)} traffic "
                f"lights; {lanelet_map.skipped} lanelets without two boundaries are left out"
            )
        fields = message_class(versions.CANDIDATE).get_fields_and_field_types()
        self._candidates_have_indicator = "turn_indicators_command" in fields

    @property
    def must_stop(self) -> bool:
        """Whether the external velocity limit requests a stop."""
        limit = None if self._route_inputs is None else self._route_inputs.external_limit_mps
        return limit is not None and limit < _STOP_BELOW_MPS

    def configure(self, vehicle: VehicleModel, assembler: SnapshotAssembler) -> SnapshotSink:
        """Begin without a route.

        Args:
            vehicle: Of the rig.
            assembler: Receives the derived inputs.

        Returns:
            The sink of all decoded messages.
        """
        self._vehicle, self._turn_indicators = vehicle, TurnIndicators()
        self._route_inputs = RouteInputs(assembler, self._map, vehicle, self._refuse_route)
        return self._route_inputs

    def _refuse_route(self, reason: str) -> None:
        self._node.report_fault("autoware route", f"input refused: {reason}")

    def inputs(self) -> Sequence[FrontEndInput]:
        """Return the inputs that only Autoware has."""
        sink = self._route_inputs
        assert sink is not None  # called after configure
        takers: dict[str, Callable[[Any], str | None]] = {
            topics.ROUTE_INPUT: sink.add_lanelet_route,
            topics.LIGHTS_INPUT: sink.add_traffic_lights,
            topics.LIMIT_INPUT: self._take_limit,
        }
        if self._uses_tracked_objects:
            takers[topics.OBJECTS_INPUT] = sink.add_tracked_objects
        return [self._input(topic, take) for topic, take in takers.items()]

    def _input(self, topic: str, take: Callable[[Any], str | None]) -> FrontEndInput:
        """An input whose messages are read only if the publisher's definition is known."""
        _, type_name, qos = topics.INPUTS[topic]
        accepted = (TRAFFIC_LIGHTS_BEFORE_1_8,) if topic == topics.LIGHTS_INPUT else ()
        check = PeerCheck(self._node, topic, type_name, is_input=True, accepted=accepted)

        def take_serialized(data: bytes) -> str | None:
            reason = check.check()
            return reason or take(read_autoware(data, type_name, check.peer_hash))

        return FrontEndInput(topic=topic, type_name=type_name, qos=qos, take=take_serialized)

    def _take_limit(self, message: Any) -> str | None:
        """Take a velocity limit; one of zero requests a stop until the next."""
        assert self._route_inputs is not None
        reason = self._route_inputs.add_velocity_limit(message)
        self._node.set_mode(self._node.mode)
        return reason

    @property
    def _altitude_m(self) -> float:
        return 0.0 if self._route_inputs is None else self._route_inputs.altitude_m

    def publish(self, result: PlanResult, mode: Mode) -> None:
        """Publish trajectory and turn indicators.

        Args:
            result: The plan.
            mode: Whether in shadow mode.
        """
        place = None if self._route_inputs is None else self._route_inputs.place
        speed = float(result.trajectory.speed_mps_T[0])
        wanted = Indicator.DISABLE if place is None else wanted_indicator(place.line, place.s_m, speed)
        self._indicator = self._turn_indicators.update(result.trajectory.stamp_ns, wanted)
        if self._may_publish(mode, "trajectory"):
            message = encode.trajectory(result.trajectory, self._vehicle, self._altitude_m)
            self._publishers[mode.is_shadow, "trajectory"].publish(message)
        if self._may_publish(mode, "turn_indicators_cmd"):
            command = encode.turn_indicators(make_ros_message, result.trajectory.stamp_ns, self._indicator)
            self._publishers[mode.is_shadow, "turn_indicators_cmd"].publish(command)

    def publish_extras(self, result: PlanResult, mode: Mode) -> None:
        """Publish candidates, predicted objects and planning factors, each if it has a subscriber.

        Args:
            result: The plan.
            mode: Whether in shadow mode.
        """
        sink, make, altitude_m = self._route_inputs, make_ros_message, self._altitude_m
        place, uuids = (None, {}) if sink is None else (sink.place, sink.uuids)
        makers: dict[str, Callable[[], Any]] = {
            "candidate_trajectories": lambda: encode.candidates(
                result, self._vehicle, altitude_m, self._indicator, has_indicator=self._candidates_have_indicator
            ),
            "predicted_objects": lambda: encode_objects.predicted_objects(
                result, altitude_m, lambda number: encode.agent_uuid(number, uuids)
            ),
            "planning_factors": lambda: encode.planning_factors(
                make, result, planning_factors(result, place, self._vehicle), altitude_m, uuids
            ),
        }
        for name, maker in makers.items():
            if self._may_publish(mode, name):
                self._publishers[mode.is_shadow, name].publish(maker())

    def _may_publish(self, mode: Mode, name: str) -> bool:
        """Whether an output has subscribers, all of the same definition; one of another would misread it."""
        key = mode.is_shadow, name
        if not self._publishers[key].get_subscription_count():
            return False
        reason = self._checks[key].check()
        if reason:
            self._node.report_fault(f"autoware {name}", f"{reason}; nothing is published there")
        return not reason


def autoware_node(
    lanelet_map: LaneletMap | None, *, uses_tracked_objects: bool = False, **node_options: Any
) -> PlannerNode:
    """Make a planner node with Autoware's inputs and outputs.

    Args:
        lanelet_map: The vector map; None refuses routes.
        uses_tracked_objects: Whether Autoware's tracked objects replace the planner's detections.
        node_options: Of the planner node.

    Raises:
        ConfigError: A parameter override is invalid.
    """
    return PlannerNode(
        front_end=lambda node: AutowareFrontEnd(node, lanelet_map, uses_tracked_objects=uses_tracked_objects),
        **node_options,
    )
