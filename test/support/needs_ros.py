"""Skips the importing test module, visibly and with the reason, where ROS 2 is missing; import it before rclpy."""

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("transdiffuser_msgs.msg", reason="the interfaces are not built; run 'make build'")
