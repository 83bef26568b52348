"""Publishers and subscribers restart, two planners share a domain, somebody looks on: over DDS in real time."""

import time
from collections.abc import Iterator

import pytest
from fault_stage import PARAMETERS, FaultStage
from live_vehicle import CAMERAS, OPTIONAL
from planner_ears import PlannerEars, Spinner
from rclpy.parameter import Parameter
from sensor_faults import dropped

from transdiffuser_planner.ros.planner_node import PlannerNode, start

SECOND = "/second/transdiffuser_planner"


@pytest.fixture(scope="module")
def stage() -> Iterator[FaultStage]:
    with FaultStage() as stage:
        yield stage


def test_publishers_that_restart_are_found_again(stage: FaultStage) -> None:
    began = time.monotonic()
    stage.vehicle.restart(pause_s=1.0)
    ended = time.monotonic()
    stage.wait(lambda: stage.recovered(ended), 1.0, "a plan of all inputs after the restart", began)
    stage.wait(lambda: "no new sensor frame" in stage.ears.said(began), 1.5, "the silence is named", began)
    stage.check(began)


def test_a_listener_that_restarts_hears_plans_again_and_none_was_late(stage: FaultStage) -> None:
    stage.spinners[1].do(stage.ears.close)
    plans = stage.planner.health.plans
    stage.wait(lambda: stage.planner.health.plans >= plans + 5, 2.0, "planning goes on without a listener")
    stage.spinners[1].do(stage.ears.open)
    opened = time.monotonic()
    stage.wait(lambda: stage.recovered(opened), 1.0, "plans are heard again")
    stage.wait(lambda: stage.ears.diagnostics(opened), 2.0, "diagnostics are heard again")
    assert stage.ears.diagnostics(opened)["missed_deadlines"] == "0"
    stage.check(opened)


def test_debug_topics_come_when_somebody_listens(stage: FaultStage) -> None:
    began = time.monotonic()
    numbers = [f"debug/stage_ms/{name}" for name in ("features", "encode", "denoise", "select", "safety", "total")]

    def listen() -> None:
        for topic in numbers:
            stage.ears.listen(topic, "std_msgs/msg/Float32")
        stage.ears.listen("debug/seen", "visualization_msgs/msg/MarkerArray")
        stage.ears.listen("debug/denoise_steps", "transdiffuser_msgs/msg/CandidateTrajectories")

    stage.spinners[1].do(listen)
    for topic in (*numbers, "debug/seen"):
        stage.wait(lambda topic=topic: len(stage.ears.since(topic, began)) >= 3, 2.0, topic)
    assert all(heard.message.data > 0.0 for topic in numbers for heard in stage.ears.since(topic, began))
    assert stage.ears.since("debug/seen", began)[-1].message.markers
    steps = stage.wait(lambda: steps_of_a_whole_plan(stage, began), 3.0, "ten denoise steps of one plan")
    scores = [list(message.candidates[0].scores) for message in steps]
    assert scores == [[float(step)] for step in range(1, 11)]
    stage.check(began)


def steps_of_a_whole_plan(stage: FaultStage, since_s: float) -> list:
    """The estimates of a plan that had the time for all steps."""
    steps: dict[int, list] = {}
    for heard in stage.ears.since("debug/denoise_steps", since_s):
        steps.setdefault(heard.stamp_ns, []).append(heard.message)
    return next((messages for messages in steps.values() if len(messages) == 10), [])


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
        self.ears = PlannerEars(SECOND, "second_ears")
        assert start(self.planner)
        self.spinners = [Spinner(self.planner), Spinner(self.ears)]

    def close(self) -> None:
        for spinner in self.spinners:
            spinner.end()
        self.planner.trigger_shutdown()
        self.planner.destroy_node()
        self.ears.destroy_node()


def of_the_model(ears: PlannerEars, since_s: float) -> list:
    return [heard for heard in ears.plans(since_s) if not heard.message.fallback_rung]


def test_two_planners_on_one_domain_plan_and_do_not_disturb_each_other(stage: FaultStage) -> None:
    began = time.monotonic()
    second = Second()
    try:
        stage.wait(lambda: of_the_model(second.ears, began), 5.0, "the second planner plans")
        both = time.monotonic()
        answer = second.ears.ask("request_stop", "std_srvs/srv/SetBool", data=True)
        assert answer.success
        stopped = time.monotonic() + 0.2
        stage.wait(lambda: len(second.ears.plans(stopped)) >= 5, 2.0, "the second planner stops")
        assert all(heard.message.stop_requested for heard in second.ears.plans(stopped))
        firsts = stage.ears.plans(both)
        assert of_the_model(stage.ears, both) and not any(heard.message.stop_requested for heard in firsts)
        assert second.spinners[0].is_alive and second.spinners[0].escaped is None
        for ears in (stage.ears, second.ears):
            stage.wait(lambda ears=ears: ears.diagnostics(stopped), 2.0, "each planner's own diagnostics")
        assert second.ears.diagnostics(stopped)["stop_requested"] == "True"
        assert stage.ears.diagnostics(stopped)["stop_requested"] == "False"
        late = [heard.message for heard in second.ears.plans(began) if stage.is_late(heard)]
        assert not late, [(f"{message.latency_ms:.0f} ms", message.fallback_reason) for message in late]
    finally:
        second.close()
    stage.check(began)
    ended = time.monotonic()
    stage.wait(lambda: stage.recovered(ended), 1.0, "the first planner goes on alone")


def test_a_camera_is_lost_while_the_model_is_loaded_again(stage: FaultStage) -> None:
    def on() -> None:
        stage.vehicle.faults = {"rgb_front": dropped()}
        assert stage.ears.ask("reload_model", "std_srvs/srv/Trigger").success

    stage.endure(on, stage.vehicle.heal, ("missing: rgb_front",))
