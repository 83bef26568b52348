"""A planner node and a synthetic vehicle in one executor: stamps are set by the test, nothing runs in real time."""

import time
from collections.abc import Callable
from typing import Any

import needs_ros  # noqa: F401
import numpy as np
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from shared_model import planner_loader

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import Acceleration, DrivingCommand, EgoState
from transdiffuser_planner.messages import encode_inputs
from transdiffuser_planner.messages.encode_outputs import OUTPUT_NAMESPACE, OUTPUT_TYPES
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.ros.message_factory import make_ros_message as make
from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.planner_node.node import PlannerNode, start
from transdiffuser_planner.ros.qos import LATCHED, RELIABLE

RIG = Rig.load(RIGS / "carla.yaml")
INPUT = "/transdiffuser_planner/input"
TICK = 100_000_000
SPEED_MPS = 6.0
PATIENCE_S = 90.0
NUM_DENOISE_STEPS = PlannerConfig().num_denoise_steps
MAX_LAG_NS = 4_000_000_000


class Vehicle(Node):
    """Publishes a straight drive over a flat, empty plain, and stores the planner's outputs."""

    def __init__(self) -> None:
        super().__init__("vehicle")
        self.stamp_ns = time.time_ns() // TICK * TICK
        self.received: dict[str, list[Any]] = {name: [] for name in (*OUTPUT_TYPES, "diagnostics")}
        self._publishers_by_name: dict[str, Any] = {}
        for name, kind in OUTPUT_TYPES.items():
            self.create_subscription(
                message_class(kind), f"{OUTPUT_NAMESPACE}/{name}", self.received[name].append, RELIABLE
            )
        diagnostics = message_class("diagnostic_msgs/msg/DiagnosticArray")
        self.create_subscription(diagnostics, "/diagnostics", self.received["diagnostics"].append, RELIABLE)

    def put(self, name: str, type_name: str, message: Any) -> None:
        if name not in self._publishers_by_name:
            qos = LATCHED if name == "route" else RELIABLE
            self._publishers_by_name[name] = self.create_publisher(message_class(type_name), f"{INPUT}/{name}", qos)
        self._publishers_by_name[name].publish(message)

    def tick(self) -> None:
        self.stamp_ns += TICK

    def catch_up(self) -> None:
        """Stamp the next frame with the present where stamps fell far behind it, as frames do on a slow machine."""
        now_ns = time.time_ns() // TICK * TICK
        if now_ns - self.stamp_ns > MAX_LAG_NS:
            self.stamp_ns = now_ns

    def ego(self) -> EgoState:
        x_m = SPEED_MPS * (self.stamp_ns % 10**12) * 1e-9
        return EgoState(stamp_ns=self.stamp_ns, frame_id="map", x_m=x_m, y_m=0.0, heading_rad=0.0, vx_mps=SPEED_MPS)

    def state(self) -> None:
        ego = self.ego()
        acceleration = Acceleration(stamp_ns=self.stamp_ns, ax_mps2=0.0, ay_mps2=0.0)
        self.put(
            "acceleration",
            "geometry_msgs/msg/AccelWithCovarianceStamped",
            encode_inputs.acceleration(make, acceleration, ""),
        )
        self.put(
            "command",
            "transdiffuser_msgs/msg/DrivingCommand",
            encode_inputs.driving_command(make, self.stamp_ns, DrivingCommand.STRAIGHT),
        )
        self.put("speed_limit", "std_msgs/msg/Float32", encode_inputs.float32(make, 13.9))
        self.put("odometry", "nav_msgs/msg/Odometry", encode_inputs.odometry(make, ego, "base_link"))

    def image_message(self, name: str) -> Any:
        camera = next(camera for camera in RIG.cameras if camera.name == name)
        rgb = np.full((camera.height, camera.width, 3), 110, dtype=np.uint8)
        rgb[: int(camera.cy)] = (150, 190, 230)
        return encode_inputs.image(make, self.stamp_ns, name, rgb)

    def image(self, name: str, message: Any = None) -> None:
        self.put(f"camera/{name}", "sensor_msgs/msg/Image", message or self.image_message(name))

    def ground(self) -> np.ndarray:
        x, y = np.meshgrid(np.linspace(4.0, 30.0, 60), np.linspace(-12.0, 12.0, 40))
        z = np.full(x.size, -1.9)
        return np.stack([x.ravel(), y.ravel(), z, np.ones(x.size)], axis=-1).astype(np.float32)

    def cloud(self, points: np.ndarray | None = None) -> None:
        points = self.ground() if points is None else points
        self.put(
            "lidar", "sensor_msgs/msg/PointCloud2", encode_inputs.point_cloud(make, self.stamp_ns, "lidar", points)
        )

    def frame(self) -> int:
        """Publish a whole frame; returns its stamp."""
        self.tick()
        self.state()
        for camera in RIG.cameras:
            self.image(camera.name)
        self.cloud()
        return self.stamp_ns

    def trajectory_stamps(self) -> list[int]:
        return [_stamp(message) for message in self.received["trajectory"]]

    def status_at(self, stamp_ns: int) -> Any:
        return next((status for status in self.received["status"] if _stamp(status) == stamp_ns), None)

    def diagnostic_text(self) -> str:
        if not self.received["diagnostics"]:
            return ""
        status = self.received["diagnostics"][-1].status[0]
        return " | ".join([status.message, *(f"{item.key}={item.value}" for item in status.values)])


