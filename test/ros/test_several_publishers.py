"""Publishers that do not fit, and publishers of other vehicles: named, overridden, and not mistaken for an input's source."""

import time
from collections.abc import Callable

import needs_ros  # noqa: F401
from nav_msgs.msg import Path
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from transdiffuser_msgs.msg import PlannerStatus

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.ros.live_doctor.graph import wiring
from transdiffuser_planner.ros.live_doctor.node_state import Target
from transdiffuser_planner.ros.qos import LATCHED, RELIABLE, input_options

PATIENCE_S = 60.0


def spin_until(condition: Callable[[], bool], *nodes: Node) -> None:
    """Spin until a condition holds; fails after a minute."""
    executor = SingleThreadedExecutor()
    for node in nodes:
        executor.add_node(node)
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        executor.spin_once(timeout_sec=0.05)


def test_a_volatile_publisher_is_named_with_the_parameter_that_fits():
    topic, warnings, received = "/car/route", [], []
    fix = f"qos_overrides.{topic}.subscription.durability"
    strict = Node("strict")
    lenient = Node("lenient", parameter_overrides=[Parameter(fix, value="volatile")])
    source = Node("source")
    try:
        for node, take in ((strict, print), (lenient, received.append)):
            options = input_options(topic, LATCHED, lambda key, text: warnings.append((key, text)))
            node.create_subscription(Path, topic, take, **options)
        publisher = source.create_publisher(Path, topic, RELIABLE)

        def both() -> bool:
            publisher.publish(Path())
            return bool(warnings and received)

        spin_until(both, strict, lenient, source)
        assert warnings[0][0] == topic and fix in warnings[0][1] and "volatile" in warnings[0][1]
        assert len(warnings) == 1
    finally:
        for node in (strict, lenient, source):
            node.destroy_node()


def test_the_path_of_another_vehicles_planner_is_not_suggested_as_a_route():
    planner, other = (Node("transdiffuser_planner", namespace=name) for name in ("/car1", "/car2"))
    navigation, doctor = Node("navigation", namespace="/car1"), Node("doctor")
    try:
        planner.create_subscription(Path, "~/input/route", print, LATCHED)
        other.create_publisher(PlannerStatus, "~/output/status", RELIABLE)
        other.create_publisher(Path, "~/output/path", RELIABLE)
        navigation.create_publisher(Path, "route", RELIABLE)
        topics = ("/car2/transdiffuser_planner/output/status", "/car2/transdiffuser_planner/output/path", "/car1/route")
        spin_until(
            lambda: (
                all(map(doctor.count_publishers, topics))
                and bool(doctor.count_subscribers("/car1/transdiffuser_planner/input/route"))
            ),
            doctor,
        )
        rig = Rig.load(RIGS / "carla.yaml")
        target = Target(
            name="transdiffuser_planner",
            namespace="/car1",
            config=PlannerConfig(),
            model="tiny",
            rig="",
            use_sim_time=False,
        )
        (route,) = (finding for finding in wiring(doctor, target, rig).findings if finding.subject == "route")
        assert "-r /car1/transdiffuser_planner/input/route:=/car1/route" in f"{route.text} {route.remedy}"
        assert "car2" not in route.text
    finally:
        for node in (planner, other, navigation, doctor):
            node.destroy_node()
