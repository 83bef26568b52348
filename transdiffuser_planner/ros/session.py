"""Runs a node until a stop signal: Ctrl-C and SIGTERM end it cleanly, invalid parameters give a one-line error."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.doctor.surroundings import LOG_REMEDY, NETWORK_REMEDY, why_no_logs, why_no_network
from transdiffuser_planner.runtime.supervision.realtime_settings import apply_realtime_settings


class RosError(PlannerError):
    """ROS 2 is not installed, or its arguments are invalid."""


MAX_DOMAIN = 232
# Longest time until a node without timers reacts to a signal.
_SPIN_TIMEOUT_S = 0.2


def init(ros_args: Sequence[str]) -> None:
    """Initialize rclpy; SIGINT and SIGTERM raise KeyboardInterrupt.

    rclpy's own signal handlers are not used: they shut the context down while a thread may still publish a plan.

    Args:
        ros_args: The command line from ``--ros-args`` on.

    Raises:
        RosError: rclpy or the interfaces are not installed, an argument or the domain is malformed, or there is no place
            for logs or no network.
    """
    try:
        import rclpy
        import transdiffuser_msgs.msg
    except ImportError as error:
        raise RosError(f"ROS 2 is not usable here ({error}); run 'make build' or source your ROS 2 setup") from None
    assert transdiffuser_msgs.msg is not None
    from rclpy.signals import SignalHandlerOptions

    domain = os.environ.get("ROS_DOMAIN_ID", "")
    if domain and not (domain.isdecimal() and int(domain) <= MAX_DOMAIN):
        raise RosError(f"ROS_DOMAIN_ID is '{domain}'; set it to 0 .. 101, the same for all nodes")
    reason = why_no_network(os.environ)
    if reason:
        raise RosError(f"{reason}, so that no node finds another; {NETWORK_REMEDY}")
    try:
        rclpy.init(args=["transdiffuser", *ros_args], signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rcl reports malformed arguments in several types
        text = str(error).splitlines()[0]
        if "initialize logging" in text or "Failed opening file" in text:
            raise RosError(
                f"ROS 2 has no place for its logs: {why_no_logs(os.environ) or text}; {LOG_REMEDY}"
            ) from None
        raise RosError(f"bad --ros-args ({text})") from None
    interrupt_on_stop_signals()


def interrupt_on_stop_signals() -> None:
    """Make SIGINT and SIGTERM raise KeyboardInterrupt, once."""
    _on_stop_signals(_interrupt_once)


def note_stop_signals() -> threading.Event:
    """Make SIGINT and SIGTERM set an event, for loops that poll it: an exception can be lost inside a callback.

    Returns:
        The event.
    """
    is_stop_requested = threading.Event()
    _on_stop_signals(lambda *_: is_stop_requested.set())
    return is_stop_requested


def _on_stop_signals(handler: Any) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _interrupt_once(number: int, frame: Any) -> None:
    """Raise once: launch systems send a signal twice, and the second must not interrupt the cleanup.

    Raises:
        KeyboardInterrupt: Always.
    """
    _on_stop_signals(signal.SIG_IGN)
    raise KeyboardInterrupt


def run_node(
    make_node: Callable[[], Any],
    ros_args: Sequence[str],
    begin: Callable[[Any], None] | None = None,
    end: Callable[[Any], None] | None = None,
) -> int:
    """Create a node, spin it until a stop signal, clean up.

    Args:
        make_node: Called after rclpy.init.
        ros_args: From ``--ros-args`` on.
        begin: Called with the node before spinning.
        end: Called with the node after spinning, before it is destroyed.

    Returns:
        Exit status 0.

    Raises:
        RosError: ROS 2 is not usable, or the node cannot be created.
    """
    init(ros_args)
    is_stop_requested = note_stop_signals()
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    node = None
    try:
        node = _made(make_node)
        if begin is not None:
            begin(node)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        apply_realtime_settings()
        while not is_stop_requested.is_set():
            executor.spin_once(timeout_sec=_SPIN_TIMEOUT_S)
    finally:
        if node is not None:
            if end is not None:
                end(node)
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _made(make_node: Callable[[], Any]) -> Any:
    """Create the node; an error of the middleware, such as missing security keys, becomes one line.

    Raises:
        RosError: rcl cannot create it.
    """
    from rclpy._rclpy_pybind11 import RCLError  # rclpy exports it nowhere else

    try:
        return make_node()
    except RCLError as error:
        reason = "; ".join(line for line in str(error).splitlines() if line.strip())
        raise RosError(
            f"the node cannot be created ({reason}); see docs/how-to/security.md for ROS_SECURITY_*"
        ) from None
