"""Publishers of the planner node: the trajectory first, all other outputs in parallel to the next cycle.

In shadow mode all outputs are below ``~/shadow`` instead of ``~/output``; the status is on ``~/output`` too and reports it.
Below ``~/debug``, only when subscribed: the duration of every stage, one number per topic; the model's perception; all
denoise steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import NotReady, PlanResult
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.messages import encode_outputs
from transdiffuser_planner.messages.encode_markers import seen
from transdiffuser_planner.messages.encode_outputs import Mode
from transdiffuser_planner.ros.message_factory import make_ros_message, message_class
from transdiffuser_planner.ros.planner_node.front_end import FrontEnd
from transdiffuser_planner.ros.qos import OUTPUT, RELIABLE
from transdiffuser_planner.ros.serialized_subscriptions import OccasionalGroup
from transdiffuser_planner.runtime.supervision.latest_worker import LatestWorker

STAGES = ("features", "encode", "agents", "denoise", "select", "safety", "fallback")
"""Stages of a cycle that have a topic ``~/debug/stage_ms/<name>``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _PublishedPlan:
    """A published plan and its latency, for the outputs other than the trajectory."""

    result: PlanResult
    latency_ms: float
    mode: Mode
    config: PlannerConfig


class NodeOutputs:
    """The node's publishers. ``plan`` may be called from any thread, one call at a time."""

    def __init__(self, node: Node, fault: Callable[[str, str], None], front_end: FrontEnd) -> None:
        """Create all publishers.

        Args:
            node: Owns them.
            fault: Called with (source, text) when publishing another output than the trajectory fails.
            front_end: Publishes in addition.
        """
        self._fault, self._front_end = fault, front_end
        events = OccasionalGroup()

        def publisher(kind: str, topic: str, qos: QoSProfile = OUTPUT) -> Any:
            return node.create_publisher(message_class(kind), topic, qos, callback_group=events)

        self._by_mode = {
            shadow: {name: publisher(kind, f"~/{folder}/{name}") for name, kind in encode_outputs.OUTPUT_TYPES.items()}
            for shadow, folder in ((False, "output"), (True, "shadow"))
        }
        self._stage_ms = {
            name: publisher("std_msgs/msg/Float32", f"~/debug/stage_ms/{name}") for name in (*STAGES, "total")
        }
        self._seen = publisher("visualization_msgs/msg/MarkerArray", "~/debug/seen")
        self._denoise_steps = publisher(
            "transdiffuser_msgs/msg/CandidateTrajectories", "~/debug/denoise_steps", RELIABLE
        )
        self._publisher_thread: LatestWorker[_PublishedPlan] | None = None

    def start(self, contract: ModelContract, vehicle: VehicleModel) -> None:
        """Start the publisher thread.

        Args:
            contract: Range of the model's grid.
            vehicle: Its wheelbase determines the front-wheel angles.
        """
        self._range_m, self._vehicle = contract.range_m, vehicle
        self._publisher_thread = LatestWorker(self._publish_extras, name="publisher")

    def stop(self) -> None:
        """End the publisher thread."""
        if self._publisher_thread is not None:
            self._publisher_thread.stop()
        self._publisher_thread = None

    @property
    def publishes_denoise_steps(self) -> bool:
        """Whether ``~/debug/denoise_steps`` has a subscriber."""
        return bool(self._denoise_steps.get_subscription_count())

    def plan(self, result: PlanResult, arrived_s: float, config: PlannerConfig, mode: Mode) -> float:
        """Publish a plan: trajectory and status now, all other outputs from the publisher thread.

        Args:
            result: The plan.
            arrived_s: Arrival of its frame on ``time.perf_counter``.
            config: Deadline, for the status.
            mode: Whether stopping or in shadow mode.

        Returns:
            Milliseconds from ``arrived_s`` on ``time.perf_counter`` until the trajectory was published.
        """
        message = encode_outputs.trajectory(make_ros_message, result.trajectory, self._vehicle)
        self._by_mode[mode.is_shadow]["trajectory"].publish(message)
        try:
            self._front_end.publish(result, mode)
        except Exception as error:  # the planner's own outputs do not depend on it
            self._fault("front end", f"publishing for another world failed: {type(error).__name__}: {error}")
        latency_ms = (time.perf_counter() - arrived_s) * 1e3
        self._status(encode_outputs.status(make_ros_message, result, latency_ms, config, mode), mode)
        if self._publisher_thread is not None:
            self._publisher_thread.submit(
                _PublishedPlan(result=result, latency_ms=latency_ms, mode=mode, config=config)
            )
        return latency_ms

    def not_ready(
        self, stamp_ns: int, value: NotReady, config: PlannerConfig, model: tuple[str, str], mode: Mode
    ) -> None:
        """Publish a status with the reason that there is no plan.

        Args:
            stamp_ns: Its stamp.
            value: The reason.
            config: Deadline, for the status.
            model: (name, hash) of the model.
            mode: Whether stopping or in shadow mode.
        """
        self._status(encode_outputs.not_ready_status(make_ros_message, stamp_ns, value, config, model, mode), mode)

    def _status(self, message: Any, mode: Mode) -> None:
        self._by_mode[False]["status"].publish(message)
        if mode.is_shadow:
            self._by_mode[True]["status"].publish(message)

    def _publish_extras(self, plan: _PublishedPlan) -> None:
        """Publish candidates and markers, in the publisher thread; skipped when a newer plan arrives first."""
        try:
            publishers = self._by_mode[plan.mode.is_shadow]
            names = set(publishers) - {"trajectory", "status"}
            subscribed = {name for name in names if publishers[name].get_subscription_count()}
            arguments = (make_ros_message, plan.result, plan.latency_ms, plan.config, subscribed)
            for name, message in encode_outputs.extras(*arguments):
                publishers[name].publish(message)
            self._front_end.publish_extras(plan.result, plan.mode)
            self._debug(plan)
        except Exception as error:  # outermost scope of the publisher thread
            self._fault("publisher", f"publishing candidates and markers failed: {error}")

    def _debug(self, plan: _PublishedPlan) -> None:
        for name, duration_ms in {**plan.result.provenance.stage_ms, "total": plan.latency_ms}.items():
            if name in self._stage_ms and self._stage_ms[name].get_subscription_count():
                self._stage_ms[name].publish(make_ros_message("std_msgs/msg/Float32", data=float(duration_ms)))
        if self._seen.get_subscription_count():
            self._seen.publish(seen(make_ros_message, plan.result, self._range_m))
        for message in encode_outputs.denoise_steps(make_ros_message, plan.result):
            self._denoise_steps.publish(message)
