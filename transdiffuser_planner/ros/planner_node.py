"""The planner as a ROS 2 lifecycle node: messages in, snapshots to a worker thread, plans out.

Configuring loads and checks the model; activating starts planning. Callbacks decode and hand over, they never wait for
the network. Whatever goes wrong with data or model is a status and a diagnostic, not the end of the node.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos_overriding_options import QoSOverridingOptions

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.core.paths import DEFAULT_MODEL, model_folder
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import NotReady, PlanResult, SensorSnapshot
from transdiffuser_planner.recording import encode_plan
from transdiffuser_planner.recording.feed import MessageFeeder
from transdiffuser_planner.recording.topics import PARAMS, TopicMap
from transdiffuser_planner.ros import parameters
from transdiffuser_planner.ros.health import Health
from transdiffuser_planner.ros.message_factory import make_ros_message, message_class
from transdiffuser_planner.ros.qos import LATCHED, OUTPUT, SENSOR_INPUT
from transdiffuser_planner.runtime.frame_trigger import FrameTrigger
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.runtime.snapshot_assembler import SnapshotAssembler
from transdiffuser_planner.runtime.worker import LatestWorker

NODE_NAME = "transdiffuser_planner"
_POLL_S = 0.02
_HEARTBEAT_S = 1.0
_LOG_EVERY_S = 5.0

_OPTIONAL_INPUTS = {
    "acceleration": "geometry_msgs/msg/AccelWithCovarianceStamped",
    "command": "transdiffuser_msgs/msg/DrivingCommand",
    "speed_limit": "std_msgs/msg/Float32",
    "traffic_signal": "transdiffuser_msgs/msg/TrafficSignal",
}


def input_topics(rig: Rig) -> TopicMap:
    """The node's private inputs; compressed pictures come on ``~/input/camera/<name>/compressed``."""
    return TopicMap(
        images={camera.name: f"~/input/camera/{camera.name}" for camera in rig.cameras},
        camera_infos={camera.name: f"~/input/camera/{camera.name}/camera_info" for camera in rig.cameras},
        lidar="~/input/lidar" if rig.lidar is not None else "",
        odometry="~/input/odometry",
        route="~/input/route",
        **{name: f"~/input/{name}" for name in _OPTIONAL_INPUTS},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    """One cycle for the worker: the snapshot, when its last message arrived, and whether the planner must forget."""

    snapshot: SensorSnapshot
    arrived: float
    forget: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Told:
    """A published plan and how long it took, for the outputs beside the trajectory."""

    result: PlanResult
    latency_ms: float


class PlannerNode(LifecycleNode):
    """See the module; topics and parameters are in docs/interfaces.md."""

    def __init__(self, **node_options: Any) -> None:
        """Declare parameters; nothing is loaded yet.

        Raises:
            ConfigError: A parameter given at start is refused.
        """
        super().__init__(NODE_NAME, **node_options)
        parameters.declare_config(self)
        parameters.declare_text(self, "model", DEFAULT_MODEL, "Model folder, or the name of a shipped model.")
        parameters.declare_text(self, "rig", str(PARAMS / "rig_carla.yaml"), "Sensor rig YAML.")
        self.health = Health()
        self._planner: Planner | None = None
        self._worker: LatestWorker[_Job] | None = None
        self._teller: LatestWorker[_Told] | None = None
        self._active = False
        self._logged: dict[str, float] = {}
        self._owned: list[Callable[[], None]] = []
        self._diagnostics = self.create_publisher(
            message_class("diagnostic_msgs/msg/DiagnosticArray"), "/diagnostics", OUTPUT
        )
        self._outputs = {
            name: self.create_publisher(message_class(type_name), f"~/output/{name}", OUTPUT)
            for name, type_name in encode_plan.OUTPUT_TYPES.items()
        }
        self._config = PlannerConfig()
        self.create_timer(
            _HEARTBEAT_S, self._guarded("heartbeat", self._heartbeat), clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self.add_on_set_parameters_callback(self._on_parameters)

    def on_configure(self, state: State) -> TransitionCallbackReturn:
        """Read parameters, load and check model and rig, subscribe."""
        try:
            self._config = parameters.config_of(self)
            rig = Rig.load(Path(self.get_parameter("rig").value))
            folder = model_folder(self.get_parameter("model").value)
            self._planner = Planner.load(folder, rig, self._config)
        except PlannerError as error:
            self.health.fault = str(error)
            self.get_logger().error(f"not configured: {error}")
            return TransitionCallbackReturn.FAILURE
        self.health = Health()
        self._assembler = SnapshotAssembler(rig, self._config)
        self._trigger = FrameTrigger(self._assembler)
        self._topics = input_topics(rig)
        self._feeder = MessageFeeder(self._topics, self._assembler)
        self._resets_seen = self._assembler.num_resets
        self._subscribe_all()
        self._worker = LatestWorker(self._work)
        self._teller = LatestWorker(self._tell, name="teller")
        poll = self.create_timer(
            _POLL_S, self._guarded("poll", self._poll), clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._owned.append(lambda: self.destroy_timer(poll))
        manifest = self._planner.backend.manifest
        self.get_logger().info(f"model {manifest.name} {manifest.model_hash[:12]} on {self._planner.backend.provider}")
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: State) -> TransitionCallbackReturn:
        """Plan from the next frame on."""
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """Stop planning; inputs are still watched."""
        self._active = False
        self.health.not_ready = "node is not active"
        return super().on_deactivate(state)

    def on_cleanup(self, state: State) -> TransitionCallbackReturn:
        """Give the model and all subscriptions back."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: State) -> TransitionCallbackReturn:
        """As cleanup."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: State) -> TransitionCallbackReturn:
        """Back to unconfigured."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def _release(self) -> None:
        self._active = False
        for worker in (self._worker, self._teller):
            if worker is not None:
                worker.stop()
        self._worker = self._teller = self._planner = None
        for release in self._owned:
            release()
        self._owned.clear()

    def _subscribe_all(self) -> None:
        topics = self._topics
        for name, topic in topics.images.items():
            self._subscribe("sensor_msgs/msg/Image", topic, topic, SENSOR_INPUT)
            self._subscribe("sensor_msgs/msg/CompressedImage", f"{topic}/compressed", topic, SENSOR_INPUT)
            info = topics.camera_infos[name]
            self._subscribe("sensor_msgs/msg/CameraInfo", info, info, SENSOR_INPUT)
        if topics.lidar:
            self._subscribe("sensor_msgs/msg/PointCloud2", topics.lidar, topics.lidar, SENSOR_INPUT)
        self._subscribe("nav_msgs/msg/Odometry", topics.odometry, topics.odometry, SENSOR_INPUT)
        self._subscribe("nav_msgs/msg/Path", topics.route, topics.route, LATCHED)
        for name, type_name in _OPTIONAL_INPUTS.items():
            self._subscribe(type_name, f"~/input/{name}", f"~/input/{name}", SENSOR_INPUT)

    def _subscribe(self, type_name: str, topic: str, key: str, qos: Any) -> None:
        """Subscribe; key is the name under which the feeder knows the topic.

        The user may override the QoS as for every ROS 2 node: parameters ``qos_overrides.<topic>.subscription.*``.
        """

        def receive(message: Any) -> None:
            self._receive(key, message)

        subscription = self.create_subscription(
            message_class(type_name),
            topic,
            self._guarded(topic, receive),
            copy.copy(qos),  # overriding changes it
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._owned.append(lambda: self.destroy_subscription(subscription))

    def _guarded(self, source: str, call: Callable[..., None]) -> Callable[..., None]:
        """The node's outer edge: no fault of one message or cycle may end the node."""

        def guarded(*arguments: Any) -> None:
            try:
                call(*arguments)
            except Exception as error:
                self.health.refuse(source, f"{source}: {type(error).__name__}: {error}")
                self._log(source, f"{source}: {type(error).__name__}: {error}")

        return guarded

    def _receive(self, key: str, message: Any) -> None:
        """Take in one message; plan when it completes a frame."""
        arrived = time.perf_counter()
        reason = self._feeder.feed(key, self._now_ns(), message)
        if reason:
            self.health.refuse(key, reason)
            self._log(key, f"input refused: {reason}")
        self._poll(arrived)

    def _poll(self, arrived: float | None = None) -> None:
        """Hand a due frame to the worker."""
        worker = self._worker
        if not self._active or worker is None or not self._trigger.poll(self._now_ns()):
            return
        newest_ns = self._assembler.latest_stamp_ns() or 0
        # A frame may reach the node before the clock message of its time.
        snapshot = self._assembler.assemble(max(self._now_ns(), newest_ns), self._trigger.earliest_ns)
        if isinstance(snapshot, NotReady):
            self._trigger.done(None)
            self._say_not_ready(snapshot, newest_ns)
            return
        self._trigger.done(snapshot.stamp_ns)
        forget = self._assembler.num_resets != self._resets_seen
        self._resets_seen = self._assembler.num_resets
        worker.submit(_Job(snapshot=snapshot, arrived=arrived or time.perf_counter(), forget=forget))

    def _work(self, job: _Job) -> None:
        """In the worker's thread: plan and publish."""
        planner = self._planner
        if planner is None:
            return
        try:
            if job.forget:
                planner.reset()
            result = planner.plan(job.snapshot)
            self._publish(result, job.arrived)
        except Exception as error:  # the outer edge of the worker's thread
            self.health.refuse("planner", f"planning failed: {error}")
            self._log("planner", f"planning failed: {error}")
            self._say_not_ready(NotReady(reason=f"planning failed: {error}"), job.snapshot.stamp_ns)

    def _publish(self, result: PlanResult, arrived: float) -> None:
        """The trajectory first, then its status; the rest is told beside the next cycle and never delays a plan."""
        self._outputs["trajectory"].publish(encode_plan.trajectory(make_ros_message, result.trajectory))
        latency_ms = (time.perf_counter() - arrived) * 1e3
        self.health.plan(result, latency_ms, self._config.deadline_ms)
        if latency_ms > self._config.deadline_ms:
            self._log("deadline", f"plan took {latency_ms:.0f} ms, deadline {self._config.deadline_ms:.0f} ms")
        told = _Told(result=result, latency_ms=latency_ms)
        self._publish_extras(told, {"status"})
        if self._teller is not None:
            self._teller.submit(told)

    def _tell(self, told: _Told) -> None:
        """In the teller's thread: what the plan was chosen from. Overtaken by a newer plan, it is left out."""
        try:
            self._publish_extras(told, set(self._outputs) - {"trajectory", "status"})
        except Exception as error:  # the outer edge of the teller's thread
            self.health.refuse("teller", f"publishing candidates and markers failed: {error}")
            self._log("teller", f"publishing candidates and markers failed: {error}")

    def _publish_extras(self, told: _Told, names: set[str]) -> None:
        """Those of the named outputs that somebody listens to."""
        wanted = {name for name in names if self._outputs[name].get_subscription_count()}
        for name, message in encode_plan.extras(make_ros_message, told.result, told.latency_ms, self._config, wanted):
            self._outputs[name].publish(message)

    def _say_not_ready(self, value: NotReady, stamp_ns: int) -> None:
        self.health.not_ready = value.reason
        manifest = None if self._planner is None else self._planner.backend.manifest
        model = ("", "") if manifest is None else (manifest.name, manifest.model_hash)
        message = encode_plan.not_ready_status(make_ros_message, stamp_ns, value, self._config, model)
        self._outputs["status"].publish(message)

    def _heartbeat(self) -> None:
        """Every second: diagnostics, and why there is no plan."""
        now_ns = self._now_ns()
        if self._active and self.health.seconds_without_plan > _HEARTBEAT_S:
            outcome = self._assembler.assemble(max(now_ns, self._assembler.latest_stamp_ns() or 0))
            reason = outcome.reason if isinstance(outcome, NotReady) else "no new sensor frame"
            self._say_not_ready(NotReady(reason=reason), now_ns)
            self._log("not ready", f"no plan: {reason}")
        elif not self._active:
            self._say_not_ready(NotReady(reason=self.health.fault or "node is not active"), now_ns)
        name = "" if self._planner is None else self._planner.backend.manifest.name
        self._diagnostics.publish(self.health.message(self.get_name(), now_ns, name))

    def _on_parameters(self, changes: list[Parameter]) -> Any:
        """Apply new values from the next cycle on, or refuse all of them."""
        config, answer = parameters.changed_config(self._config, changes)
        self._config = config
        if self._planner is not None:
            self._planner.config = self._assembler.config = config
        return answer

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _log(self, source: str, text: str) -> None:
        """One warning per source and few seconds."""
        now = time.monotonic()
        if now - self._logged.get(source, -1e9) >= _LOG_EVERY_S:
            self._logged[source] = now
            self.get_logger().warning(text)


def start(node: PlannerNode) -> bool:
    """Configure and activate; returns whether both succeeded."""
    return (
        node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        and node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    )
