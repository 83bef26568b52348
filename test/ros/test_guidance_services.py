"""Guidance is switched by services with the names of Autoware's own planner, and changes the next plans."""

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.planner_node.services import GUIDANCE


def switch(bench, name, value):
    kind = message_class("std_srvs/srv/SetBool")
    client = bench.vehicle.create_client(kind, f"/transdiffuser_planner/service/set_{name}_guidance_enabled")
    bench.wait(client.service_is_ready)
    answer = client.call_async(kind.Request(data=value))
    bench.wait(answer.done)
    return answer.result()


def test_services_switch_the_parameters_of_guidance(bench):
    for name in GUIDANCE:
        answer = switch(bench, name, True)
        assert (answer.success, answer.message) == (True, f"{name} guidance is on")
        assert bench.planner.get_parameter(f"{name}_guidance").value is True
    assert switch(bench, "start", False).message == "start guidance is off"
    assert bench.planner.get_parameter("start_guidance").value is False


def test_stop_guidance_makes_plans_slower_until_it_is_off(bench):
    def end_speed():
        bench.full_plan()
        return bench.vehicle.received["trajectory"][-1].points[-1].longitudinal_velocity_mps

    before = end_speed()
    assert switch(bench, "stop", True).success
    during = end_speed()
    assert switch(bench, "stop", False).success
    assert during < 0.7 * before and end_speed() > 0.9 * before
