"""Drive a car through live traffic on ROS 2 and make a report.

Simulator, planner and tracker are processes of their own that talk over DDS on a private domain of this machine. This
process watches: a status line, a bag of everything, and at the end the report.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.core.planner_config import DEFAULT_MODEL
from transdiffuser_planner.evaluation.over_dds.process_group import ProcessGroup, private_ros_environment
from transdiffuser_planner.runtime.inference.model_paths import model_folder

START_TIMEOUT_S = 60.0
SILENCE_TIMEOUT_S = 20.0
STAND_BACK = 5
_MEMORY_EVERY_S = 2.0


class DemoError(PlannerError):
    """A part of the demo did not start or ended early."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--seed", type=int, default=8003, help="scenario seed (default: %(default)s)")
    parser.add_argument("--map", help="map name or SUMO network file; default: drawn from the seed")
    parser.add_argument("--duration", type=float, default=60.0, help="seconds of driving (default: %(default)s)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="model folder or name (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("demo_output"), help="folder for results (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Drive, then report; returns 0 when the drive went to its end."""
    model = model_folder(args.model)
    out = _new_folder(args.out)
    environment = private_ros_environment()
    os.environ.update(environment)
    print(f"demo: seed {args.seed}, {args.duration:.0f} s, model {model.name}; results in {out}")
    group = ProcessGroup({**os.environ, **environment}, out)
    try:
        group.start(
            "planner", ["plan", "--preset", "carla", "--model", str(model), "--ros-args", "-p", "use_sim_time:=true"]
        )
        group.start("tracker", ["track", "--preset", "carla", "--ros-args", "-p", "use_sim_time:=true"])
        simulate = [
            "simulate",
            "--seed",
            str(args.seed),
            "--duration",
            str(args.duration),
            "--wait",
            str(START_TIMEOUT_S),
        ]
        simulate += ["--result", str(out / "result.json")] + (["--map", args.map] if args.map else [])
        # On a vehicle the world costs no computing time: here it stands back behind the planner.
        group.start("simulator", simulate, niceness=STAND_BACK)
        watch = _Watch(out / "bag", args.duration)
        try:
            watch.until_done(group)
        finally:
            watch.close()
    finally:
        group.stop()
    return _finish(out, watch)


def _new_folder(parent: Path) -> Path:
    """A fresh folder below parent, named by the time."""
    folder = parent / time.strftime("%Y%m%d_%H%M%S")
    folder.mkdir(parents=True, exist_ok=False)
    return folder


class _Watch:
    """Listens to the drive: records it and keeps the status line up to date."""

    def __init__(self, bag: Path, duration_s: float) -> None:
        from tqdm import tqdm

        from transdiffuser_planner.ros import session

        session.init([])
        from rclpy.node import Node

        from transdiffuser_planner.integrations.carla import ros_bridge
        from transdiffuser_planner.messages.encode_outputs import OUTPUT_NAMESPACE, OUTPUT_TYPES
        from transdiffuser_planner.ros.message_factory import message_class
        from transdiffuser_planner.ros.qos import OUTPUT, RELIABLE, SENSOR_INPUT
        from transdiffuser_planner.ros.testbench.topic_recorder import TopicRecorder
        from transdiffuser_planner.simulation.message_stream import COLLISION_TOPIC

        self._node = Node("transdiffuser_demo")
        self._clock_ns = self._ready_ns = 0
        self._speed_mps = 0.0
        self._last_heard = time.monotonic()
        self.plan_ms: list[float] = []
        self.fallback_levels: list[int] = []
        self.collisions = 0
        self.memory_mb = 0.0
        self.not_ready = ""
        topics = ros_bridge.topic_map()
        outputs = {f"{OUTPUT_NAMESPACE}/{name}": kind for name, kind in OUTPUT_TYPES.items()}
        live, latched = recorded_topics(topics)
        self._recorder = TopicRecorder(self._node, bag, {**live, **outputs}, latched, lambda: self._clock_ns)
        subscribe = self._node.create_subscription
        subscribe(message_class("rosgraph_msgs/msg/Clock"), "/clock", self._on_clock, RELIABLE)
        subscribe(message_class("nav_msgs/msg/Odometry"), topics.odometry, self._on_odometry, SENSOR_INPUT)
        subscribe(message_class(OUTPUT_TYPES["status"]), f"{OUTPUT_NAMESPACE}/status", self._on_status, OUTPUT)
        subscribe(message_class("carla_msgs/msg/CarlaCollisionEvent"), COLLISION_TOPIC, self._on_collision, RELIABLE)
        form = "{desc:<10}{percentage:3.0f}%|{bar}| {n:4.1f}/{total:.0f} s{postfix}"
        self._bar = tqdm(total=duration_s, desc="starting", bar_format=form, file=sys.stderr, dynamic_ncols=True)

    def _on_clock(self, message: Any) -> None:
        self._clock_ns = int(message.clock.sec) * 10**9 + int(message.clock.nanosec)
        self._last_heard = time.monotonic()

    def _on_odometry(self, message: Any) -> None:
        self._speed_mps = float(message.twist.twist.linear.x)

    def _on_status(self, message: Any) -> None:
        if message.ready:
            self.plan_ms.append(float(message.latency_ms))
            self.fallback_levels.append(int(message.fallback_level))
        else:
            self.not_ready = str(message.not_ready_reason)

    def _on_collision(self, message: Any) -> None:
        self.collisions += 1

    def until_done(self, group: ProcessGroup) -> None:
        """Spin until the simulator has ended.

        Raises:
            DemoError: A process ended early, or nothing was heard for too long.
        """
        import rclpy

        from transdiffuser_planner.ros import session

        is_stop_requested, next_look = session.note_stop_signals(), 0.0
        while group.exit_status("simulator") is None:
            rclpy.spin_once(self._node, timeout_sec=0.1)
            if is_stop_requested.is_set():
                raise KeyboardInterrupt
            now = time.monotonic()
            if now < next_look:
                continue
            next_look = now + (_MEMORY_EVERY_S if self._clock_ns else 0.5)
            self.memory_mb = max(self.memory_mb, group.memory_mb())
            self._show()
            for name in ("planner", "tracker"):
                if group.exit_status(name) is not None:
                    raise DemoError(f"the {name} ended early: {group.last_line(name)}; see {group.log(name)}")
            patience = SILENCE_TIMEOUT_S if self._clock_ns else START_TIMEOUT_S + SILENCE_TIMEOUT_S
            if now - self._last_heard > patience:
                raise DemoError(f"nothing heard for {patience:.0f} s; simulator: {group.last_line('simulator')}")
        if group.exit_status("simulator") != 0:
            raise DemoError(f"the simulator failed: {group.last_line('simulator')}; see {group.log('simulator')}")
        session.interrupt_on_stop_signals()

    def _show(self) -> None:
        if not self._clock_ns:
            self._bar.refresh()
            return
        self._bar.set_description_str("driving", refresh=False)
        self._bar.n = min(self._clock_ns * 1e-9, self._bar.total)
        recent = self.plan_ms[-20:]
        plan = f"{np.median(recent):.0f} ms" if recent else f"none ({self.not_ready})"
        text = f" {self._speed_mps * 3.6:3.0f} km/h, plan {plan}, collisions {self.collisions}"
        self._bar.set_postfix_str(text, refresh=True)

    def close(self) -> None:
        """Finish bag and status line."""
        import rclpy

        self._bar.close()
        self._node.destroy_node()
        rclpy.try_shutdown()
        self._recorder.close()


def recorded_topics(topics: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Topic -> type of what the simulated vehicle says often, and of what it says once."""
    from transdiffuser_planner.simulation import message_stream as stream

    live = dict.fromkeys(topics.images.values(), "sensor_msgs/msg/Image")
    live |= dict.fromkeys(topics.camera_infos.values(), "sensor_msgs/msg/CameraInfo")
    live |= {
        stream.CLOCK_TOPIC: "rosgraph_msgs/msg/Clock",
        topics.lidar: "sensor_msgs/msg/PointCloud2",
        topics.odometry: "nav_msgs/msg/Odometry",
        topics.acceleration: "geometry_msgs/msg/AccelWithCovarianceStamped",
        topics.command: "transdiffuser_msgs/msg/DrivingCommand",
        topics.speed_limit: "std_msgs/msg/Float32",
        topics.traffic_signal: "transdiffuser_msgs/msg/TrafficSignal",
        stream.OBJECTS_TOPIC: "derived_object_msgs/msg/ObjectArray",
        stream.LIGHT_STATUS_TOPIC: "carla_msgs/msg/CarlaTrafficLightStatusList",
        stream.COLLISION_TOPIC: "carla_msgs/msg/CarlaCollisionEvent",
        f"{stream.EGO}/ackermann_cmd": "ackermann_msgs/msg/AckermannDrive",
    }
    latched = {
        topics.route: "nav_msgs/msg/Path",
        stream.MAP_TOPIC: "transdiffuser_msgs/msg/MapPolygons",
        stream.LIGHT_INFO_TOPIC: "carla_msgs/msg/CarlaTrafficLightInfoList",
    }
    return live, latched


def _finish(out: Path, watch: _Watch) -> int:
    """Tell what happened and make the report."""
    from transdiffuser_planner.reports.drive.page import write_report

    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    plan_ms = np.asarray(watch.plan_ms or [float("nan")])
    result |= {
        "plans": len(watch.plan_ms),
        "fallbacks": sum(fallback_level != 0 for fallback_level in watch.fallback_levels),
        "plan_ms_median": round(float(np.median(plan_ms)), 1),
        "plan_ms_p99": round(float(np.percentile(plan_ms, 99)), 1),
        "peak_memory_mb": round(watch.memory_mb),
    }
    (out / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(
        f"{result['simulated_s']:.0f} s, {result['progress_m']:.0f} m, ended by {result['end_reason']}; "
        f"at-fault collisions {result['at_fault_collisions']}, others {result['other_collisions']}, "
        f"off the road {result['off_road_s']:.1f} s"
    )
    print(
        f"{result['plans']} plans, median {result['plan_ms_median']} ms, p99 {result['plan_ms_p99']} ms, "
        f"fallbacks {result['fallbacks']}; peak memory {result['peak_memory_mb']} MB"
    )
    page = write_report(out / "bag", out / "report.html")
    print(f"bag    {out / 'bag'}\nreport {page}")
    return 0 if watch.plan_ms else 1
