"""The planner node under Autoware's messages, over DDS: route on a vector map, objects and limits in, five outputs."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("autoware_internal_planning_msgs.msg", reason="not built; run 'make autoware' or source Autoware")

from lanelet_maps import MapText
from node_testbench import SPEED_MPS, NodeTestbench, Vehicle
from shared_model import planner_loader

from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.integrations.autoware import topics
from transdiffuser_planner.integrations.autoware.front_end import AutowareFrontEnd
from transdiffuser_planner.integrations.autoware.interface import versions
from transdiffuser_planner.integrations.autoware.lanelets.osm_reader import read_osm
from transdiffuser_planner.messages.encode_inputs import header, pose, time
from transdiffuser_planner.ros.message_factory import make_ros_message as make
from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.planner_node.node import PlannerNode
from transdiffuser_planner.ros.qos import INPUT_PROFILES, LATCHED, OUTPUT, RELIABLE

ALTITUDE_M = 5.5
UUID = bytes(range(16))
NAME = "/transdiffuser_planner"


class AutowareVehicle(Vehicle):
    """The synthetic vehicle on a straight road of the map, with Autoware's topics."""

    def __init__(self) -> None:
        super().__init__()
        self.first_ns = self.stamp_ns
        for name, (_, kind) in topics.OUTPUTS.items():
            self.received[name] = []
            topic = f"{topics.OUTPUT_FOLDERS[False]}/{name}".replace("~", NAME)
            self.create_subscription(message_class(kind), topic, self.received[name].append, OUTPUT)
        self.sent = {
            private: self.create_publisher(
                message_class(kind), private.replace("~", NAME), LATCHED if private == topics.ROUTE_INPUT else RELIABLE
            )
            for private, (_, kind, _) in topics.INPUTS.items()
        }

    def ego(self) -> EgoState:
        x_m = 10.0 + SPEED_MPS * (self.stamp_ns - self.first_ns) * 1e-9
        return EgoState(
            stamp_ns=self.stamp_ns, frame_id="map", x_m=x_m, y_m=0.0, heading_rad=0.0, vx_mps=SPEED_MPS, z_m=ALTITUDE_M
        )

    def state(self) -> None:
        """Odometry, acceleration and a parked car, but neither command nor limit: they follow from the map."""
        from transdiffuser_planner.core.types import Acceleration
        from transdiffuser_planner.messages import encode_inputs

        still = Acceleration(stamp_ns=self.stamp_ns, ax_mps2=0.0, ay_mps2=0.0)
        kind = "geometry_msgs/msg/AccelWithCovarianceStamped"
        self.put("acceleration", kind, encode_inputs.acceleration(make, still, ""))
        self.sent[topics.OBJECTS_INPUT].publish(self.parked_car())
        self.put("odometry", "nav_msgs/msg/Odometry", encode_inputs.odometry(make, self.ego(), "base_link"))

    def parked_car(self):
        message = make(versions.TRACKED_OBJECTS, header=header(make, self.stamp_ns, "map"))
        item = make("autoware_perception_msgs/msg/TrackedObject", existence_probability=0.9)
        item.object_id.uuid = np.frombuffer(UUID, dtype=np.uint8)
        item.classification = [make("autoware_perception_msgs/msg/ObjectClassification", label=1, probability=1.0)]
        item.kinematics.pose_with_covariance.pose = pose(make, self.ego().x_m + 25.0, 8.0, 0.0)
        item.kinematics.orientation_availability = 2
        item.shape.dimensions.x, item.shape.dimensions.y, item.shape.dimensions.z = 4.2, 1.8, 1.5
        message.objects = [item]
        return message

    def send_route(self, *numbers: int) -> None:
        lane = {n: make("autoware_planning_msgs/msg/LaneletPrimitive", id=n, primitive_type="lane") for n in numbers}
        segments = [
            make("autoware_planning_msgs/msg/LaneletSegment", preferred_primitive=lane[n], primitives=[lane[n]])
            for n in numbers
        ]
        route = make(versions.ROUTE, header=header(make, self.stamp_ns, "map"), segments=segments)
        route.start_pose, route.goal_pose = pose(make, 10.0, 0.0, 0.0), pose(make, 9000.0, 0.0, 0.0)
        self.sent[topics.ROUTE_INPUT].publish(route)

    def send_limit(self, mps: float) -> None:
        limit = make(versions.VELOCITY_LIMIT, stamp=time(make, self.stamp_ns), max_velocity=mps, sender="api")
        self.sent[topics.LIMIT_INPUT].publish(limit)


