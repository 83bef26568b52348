"""The planner as a ROS 2 lifecycle node: messages in, snapshots to the supervisor, plans out.

Configuring loads and checks the model; activating starts planning. A thread receives, decodes and forwards inputs; neither
it nor the executor's callbacks ever wait for the network. A fault of data or model leads to a fallback, a status and a
diagnostic; the node keeps running.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn
from rclpy.parameter import Parameter

from transdiffuser_planner.core.errors import ConfigError, PlannerError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import NotReady, PlanResult
from transdiffuser_planner.messages.encode_outputs import Mode
from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.planner_node import parameters
from transdiffuser_planner.ros.planner_node.diagnostics import NodeDiagnostics
from transdiffuser_planner.ros.planner_node.front_end import FrontEnd, NoFrontEnd
from transdiffuser_planner.ros.planner_node.inputs import NodeInputs
from transdiffuser_planner.ros.planner_node.outputs import NodeOutputs
from transdiffuser_planner.ros.planner_node.services import NodeServices
from transdiffuser_planner.ros.qos import OUTPUT
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.runtime.supervision.cycle_scheduler import CycleScheduler
from transdiffuser_planner.runtime.supervision.model_manager import LoadPlanner, ModelManager
from transdiffuser_planner.runtime.supervision.realtime_settings import raise_priority
from transdiffuser_planner.runtime.supervision.supervisor import Supervisor

NODE_NAME = "transdiffuser_planner"
_IDLE_S = 0.1
_HEARTBEAT_S = 1.0
_LOG_EVERY_S = 5.0
_STEADY = Clock(clock_type=ClockType.STEADY_TIME)


def planner_loader(model: str, rig: Rig) -> LoadPlanner:
    """Return a loader of a model, which can be called repeatedly.

    Args:
        model: Folder or shipped name.
        rig: The vehicle and its sensors.

    Raises:
        ModelError: There is no such model.
    """
    folder = model_folder(model)
    return lambda config, memory: Planner.load(folder, rig, config, memory)


class PlannerNode(LifecycleNode):
    """Planner of one vehicle; topics, services and parameters are in docs/interfaces.md."""

    def __init__(
        self,
        loader: Callable[[str, Rig], LoadPlanner] = planner_loader,
        front_end: Callable[[PlannerNode], FrontEnd] | None = None,
        **node_options: Any,
    ) -> None:
        """Declare parameters; nothing is loaded yet.

        Args:
            loader: Makes planners from the parameter ``model`` and the rig.
            front_end: Makes the inputs and outputs of another world for this node.
            node_options: Options of rclpy's node.

        Raises:
            ConfigError: A parameter override is invalid.
        """
        try:
            super().__init__(NODE_NAME, automatically_declare_parameters_from_overrides=True, **node_options)
        except (ValueError, TypeError) as error:  # such as a parameter without a value
            raise ConfigError(f"ROS parameters: {str(error).splitlines()[0]}") from None
        self._qos_overrides = parameters.declare_parameters(self)
        self.diagnostics = NodeDiagnostics()
        self._scheduling = threading.RLock()  # held while the scheduler is used, by the threads of inputs and executor
        self._poll = self._guarded("poll", self._poll_unguarded)
        self._loader = loader
        self._config = PlannerConfig()
        self._model_manager: ModelManager | None = None
        self._supervisor: Supervisor | None = None
        self._scheduler: CycleScheduler | None = None
        self._inputs: NodeInputs | None = None
        self._active = False
        self.mode = Mode()
        self.has_hung_threads = False
        """After a release: whether a session still hangs, so that the process must be killed."""
        self._logged: dict[str, float] = {}
        array = message_class("diagnostic_msgs/msg/DiagnosticArray")
        self._diagnostics = self.create_publisher(array, "/diagnostics", OUTPUT)
        self._front_end: FrontEnd = NoFrontEnd() if front_end is None else front_end(self)
        self._outputs = NodeOutputs(self, self.report_fault, self._front_end)
        self._node_services = NodeServices(self, self)
        self.create_timer(_HEARTBEAT_S, self._guarded("heartbeat", self._heartbeat), clock=_STEADY)
        self.add_on_set_parameters_callback(self._on_parameters)

    def on_configure(self, state: State) -> TransitionCallbackReturn:
        """Read parameters, load and check model and rig, subscribe."""
        try:
            self._config = parameters.config_of(self)
            rig = Rig.load(Path(self.get_parameter("rig").value))
            self._rig = rig
            self._model_manager = ModelManager(self.model_loader(), self._config, self.report_fault)
        except PlannerError as error:
            self.diagnostics.fault = str(error)
            self.get_logger().error(f"not configured: {error}")
            return TransitionCallbackReturn.FAILURE
        self.diagnostics = NodeDiagnostics()
        self.mode = Mode(is_shadow=bool(self.get_parameter("shadow").value))
        self._scheduler = CycleScheduler(rig, self._config)
        self.use_codebook()
        self._supervisor = Supervisor(self._model_manager, rig, self._publish, self.report_fault, self._refuse)
        self._outputs.start(self._model_manager.contract, rig.vehicle)
        callbacks = (self._received, self.report_fault, self._after_messages)
        self._inputs = NodeInputs(self, rig, self._scheduler.assembler, *callbacks, self._scheduling, self._front_end)
        source, self.diagnostics.priority = self._model_manager.source, raise_priority(self._config.priority)
        self.get_logger().info(
            f"model {source.model_name} {source.model_hash[:12]} warmed up on {source.provider}, {source.precision}; "
            f"priority {self.diagnostics.priority}; vehicle {rig.vehicle}"
        )
        if self._model_manager.vehicle_notice:
            self.report_fault("vehicle", self._model_manager.vehicle_notice)
        for name in parameters.unused_qos_overrides(self, self._qos_overrides):
            self.report_fault(name, f"parameter {name}: no subscription of that topic has that policy; it is not used")
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: State) -> TransitionCallbackReturn:
        """Plan from the next frame on."""
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """Stop planning; inputs are still received."""
        self._active = False
        self.diagnostics.not_ready = "node is not active"
        return super().on_deactivate(state)

    def on_cleanup(self, state: State) -> TransitionCallbackReturn:
        """Release the model and all subscriptions."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: State) -> TransitionCallbackReturn:
        """Release the model and all subscriptions."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: State) -> TransitionCallbackReturn:
        """Release everything and return to unconfigured."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def _release(self) -> None:
        self._active = False
        if self._inputs is not None:
            self._inputs.close()
        if self._supervisor is not None:
            self.has_hung_threads = not self._supervisor.stop()
        if self._model_manager is not None:
            self._model_manager.end()
        self._outputs.stop()
        self._supervisor = self._model_manager = self._scheduler = self._inputs = None

    @property
    def model_manager(self) -> ModelManager | None:
        """The model, while configured."""
        return self._model_manager

    def model_loader(self) -> LoadPlanner:
        """Return a loader of the model that the parameter ``model`` names now."""
        return self._loader(self.get_parameter("model").value, self._rig)

    def use_codebook(self) -> None:
        """Accept action tokens of the model in use."""
        if self._scheduler is not None and self._model_manager is not None:
            self._scheduler.assembler.codebook = self._model_manager.codebook
            self._scheduler.assembler.plausibility.supported.top_speed_mps = self._model_manager.top_speed_mps

    def set_mode(self, mode: Mode) -> None:
        """Apply a stop request or shadow mode from the next plan on.

        Args:
            mode: The new mode.
        """
        self.mode = mode
        if self._supervisor is not None:
            self._supervisor.is_stopping = mode.is_stopping or self._front_end.must_stop

    def _guarded(self, source: str, call: Callable[[], None]) -> Callable[[], None]:
        """Outermost scope of the node: no fault of one cycle may end the node."""

        def guarded() -> None:
            try:
                call()
            except Exception as error:
                self.report_fault(source, f"{source}: {type(error).__name__}: {error}")

        return guarded

    def _received(self, key: str, arrived_s: float, reason: str | None, *, is_sensor: bool) -> None:
        """Count a rejected message, or plan when an accepted one completes a frame."""
        if reason:
            self._refuse(reason, key)
        elif is_sensor and self._scheduler is not None:
            self._scheduler.arrived(arrived_s)
            self._poll()

    def _after_messages(self) -> float:
        """Poll after messages that arrived together, or when none has arrived; returns when to poll again [s]."""
        self._poll()
        return _IDLE_S if self._scheduler is None or not self._active else self._scheduler.next_poll_s(self._now_ns())

    def _refuse(self, reason: str, source: str = "images") -> None:
        """Count and log a message that is not used; from any thread."""
        self.diagnostics.count_rejection(reason)
        self._log(source, f"input refused: {reason}")

    def _poll_unguarded(self) -> None:
        """Submit a frame to the supervisor, or a fallback when frames do not suffice or do not arrive."""
        scheduler, supervisor = self._scheduler, self._supervisor
        if not self._active or scheduler is None or supervisor is None:
            return
        decision = scheduler.poll(self._now_ns(), return_intermediates=self._outputs.publishes_denoise_steps)
        if decision is None:
            return
        fallback = decision.fallback_to_publish(has_published=self.diagnostics.plans > 0)
        if decision.request is not None:
            supervisor.submit(decision.request)
        elif fallback is not None:
            supervisor.fall_back(fallback, decision.reason, must_stop=decision.must_stop)
        else:
            self._report_not_ready(NotReady(reason=decision.reason), decision.stamp_ns)

    def _publish(self, result: PlanResult, arrived_s: float) -> None:
        """Publish a plan or fallback; called by the supervisor from several threads, one at a time."""
        if not self._active:
            return  # deactivated in the meantime
        config = self._config
        latency_ms = self._outputs.plan(result, arrived_s, config, self.mode)
        self.diagnostics.plan(result, latency_ms, config)
        if latency_ms > config.deadline_ms:
            self._log("deadline", f"plan took {latency_ms:.0f} ms, deadline {config.deadline_ms:.0f} ms")
        if result.reason:
            self._log("fallback", f"{result.fallback_level.name.lower().replace('_', ' ')}: {result.reason}")

    def _report_not_ready(self, value: NotReady, stamp_ns: int) -> None:
        self.diagnostics.not_ready = value.reason
        source = None if self._model_manager is None else self._model_manager.source
        model = ("", "") if source is None else (source.model_name, source.model_hash)
        self._outputs.not_ready(stamp_ns, value, self._config, model, self.mode)

    def _heartbeat(self) -> None:
        """Publish diagnostics, and the reason when there is no plan, every second."""
        now_ns = self._now_ns()
        if self._active and self._scheduler is not None and self.diagnostics.seconds_without_plan > _HEARTBEAT_S:
            with self._scheduling:
                reason = self._scheduler.why_no_plan(now_ns)
            self._report_not_ready(NotReady(reason=reason), now_ns)
            self._log("not ready", f"no plan: {reason}")
        elif not self._active:
            self._report_not_ready(NotReady(reason=self.diagnostics.fault or "node is not active"), now_ns)
        if self._inputs is not None and self._scheduler is not None:
            with self._scheduling:
                self.diagnostics.input_hz = self._inputs.rates.hz()
                self.diagnostics.input_delay_s = self._scheduler.assembler.delays_s()
        name = self.get_fully_qualified_name().lstrip("/")
        message = self.diagnostics.message(name, now_ns, self._model_manager, self._supervisor, self.mode)
        self._diagnostics.publish(message)

    def _on_parameters(self, changes: list[Parameter]) -> Any:
        """Apply new values from the next cycle on, or reject all of them."""
        config, answer = parameters.changed_config(self._config, changes)
        rejection = "" if self._model_manager is None else self._model_manager.check_config(config)
        if answer.successful and rejection:
            return SetParametersResult(successful=False, reason=rejection)
        self._config = config
        if self._model_manager is not None and self._scheduler is not None:
            self._model_manager.configure(config)
            with self._scheduling:
                self._scheduler.configure(config)
        return answer

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def report_fault(self, source: str, text: str) -> None:
        """Count and log a failure or warning; from any thread.

        Args:
            source: At most one line per source is logged within a few seconds.
            text: One line.
        """
        self.diagnostics.count_event(text)
        self._log(source, text)

    def _log(self, source: str, text: str) -> None:
        """Log a warning, at most once per source within a few seconds."""
        now = time.monotonic()
        if now - self._logged.get(source, -1e9) >= _LOG_EVERY_S:
            self._logged[source] = now
            self.get_logger().warning(text)


def start(node: PlannerNode) -> bool:
    """Configure and activate a node; returns whether both succeeded."""
    return (
        node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        and node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    )
