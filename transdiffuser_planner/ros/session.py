"""Runs a node until it is told to stop: Ctrl-C and SIGTERM end it quietly, bad parameters are one line."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import Any

from transdiffuser_planner.core.errors import PlannerError


class RosError(PlannerError):
    """ROS 2 cannot be used as asked."""


def init(ros_args: Sequence[str]) -> None:
    """rclpy.init with the part of the command line from ``--ros-args`` on.

    Raises:
        RosError: rclpy or the interfaces are not installed, or an argument is malformed.
    """
    try:
        import rclpy
        import transdiffuser_msgs.msg
    except ImportError as error:
        raise RosError(f"ROS 2 is not usable here ({error}); run 'make build' or source your ROS 2 setup") from None
    assert transdiffuser_msgs.msg is not None
    try:
        rclpy.init(args=["transdiffuser", *ros_args])
    except Exception as error:  # rcl reports malformed arguments in several types
        raise RosError(f"bad --ros-args ({str(error).splitlines()[0]})") from None


def run_node(make_node: Callable[[], Any], ros_args: Sequence[str], begin: Callable[[Any], None] | None = None) -> int:
    """Create a node, spin it until interrupted, clean up.

    Args:
        make_node: Called after rclpy.init.
        ros_args: From ``--ros-args`` on.
        begin: Called with the node before spinning.
    """
    init(ros_args)
    import rclpy
    from rclpy.executors import ExternalShutdownException

    node = None
    try:
        node = make_node()
        if begin is not None:
            begin(node)
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # launch systems send it twice; the second must not disturb cleaning up
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