class AutowareBench(NodeTestbench):
    """A planner with Autoware's front end."""

    lanelet_map = None

    def make_vehicle(self) -> Vehicle:
        return AutowareVehicle()

    def make_planner(self, overrides):
        return PlannerNode(
            planner_loader,
            lambda node: AutowareFrontEnd(node, self.lanelet_map, uses_tracked_objects=True),
            parameter_overrides=overrides,
        )


@pytest.fixture
def autoware(tmp_path):
    made, x_N = MapText(), np.linspace(0.0, 9500.0, 40)
    sides = [np.stack([x_N, np.full(40, y)], axis=-1) for y in (1.75, -1.75)]
    made.lanelet(1, *sides, speed_limit="36")
    (tmp_path / "map.osm").write_text(made.text())
    AutowareBench.lanelet_map = read_osm(tmp_path / "map.osm")
    bench = AutowareBench()
    yield bench
    bench.close()


def publish_until(bench, condition):
    """Publish frames until a condition holds; stamps stay near the present on a slow machine."""

    def holds():
        bench.vehicle.catch_up()
        return condition()

    bench.publish_until(holds)


def after_all(bench, names):
    publish_until(bench, lambda: all(bench.vehicle.received[name] for name in names))
    return [bench.vehicle.received[name][-1] for name in names]


def test_a_route_on_the_map_leads_to_plans_in_all_five_messages(autoware):
    autoware.vehicle.send_route(1)
    trajectory, candidates, objects, indicators, factors = after_all(autoware, topics.OUTPUTS)
    assert (trajectory.header.frame_id, len(trajectory.points)) == ("map", 41)
    assert trajectory.points[0].pose.position.z == ALTITUDE_M
    assert candidates.generator_info[0].generator_name.data == "transdiffuser_planner"
    assert len(candidates.candidate_trajectories) >= 1
    assert indicators.command == indicators.DISABLE and factors.header.frame_id == "map"
    (car,) = objects.objects
    assert bytes(car.object_id.uuid) == UUID and car.shape.dimensions.x == pytest.approx(4.2)
    assert sum(path.confidence for path in car.kinematics.predicted_paths) == pytest.approx(1.0, abs=1e-4)
    publish_until(autoware, lambda: not missing(autoware) & {"route", "command", "speed_limit"})


def missing(bench):
    return set(bench.vehicle.received["status"][-1].missing_inputs)


def test_a_route_of_another_map_is_refused_with_the_reason_in_the_diagnostics(autoware):
    autoware.vehicle.send_route(4711)
    after_all(autoware, ["trajectory"])
    autoware.wait(lambda: "lanelet 4711 is not in the map" in autoware.vehicle.diagnostic_text())
    assert "route" in missing(autoware)


def test_a_velocity_limit_of_zero_stops_the_vehicle_until_the_next(autoware):
    after_all(autoware, ["trajectory", "planning_factors"])
    received = autoware.vehicle.received

    def stops():
        last = received["planning_factors"][-1].factors
        return bool(last) and last[0].detail == "stop requested" and last[0].behavior == last[0].STOP

    autoware.vehicle.send_limit(0.0)
    publish_until(autoware, stops)
    assert received["trajectory"][-1].points[-1].longitudinal_velocity_mps < SPEED_MPS
    autoware.vehicle.send_limit(10.0)
    publish_until(autoware, lambda: not stops())


def test_what_is_published_on_change_is_received_reliably():
    assert INPUT_PROFILES[topics.INPUTS[topics.ROUTE_INPUT][2]] is LATCHED
    assert INPUT_PROFILES[topics.INPUTS[topics.LIMIT_INPUT][2]] is RELIABLE
