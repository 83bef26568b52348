"""Publishers and subscribers restart, two planners share a domain, debug topics are subscribed: over DDS in real time."""

import time
from collections.abc import Iterator

import pytest
from dds_listener import PlannerListener, Spinner
from fault_injection_fixture import PARAMETERS, FaultTestbench
from rclpy.parameter import Parameter
from sensor_faults import dropped
from synthetic_vehicle import CAMERAS, OPTIONAL

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.ros.planner_node.node import PlannerNode, start

STEPS = PlannerConfig().num_denoise_steps
SECOND = "/second/transdiffuser_planner"


@pytest.fixture(scope="module")
def bench() -> Iterator[FaultTestbench]:
    with FaultTestbench() as bench:
        yield bench


def test_publishers_that_restart_are_found_again(bench: FaultTestbench) -> None:
    began = time.monotonic()
    bench.vehicle.restart(pause_s=1.0)
    ended = time.monotonic()
    bench.wait(lambda: bench.recovered(ended), 1.0, "a plan of all inputs after the restart", began)
    bench.wait(
        lambda: "no new sensor frame" in bench.listener.reported(began), 1.5, "the missing frames are reported", began
    )
    bench.check(began)


def test_a_restarted_subscriber_receives_plans_again_and_none_was_late(bench: FaultTestbench) -> None:
    bench.spinners[1].do(bench.listener.close)
    plans = bench.planner.diagnostics.plans
    bench.wait(lambda: bench.planner.diagnostics.plans >= plans + 5, 2.0, "planning continues without a subscriber")
    bench.spinners[1].do(bench.listener.open)
    opened = time.monotonic()
    bench.wait(lambda: bench.recovered(opened), 1.0, "plans are received again")
    bench.wait(lambda: bench.listener.diagnostics(opened), 2.0, "diagnostics are received again")
    missed = int(bench.listener.diagnostics(opened)["missed_deadlines"])
    assert not missed or bench.cpu_starvation.since(bench.started_s) > 1e-3 * bench.config.fallback_margin_ms
    bench.check(opened)


def test_debug_topics_are_published_while_subscribed(bench: FaultTestbench) -> None:
    began = time.monotonic()
    numbers = [f"debug/stage_ms/{name}" for name in ("features", "encode", "denoise", "select", "safety", "total")]

    def listen() -> None:
        for topic in numbers:
            bench.listener.listen(topic, "std_msgs/msg/Float32")
        bench.listener.listen("debug/seen", "visualization_msgs/msg/MarkerArray")
        bench.listener.listen("debug/denoise_steps", "transdiffuser_msgs/msg/CandidateTrajectories")

    bench.spinners[1].do(listen)
    for topic in (*numbers, "debug/seen"):
        bench.wait(lambda topic=topic: len(bench.listener.since(topic, began)) >= 3, 2.0, topic)
    assert all(received.message.data > 0.0 for topic in numbers for received in bench.listener.since(topic, began))
    assert bench.listener.since("debug/seen", began)[-1].message.markers
    steps = bench.wait(lambda: steps_of_a_whole_plan(bench, began), 3.0, "all denoise steps of one plan")
    costs = [list(message.candidates[0].costs) for message in steps]
    assert costs == [[float(step)] for step in range(1, STEPS + 1)]
    bench.check(began)


def steps_of_a_whole_plan(bench: FaultTestbench, since_s: float) -> list:
    """The estimates of a plan that had the time for all steps."""
    steps: dict[int, list] = {}
    for received in bench.listener.since("debug/denoise_steps", since_s):
        steps.setdefault(received.stamp_ns, []).append(received.message)
    return next((messages for messages in steps.values() if len(messages) == STEPS), [])


class Second:
    """Another planner in another namespace, on the first one's inputs."""

    def __init__(self) -> None:
        names = [*(f"camera/{name}" for name in CAMERAS), "lidar", "odometry", "route", *OPTIONAL]
        rules = [f"~/input/{name}:=/transdiffuser_planner/input/{name}" for name in names]
        self.planner = PlannerNode(
            namespace="second",
            cli_args=["--ros-args", *(word for rule in rules for word in ("-r", rule))],
            parameter_overrides=[Parameter(key, value=value) for key, value in PARAMETERS.items()],
        )
        self.listener = PlannerListener(SECOND, "second_listener")
        assert start(self.planner)
        self.spinners = [Spinner(self.planner), Spinner(self.listener)]

    def close(self) -> None:
        for spinner in self.spinners:
            spinner.end()
        self.planner.trigger_shutdown()
        self.planner.destroy_node()
        self.listener.destroy_node()


def of_the_model(listener: PlannerListener, since_s: float) -> list:
    return [received for received in listener.plans(since_s) if not received.message.fallback_level]


def test_two_planners_on_one_domain_plan_independently(bench: FaultTestbench) -> None:
    began = time.monotonic()
    second = Second()
    try:
        bench.wait(lambda: of_the_model(second.listener, began), 5.0, "the second planner plans")
        both = time.monotonic()
        answer = second.listener.call("request_stop", "std_srvs/srv/SetBool", data=True)
        assert answer.success
        stopped = time.monotonic() + 0.2
        bench.wait(lambda: len(second.listener.plans(stopped)) >= 5, 2.0, "the second planner stops")
        assert all(received.message.stop_requested for received in second.listener.plans(stopped))
        firsts = bench.listener.plans(both)
        bench.wait(lambda: of_the_model(bench.listener, both), 2.0, "the first planner plans as well")
        assert not any(received.message.stop_requested for received in firsts)
        assert second.spinners[0].is_alive and second.spinners[0].escaped is None
        for listener in (bench.listener, second.listener):
            bench.wait(lambda listener=listener: listener.diagnostics(stopped), 2.0, "each planner's own diagnostics")
        assert second.listener.diagnostics(stopped)["stop_requested"] == "True"
        assert bench.listener.diagnostics(stopped)["stop_requested"] == "False"
        late = [received.message for received in second.listener.plans(began) if bench.is_late(received)]
        assert not late, [(f"{message.latency_ms:.0f} ms", message.fallback_reason) for message in late]
    finally:
        second.close()
    bench.check(began)
    ended = time.monotonic()
    bench.wait(lambda: bench.recovered(ended), 1.0, "the first planner continues alone")


def test_a_camera_is_lost_while_the_model_is_loaded_again(bench: FaultTestbench) -> None:
    def on() -> None:
        bench.vehicle.faults = {"rgb_front": dropped()}
        assert bench.listener.call("reload_model", "std_srvs/srv/Trigger").success

    bench.inject(on, bench.vehicle.heal, ("missing: rgb_front",))
