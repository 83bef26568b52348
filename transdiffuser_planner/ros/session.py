"""Runs a node until it is told to stop: Ctrl-C and SIGTERM end it quietly, bad parameters are one line."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.runtime.supervision.realtime_settings import apply_realtime_settings


class RosError(PlannerError):
    """ROS 2 cannot be used as asked."""


# How long a signal may wait until a node without timers looks up.
_LOOK_UP_S = 0.2


def init(ros_args: Sequence[str]) -> None:
    """rclpy.init with the part of the command line from ``--ros-args`` on; SIGINT and SIGTERM raise KeyboardInterrupt.

    Not by rclpy's handlers: they end the context at once, also below a thread that still publishes a plan.

    Raises:
        RosError: rclpy or the interfaces are not installed, or an argument is malformed.
    """
    try:
        import rclpy
        import transdiffuser_msgs.msg
    except ImportError as error:
        raise RosError(f"ROS 2 is not usable here ({error}); run 'make build' or source your ROS 2 setup") from None
    assert transdiffuser_msgs.msg is not None
    from rclpy.signals import SignalHandlerOptions

    try:
        rclpy.init(args=["transdiffuser", *ros_args], signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rcl reports malformed arguments in several types
        raise RosError(f"bad --ros-args ({str(error).splitlines()[0]})") from None
    interrupt_on_stop_signals()


def interrupt_on_stop_signals() -> None:
    """From now on SIGINT and SIGTERM raise KeyboardInterrupt, once."""
    _on_stop_signals(_interrupt_once)


def note_stop_signals() -> threading.Event:
    """From now on SIGINT and SIGTERM are only noted, for loops that look: an exception can be lost inside a callback.

    Returns:
        What they set.
    """
    is_stop_requested = threading.Event()
    _on_stop_signals(lambda *_: is_stop_requested.set())
    return is_stop_requested


def _on_stop_signals(handler: Any) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _interrupt_once(number: int, frame: Any) -> None:
    """Launch systems send a signal twice; the second must not disturb cleaning up."""
    _on_stop_signals(signal.SIG_IGN)
    raise KeyboardInterrupt


def run_node(
    make_node: Callable[[], Any],
    ros_args: Sequence[str],
    begin: Callable[[Any], None] | None = None,
    end: Callable[[Any], None] | None = None,
) -> int:
    """Create a node, spin it until interrupted, clean up.

    Args:
        make_node: Called after rclpy.init.
        ros_args: From ``--ros-args`` on.
        begin: Called with the node before spinning.
        end: Called with the node after spinning, before it is destroyed.
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
            executor.spin_once(timeout_sec=_LOOK_UP_S)
    finally:
        if node is not None:
            if end is not None:
                end(node)
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _made(make_node: Callable[[], Any]) -> Any:
    """The node; what the middleware refuses, such as security without keys, is one line.

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
