"""The doctor with a real planner process and a vehicle with one fault at a time, over real DDS."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from node_testbench import INPUT, RIG, Vehicle
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from transdiffuser_planner.doctor.findings import Level
from transdiffuser_planner.messages import encode_inputs
from transdiffuser_planner.ros.live_doctor.live_doctor import examine
from transdiffuser_planner.ros.message_factory import make_ros_message as make
from transdiffuser_planner.ros.message_factory import message_class
from transdiffuser_planner.ros.qos import OUTPUT, RELIABLE

PLANNER = "/transdiffuser_planner"
SECONDS = 2.5
TICK_S = 0.1
CAMERAS = [f"camera/{camera.name}" for camera in RIG.cameras]


class Drive(Vehicle):
    """The vehicle of the other tests in real time, with all inputs; ``change`` may alter or drop (None) a message."""

    def __init__(self, change=None, every=None, extra=None):
        super().__init__()
        self._change = change or (lambda name, message: message)
        self._every, self._count, self._extra = every or {}, 0, extra

    def put(self, name, type_name, message):
        # Every n-th tick only, if configured.
        message = None if self._count % self._every.get(name, 1) else self._change(name, message)
        if message is not None:
            super().put(name, type_name, message)

    def tick_inputs(self):
        self.stamp_ns = time.time_ns()
        self._count += 1
        self.state()
        for camera in RIG.cameras:
            self.image(camera.name)
            info = encode_inputs.camera_info(make, self.stamp_ns, camera.name, camera)
            self.put(f"camera/{camera.name}/camera_info", "sensor_msgs/msg/CameraInfo", info)
        self.cloud()
        route = [[self.ego().x_m + d, 0.0, 0.0] for d in range(0, 100, 10)]
        self.put("route", "nav_msgs/msg/Path", encode_inputs.path(make, self.stamp_ns, "map", route))
        if self._extra:
            self._extra(self)


class Running:
    """Runs a node in its own thread and calls its ``tick_inputs`` every tick."""

    def __init__(self, node):
        self.node, self._ended, self.ticked = node, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        executor = SingleThreadedExecutor()
        executor.add_node(self.node)
        due = time.monotonic()
        while not self._ended.is_set():
            if time.monotonic() >= due:
                due += TICK_S
                self.node.tick_inputs()
                self.ticked.set()
            executor.spin_once(timeout_sec=0.01)
        executor.shutdown()

    def stop(self):
        self._ended.set()
        self._thread.join()
        self.node.destroy_node()


def started(*ros_arguments, no_autostart=False, env=None):
    """A planner process with a small number of candidates and steps."""
    small = ["num_candidates:=4", "num_denoise_steps:=1", "num_threads:=1", *ros_arguments]
    command = [
        sys.executable,
        "-m",
        "transdiffuser_planner.cli.main",
        "plan",
        *(["--no-autostart"] if no_autostart else []),
    ]
    command += ["--ros-args", *(word for text in small for word in ("-p", text))]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)


def ended(process):
    process.send_signal(signal.SIGINT)
    try:
        process.wait(60.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def planner():
    process = started()
    deadline = time.monotonic() + 120.0
    while "active" not in [f.text for f in examine(PLANNER, 0.1) if f.subject == "lifecycle"]:
        assert time.monotonic() < deadline and process.poll() is None, "the planner did not become active"
    yield process
    ended(process)


def look(**faults):
    """Findings about a vehicle with faults."""
    running = Running(Drive(**faults))
    try:
        # Publishers are created with their first message; both must have discovered them before rates are checked.
        assert running.ticked.wait(60.0), "the vehicle published nothing"
        threading.Event().wait(1.0)
        for _ in range(4):  # discovery of all cameras at once can take seconds
            findings = examine(PLANNER, SECONDS)
            if not any(f.subject == "cameras" and f.text.startswith("0 of") for f in findings):
                break
        return findings
    finally:
        running.stop()


@pytest.fixture(scope="module")
def known():
    """Findings of the vehicles that were looked at, by name."""
    return {}


@pytest.fixture
def look_once(planner, known, request):
    """Looks at a vehicle that several tests share; a test that is tried again looks again."""

    def findings(name, **faults):
        if name not in known or getattr(request.node, "execution_count", 1) > 1:
            known[name] = look(**faults)
        return known[name]

    return findings


@pytest.fixture
def misconnected(look_once):
    """Findings about publishers of a wrong type, with other QoS, elsewhere, without messages, and of a clock."""
    others = {
        "lidar": ("sensor_msgs/msg/Image", f"{INPUT}/lidar", RELIABLE),
        "route": ("nav_msgs/msg/Path", f"{INPUT}/route", RELIABLE),
        "odometry": ("nav_msgs/msg/Odometry", "/chassis/odom", RELIABLE),
        "camera/rgb_left": ("sensor_msgs/msg/Image", f"{INPUT}/camera/rgb_left", RELIABLE),
        "clock": ("rosgraph_msgs/msg/Clock", "/clock", OUTPUT),
    }

    def connect(vehicle):
        if not hasattr(vehicle, "others"):
            vehicle.others = {
                name: vehicle.create_publisher(message_class(kind), topic, qos)
                for name, (kind, topic, qos) in others.items()
            }
        vehicle.others["lidar"].publish(vehicle.image_message("rgb_left"))

    return look_once("misconnected", change=lambda n, m: None if n in others else m, extra=connect)


@pytest.fixture
def misread(look_once):
    """Findings about messages with wrong stamps, sizes and axes, and without a calibration."""

    def change(name, message):
        if name == "lidar":
            message.header.stamp.sec -= 36_000
        elif name == "camera/rgb_right":
            message.header.stamp = type(message.header.stamp)()
        elif name == "camera/rgb_front":
            message.height, message.width, message.step = 64, 120, 360
            message.data = message.data[: 64 * 360]
        elif name == "camera/rgb_left/camera_info":
            message.p, message.k = [0.0] * 12, [0.0] * 9
        elif name == "odometry":
            linear = message.twist.twist.linear
            linear.x, linear.y = 0.0, linear.x
        return message

    return look_once("misread", change=change)


@pytest.fixture
def rare(look_once):
    """Findings about inputs that are received too rarely, point clouds without a field among them."""

    def change(name, message):
        if name == "lidar":
            message.fields = message.fields[:2]
        return message

    return look_once("rare", change=change, every={"lidar": 3, "odometry": 5})


def about(findings, subject, level):
    """Text and remedy of all findings about a subject of a level."""
    found = [f for f in findings if f.subject == subject and f.level == level]
    assert found, [f"{f.level.name} {f.subject}: {f.text}" for f in findings]
    assert level == Level.OK or all(f.remedy for f in found)
    return " | ".join(f"{f.text} -> {f.remedy}" for f in found)


def errors(findings):
    return [f"{f.subject}: {f.text}" for f in findings if f.level == Level.ERROR]


def test_a_healthy_vehicle_has_no_error_and_every_input_is_listed(planner):
    findings = look()
    assert errors(findings) == []
    for subject in (
        "node",
        "lifecycle",
        "odometry",
        "lidar",
        "route",
        "camera rgb_front",
        "camera_info rgb_left",
        "view",
    ):
        about(findings, subject, Level.OK)
    # On a busy machine some of them are late, which is a warning.
    assert any(f.subject == "plans" and "masked: traffic_signal" in f.text for f in findings)
    assert "2400 points with x, y, z, intensity" in about(findings, "lidar", Level.OK)
    assert "twist fits the motion (6.0 m/s)" in about(findings, "odometry", Level.OK)


def test_a_publisher_of_a_wrong_type_is_named_with_the_right_one(misconnected):
    text = about(misconnected, "lidar", Level.ERROR)
    assert "'vehicle' publishes sensor_msgs/msg/Image, the planner expects sensor_msgs/msg/PointCloud2" in text
    assert f"remap {INPUT}/lidar" in text


def test_a_volatile_route_publisher_is_reported_as_incompatible(misconnected):
    text = about(misconnected, "route", Level.WARN)
    assert "QoS of 'vehicle' is not compatible" in text and "olatile" in text and "latched" in text


def test_a_missing_topic_is_an_error_and_another_topic_of_that_type_is_suggested(misconnected):
    text = about(misconnected, "odometry", Level.ERROR)
    assert "no publisher; nav_msgs/msg/Odometry is published on /chassis/odom" in text
    assert f"-r {INPUT}/odometry:=/chassis/odom" in text


def test_a_publisher_without_messages_is_a_warning(misconnected):
    assert f"nothing arrived in {SECONDS:g} s" in about(misconnected, "camera rgb_left", Level.WARN)


def test_a_clock_publisher_with_a_planner_on_system_time_is_a_warning(misconnected):
    text = about(misconnected, "use_sim_time", Level.WARN)
    assert "'vehicle' publishes /clock" in text and "use_sim_time:=true" in text


def test_an_image_size_that_differs_from_camera_info_is_reported_with_both_sizes(misread):
    text = about(misread, "camera rgb_front", Level.WARN)
    assert "120x64" in text and "240x128" in text and "correct width, height" in text


def test_an_uncalibrated_camera_info_is_reported(misread):
    text = about(misread, "camera_info rgb_left", Level.WARN)
    assert "not calibrated (fx 0" in text and "calibrate the camera" in text


def test_stamps_of_another_clock_and_unset_stamps_are_reported(misread):
    text = about(misread, "lidar", Level.ERROR)
    assert "10 hours behind" in text and "use_sim_time alike" in text
    assert "every stamp is 0" in about(misread, "camera rgb_right", Level.WARN)
    about(misread, "plans", Level.ERROR)


def test_odometry_whose_twist_is_not_in_the_child_frame_is_an_error(misread):
    text = about(misread, "odometry", Level.ERROR)
    assert "twist.linear.x" in text and " 0.0" in text


def test_sensor_and_odometry_rates_are_compared_with_the_planning_rate(rare):
    assert "planning_rate_hz is 10" in about(rare, "lidar", Level.WARN)
    assert "max_odometry_age_s (0.2 s) runs out" in about(rare, "odometry", Level.ERROR)


def test_an_unreadable_point_cloud_is_an_error(rare):
    assert "field z" in about(rare, "lidar", Level.ERROR)


def test_a_wrong_node_name_lists_the_existing_nodes_and_other_nodes_are_not_planners(planner):
    text = about(examine("/planner", 0.5), "node", Level.ERROR)
    assert "there are /transdiffuser_planner" in text and "--node" in text
    other = Node("other")
    other.tick_inputs = lambda: None
    running = Running(other)
    try:
        assert "is not a planner" in about(examine("/other", 0.5), "node", Level.ERROR)
    finally:
        running.stop()


def test_an_unconfigured_planner_gives_remedies_a_json_file_and_exit_status_1(tmp_path):
    env = {**os.environ, "ROS_DOMAIN_ID": str(int(os.environ["ROS_DOMAIN_ID"]) - 60)}
    process = started("use_sim_time:=true", no_autostart=True, env=env)
    try:
        out = tmp_path / "findings.json"
        command = [sys.executable, "-m", "transdiffuser_planner.cli.main", "doctor", "--live", "--seconds", "0.5"]
        deadline = time.monotonic() + 120.0
        while True:
            run = subprocess.run([*command, "--json", str(out)], capture_output=True, text=True, timeout=300, env=env)
            if "lifecycle" in run.stdout or time.monotonic() > deadline:
                break
        assert run.returncode == 1 and "Traceback" not in run.stderr
        assert "ERROR  lifecycle: unconfigured" in run.stdout
        assert f"-> correct that, then ros2 lifecycle set {PLANNER} configure" in run.stdout
        assert "the planner's time does not advance" in run.stdout
        rows = json.loads(out.read_text())["findings"]
        assert {"area", "subject", "level", "text", "remedy"} == set(rows[0])
    finally:
        ended(process)
