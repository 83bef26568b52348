"""A synthetic vehicle in real time: it drives straight over an empty plain and publishes at 10 Hz of the wall clock."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import needs_ros  # noqa: F401
import numpy as np
from rclpy.node import Node
from sensor_faults import Fault
from straight_drive import RIG, ground

from transdiffuser_planner.core.types import Acceleration, DrivingCommand, EgoState, SignalState, TrafficSignal
from transdiffuser_planner.messages import encode_inputs
from transdiffuser_planner.ros.message_factory import make_ros_message as make
from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.qos import LATCHED, RELIABLE

CAMERAS = tuple(camera.name for camera in RIG.cameras)
OPTIONAL = ("acceleration", "command", "traffic_signal", "speed_limit")
TICK_S, CLOCK_S = 0.1, 0.01
SPEED_MPS = 6.0
_EGOS_KEPT = 600
_TYPES = {
    "acceleration": "geometry_msgs/msg/AccelWithCovarianceStamped",
    "command": "transdiffuser_msgs/msg/DrivingCommand",
    "traffic_signal": "transdiffuser_msgs/msg/TrafficSignal",
    "speed_limit": "std_msgs/msg/Float32",
    "odometry": "nav_msgs/msg/Odometry",
    **dict.fromkeys(CAMERAS, "sensor_msgs/msg/Image"),
    "lidar": "sensor_msgs/msg/PointCloud2",
}
"""Streams in the order in which they are published in every tick."""


class SyntheticVehicle(Node):
    """Publishes in its own thread from ``start`` on.

    Attributes:
        faults: Injected fault by stream.
        clock_offset_s: Added to every stamp and to /clock; see ``jump_clock``.
        teleport_m: Added to the position in odometry.
        sent_egos: (time.monotonic, state) of the last ticks' true states, as odometry publishes or should have published them.
    """

    def __init__(self, planner: str = "/transdiffuser_planner", *, has_clock: bool = False) -> None:
        super().__init__("synthetic_vehicle")
        self.faults: dict[str, Fault] = {}
        self.clock_offset_s = self.teleport_m = 0.0
        self.sent_egos: list[tuple[float, EgoState]] = []
        self._input = f"{planner}/input"
        self._has_clock = has_clock
        self._started_s, self._started_ns = time.monotonic(), time.time_ns()
        self._images = {camera.name: _image(camera) for camera in RIG.cameras}
        self.points_N4 = np.concatenate([ground(), np.ones((len(ground()), 1), dtype=np.float32)], axis=1)
        self._publishing = threading.RLock()
        self._late: list[tuple[float, int, str, Any]] = []
        self._numbers = itertools.count()
        self._ended = threading.Event()
        self._jumps_back_s: list[float] = []
        self._connect()
        self._thread = threading.Thread(target=self._drive, name="vehicle", daemon=True)

    def start(self) -> None:
        """Start to drive."""
        self.route()
        self._thread.start()

    def end(self) -> None:
        """Stop publishing."""
        self._ended.set()
        self._thread.join(5.0)

    def stamp_ns(self, at_s: float | None = None) -> int:
        """The data's clock at a time on ``time.monotonic``; now without one."""
        elapsed_s = (time.monotonic() if at_s is None else at_s) - self._started_s
        return self._started_ns + round((elapsed_s + self.clock_offset_s) * 1e9)

    def heal(self) -> None:
        """Remove all sensor faults."""
        self.faults = {}

    def jump_clock(self, by_s: float) -> None:
        """Shift every stamp from now on."""
        with self._publishing:
            self.clock_offset_s += by_s
            if by_s < 0.0:
                self._jumps_back_s.append(time.monotonic())

    def jumps_back_between(self, first_s: float, last_s: float) -> bool:
        """Whether the clock jumped back between two times on ``time.monotonic``."""
        return any(first_s <= jump_s <= last_s for jump_s in self._jumps_back_s)

    def route(self, xy: Iterable[tuple[float, float]] | None = None, frame_id: str = "map") -> None:
        """Publish a route straight ahead, or another one."""
        poses = [(float(x), 0.0) for x in range(-50, 5000, 10)] if xy is None else list(xy)
        message = encode_inputs.path(
            make, self.stamp_ns(), frame_id, np.asarray([(*p, 0.0) for p in poses]).reshape(-1, 3)
        )
        with self._publishing:
            self._publishers_by_name["route"].publish(message)

    def restart(self, pause_s: float = 0.5) -> None:
        """Restart all publishers, as when the publishing process dies."""
        with self._publishing:
            for publisher in self._publishers_by_name.values():
                self.destroy_publisher(publisher)
            self._ended.wait(pause_s)
            self._late.clear()
            self._connect()
            self.route()

    def num_subscribers(self) -> list[int]:
        """Number of subscribers of every input."""
        return [publisher.get_subscription_count() for publisher in self._publishers_by_name.values()]

    def _connect(self) -> None:
        topics = {name: f"{self._input}/{'camera/' if name in CAMERAS else ''}{name}" for name in _TYPES}
        self._publishers_by_name = {
            name: self.create_publisher(message_class(_TYPES[name]), topic, RELIABLE) for name, topic in topics.items()
        }
        path = message_class("nav_msgs/msg/Path")
        self._publishers_by_name["route"] = self.create_publisher(path, f"{self._input}/route", LATCHED)
        if self._has_clock:
            clock = message_class("rosgraph_msgs/msg/Clock")
            self._publishers_by_name["clock"] = self.create_publisher(clock, "/clock", RELIABLE)

    def _drive(self) -> None:
        tick_s = clock_s = time.monotonic()
        for tick in itertools.count():
            self._tick(tick, tick_s)
            tick_s += TICK_S
            while (now := time.monotonic()) < tick_s:
                self._send_late(now)
                if self._has_clock and clock_s <= now:
                    self._send("clock", encode_inputs.clock(make, self.stamp_ns()))
                    clock_s = now + CLOCK_S
                next_s = min(
                    [tick_s, *([clock_s] if self._has_clock else []), *(self._late[0][:1] if self._late else [])]
                )
                if self._ended.wait(max(next_s - time.monotonic(), 1e-4)):
                    return

    def _tick(self, tick: int, tick_s: float) -> None:
        with self._publishing:
            self.sent_egos.append((tick_s, self._ego(tick_s)))
            del self.sent_egos[:-_EGOS_KEPT]
            for name in _TYPES:
                maker = self._maker(name, tick_s)
                fault = self.faults.get(name)
                for later_s, message in [(0.0, maker(0.0))] if fault is None else fault(tick, maker):
                    if later_s:
                        heapq.heappush(self._late, (tick_s + later_s, next(self._numbers), name, message))
                    else:
                        self._send(name, message)

    def _send_late(self, now: float) -> None:
        while self._late and self._late[0][0] <= now:
            _, _, name, message = heapq.heappop(self._late)
            self._send(name, message)

    def _send(self, name: str, message: Any) -> None:
        with self._publishing:
            self._publishers_by_name[name].publish(message)

    def _ego(self, at_s: float) -> EgoState:
        x_m = SPEED_MPS * (at_s - self._started_s) + self.teleport_m
        return EgoState(
            stamp_ns=self.stamp_ns(at_s), frame_id="map", x_m=x_m, y_m=0.0, heading_rad=0.0, vx_mps=SPEED_MPS
        )

    def _maker(self, name: str, tick_s: float) -> Callable[[float], Any]:
        def message(later_s: float) -> Any:
            return self._message(name, self._ego(tick_s + later_s))

        return message

    def _message(self, name: str, ego: EgoState) -> Any:
        stamp_ns = ego.stamp_ns
        if name in self._images:
            return encode_inputs.image(make, stamp_ns, name, self._images[name])
        makers: dict[str, Callable[[], Any]] = {
            "lidar": lambda: encode_inputs.point_cloud(make, stamp_ns, "lidar", self.points_N4),
            "odometry": lambda: encode_inputs.odometry(make, ego, "base_link"),
            "acceleration": lambda: encode_inputs.acceleration(
                make, Acceleration(stamp_ns=stamp_ns, ax_mps2=0.0, ay_mps2=0.0), "base_link"
            ),
            "command": lambda: encode_inputs.driving_command(make, stamp_ns, DrivingCommand.STRAIGHT),
            "speed_limit": lambda: encode_inputs.float32(make, 13.9),
            "traffic_signal": lambda: encode_inputs.traffic_signal(make, stamp_ns, _green(stamp_ns)),
        }
        return makers[name]()


def true_ego(vehicle: SyntheticVehicle, stamp_ns: int) -> EgoState:
    """State of the vehicle at a stamp, extrapolated from the nearest tick."""
    nearest = min((ego for _, ego in vehicle.sent_egos), key=lambda ego: abs(ego.stamp_ns - stamp_ns))
    x_m = nearest.x_m + nearest.vx_mps * (stamp_ns - nearest.stamp_ns) * 1e-9
    return replace(nearest, stamp_ns=stamp_ns, x_m=x_m)


def _green(stamp_ns: int) -> TrafficSignal:
    return TrafficSignal(stamp_ns=stamp_ns, state=SignalState.GREEN, distance_m=100.0)


def _image(camera: Any) -> np.ndarray:
    rgb = np.full((camera.height, camera.width, 3), 110, dtype=np.uint8)
    rgb[: int(camera.cy)] = (150, 190, 230)
    return rgb