def _stamp(message: Any) -> int:
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


class NodeTestbench:
    """A vehicle, a planner node, and the executor that runs both."""

    def __init__(self, **parameters: Any) -> None:
        self.vehicle = self.make_vehicle()
        # Limits that hold on a slow machine; sensor age and deadline have tests of their own.
        patient = {"num_threads": 1, "max_sensor_age_s": 10.0, "deadline_ms": 1000.0, "model_timeout_s": 10.0}
        overrides = [Parameter(name, value=value) for name, value in {**patient, **parameters}.items()]
        self.planner = self.make_planner(overrides)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.vehicle)
        self.executor.add_node(self.planner)
        self.started = start(self.planner)

    def make_vehicle(self) -> Vehicle:
        return Vehicle()

    def make_planner(self, overrides: list[Parameter]) -> PlannerNode:
        return PlannerNode(planner_loader, parameter_overrides=overrides)

    def wait(self, condition: Callable[[], Any], timeout_s: float = PATIENCE_S) -> Any:
        """Spin until a condition holds; fails the test after a timeout."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.executor.spin_once(timeout_sec=0.02)
            if value := condition():
                return value
        raise AssertionError(f"condition not met within {timeout_s} s; diagnostics: {self.vehicle.diagnostic_text()}")

    def connect(self) -> None:
        """Publish until a first plan is received: every pair of endpoints has found each other."""

        def is_connected() -> bool:
            self.vehicle.catch_up()
            return bool(self.vehicle.received["trajectory"] and self.vehicle.received["status"])

        self.publish_until(is_connected)

    def publish_until(self, condition: Callable[[], Any], timeout_s: float = PATIENCE_S) -> None:
        """Publish frames, each after the status of the one before or half a second, until a condition holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout_s} s; {self.vehicle.diagnostic_text()}"
            stamp, end = self.vehicle.frame(), time.monotonic() + 0.5
            while time.monotonic() < end and not self.vehicle.status_at(stamp):
                self.executor.spin_once(timeout_sec=0.02)

    def plan_of_next_frame(self) -> int:
        """Publish a whole frame and wait for its plan."""
        self.vehicle.catch_up()
        stamp = self.vehicle.frame()
        self.wait(lambda: stamp in self.vehicle.trajectory_stamps() and self.vehicle.status_at(stamp))
        return stamp

    def full_plan(self) -> int:
        """Publish frames until one is planned by the model with all denoise steps; under load, plans may have fewer."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            status = self.vehicle.status_at(stamp := self.plan_of_next_frame())
            if status.fallback_level == status.LEVEL_NONE and status.num_denoise_steps == NUM_DENOISE_STEPS:
                return stamp
            assert time.monotonic() < deadline, f"no full plan within {PATIENCE_S} s; {self.vehicle.diagnostic_text()}"

    def close(self) -> None:
        self.executor.shutdown()
        self.planner.trigger_shutdown()
        self.planner.destroy_node()
        self.vehicle.destroy_node()
