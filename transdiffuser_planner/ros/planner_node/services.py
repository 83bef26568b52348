"""Services of a running planner: request a stop, switch shadow mode, load the model again."""

from __future__ import annotations

import functools
from concurrent.futures import Future as Outcome
from dataclasses import replace
from typing import Any, Protocol

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.task import Future

from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.core.types import Provenance
from transdiffuser_planner.messages.encode_outputs import Mode
from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.planner_node.diagnostics import NodeDiagnostics
from transdiffuser_planner.runtime.supervision.model_manager import LoadPlanner, ModelManager


class NodeControl(Protocol):
    """The part of the planner node that its services act on.

    Attributes:
        mode: Of the plans that are published.
        diagnostics: Counts events for ``/diagnostics``.
    """

    mode: Mode
    diagnostics: NodeDiagnostics

    @property
    def model_manager(self) -> ModelManager | None:
        """The model, while configured."""

    def set_mode(self, mode: Mode) -> None:
        """Publish in another mode from the next plan on."""

    def model_loader(self) -> LoadPlanner:
        """Return a loader of the model that the parameters name now."""

    def use_codebook(self) -> None:
        """Accept action tokens of the model in use."""

    def set_parameters(self, parameters: list[Parameter]) -> list[Any]:
        """Set ROS parameters, as a user would."""


GUIDANCE = ("start", "stop", "centerline")
"""Guidance that services ``~/service/set_<name>_guidance_enabled`` switch, named as by Autoware's own planner."""


class NodeServices:
    """``~/request_stop``, ``~/set_shadow``, guidance (std_srvs/SetBool) and ``~/reload_model`` (std_srvs/Trigger)."""

    def __init__(self, node: Node, control: NodeControl) -> None:
        """Create the services.

        Args:
            node: Owns them.
            control: Receives the requests; usually the same node.
        """
        self._node, self._control = node, control
        set_bool, trigger = message_class("std_srvs/srv/SetBool"), message_class("std_srvs/srv/Trigger")
        # A group of their own: while a model is loaded, messages, timers and stop requests must not wait for the answer.
        group = ReentrantCallbackGroup()
        node.create_service(set_bool, "~/request_stop", self._request_stop, callback_group=group)
        node.create_service(set_bool, "~/set_shadow", self._set_shadow, callback_group=group)
        node.create_service(trigger, "~/reload_model", self._reload_model, callback_group=group)
        for name in GUIDANCE:
            switch = functools.partial(self._set_guidance, name)
            node.create_service(set_bool, f"~/service/set_{name}_guidance_enabled", switch, callback_group=group)

    def _request_stop(self, request: Any, response: Any) -> Any:
        """True: every plan is a stop from now on; false: resume driving."""
        self._control.set_mode(replace(self._control.mode, is_stopping=bool(request.data)))
        response.success = True
        response.message = "stopping" if request.data else "the stop request is withdrawn"
        return response

    def _set_shadow(self, request: Any, response: Any) -> Any:
        """True: plans go to ~/shadow; false: to ~/output."""
        self._control.set_mode(replace(self._control.mode, is_shadow=bool(request.data)))
        response.success = True
        response.message = "plans go to ~/shadow" if request.data else "plans go to ~/output"
        return response

    def _set_guidance(self, name: str, request: Any, response: Any) -> Any:
        """Switch one kind of guidance from the next plan on; the parameter of that name follows."""
        (result,) = self._control.set_parameters([Parameter(f"{name}_guidance", value=bool(request.data))])
        response.success = bool(result.successful)
        response.message = result.reason or f"{name} guidance is {'on' if request.data else 'off'}"
        return response

    async def _reload_model(self, request: Any, response: Any) -> Any:
        """Load the model that the parameter ``model`` names while the old one plans; answer when it is in use."""
        control = self._control
        if control.model_manager is None:
            return self._reload_failed(response, "the node is not configured; configure it to load a model")
        try:
            source = await _done(control.model_manager.reload(control.model_loader()), self._node)
        except PlannerError as error:
            return self._reload_failed(response, f"the old model stays in use: {error}")
        control.use_codebook()
        response.success = True
        response.message = (
            f"model {source.model_name} {source.model_hash[:12]} on {source.provider}, {source.precision}"
        )
        return response

    def _reload_failed(self, response: Any, message: str) -> Any:
        response.success, response.message = False, message
        self._control.diagnostics.count_event(f"reload failed; {message}")
        return response


async def _done(outcome: Outcome[Provenance], node: Node) -> Provenance:
    """Await another thread's result without blocking the executor, which a new task wakes."""
    executor = node.executor
    assert executor is not None  # services are called by an executor
    done: Future[None] = Future(executor=executor)
    outcome.add_done_callback(lambda _: executor.create_task(done.set_result, None))
    await done
    return outcome.result()
