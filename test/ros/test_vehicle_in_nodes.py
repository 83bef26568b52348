"""Planner and tracker node take the vehicle from their own rig files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from rclpy.parameter import Parameter
from vehicles import Truck

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.types import EgoState, Trajectory
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.messages import encode_inputs, encode_outputs
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.ros.message_factory import make_ros_message as make
from transdiffuser_planner.ros.tracker_node import TrackerNode

CURVATURE, COUNT = 0.05, 41
TIMES = np.linspace(0.0, 4.0, COUNT)


@pytest.fixture
def lorry_rig(tmp_path: Path) -> str:
    content = yaml.safe_load((RIGS / "carla.yaml").read_text(encoding="utf-8"))
    (tmp_path / "truck.yaml").write_text(yaml.safe_dump(content | {"vehicle": Truck.to_dict()}), encoding="utf-8")
    return str(tmp_path / "truck.yaml")


def tracker(rig: str | None) -> TrackerNode:
    return TrackerNode(parameter_overrides=[] if rig is None else [Parameter("rig", value=rig)])


def steering_of(node: TrackerNode, monkeypatch: pytest.MonkeyPatch) -> float:
    """Steering command of a tracker on a circle."""
    now_ns, turned = int(node.get_clock().now().nanoseconds), 5.0 * TIMES * CURVATURE
    circle = Trajectory(
        stamp_ns=now_ns, frame_id="map", time_s_T=TIMES, x_m_T=np.sin(turned) / CURVATURE,
        y_m_T=(1.0 - np.cos(turned)) / CURVATURE, heading_rad_T=turned, speed_mps_T=np.full(COUNT, 5.0),
        accel_mps2_T=np.zeros(COUNT), curvature_per_m_T=np.full(COUNT, CURVATURE),
    )  # fmt: skip
    ego = EgoState(stamp_ns=now_ns, frame_id="map", x_m=0.0, y_m=0.0, heading_rad=0.0, vx_mps=5.0)
    sent: list[float] = []
    monkeypatch.setattr(node, "_send", lambda speed, acceleration, steering: sent.append(steering))
    node._on_trajectory(encode_outputs.trajectory(make, circle, EGO_VEHICLE))
    node._on_odometry(encode_inputs.odometry(make, replace(ego, yaw_rate_radps=0.0), "base_link"))
    node._control()
    return sent[-1]


def test_the_tracker_steers_the_vehicle_of_its_rig(lorry_rig: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for rig, vehicle in ((None, EGO_VEHICLE), (lorry_rig, Truck)):
        node = tracker(rig)
        try:
            assert steering_of(node, monkeypatch) == pytest.approx(np.arctan(vehicle.wheelbase_m * CURVATURE), rel=0.05)
        finally:
            node.destroy_node()


def test_a_tracker_without_a_usable_rig_is_one_line() -> None:
    with pytest.raises(ConfigError, match="rig file /nowhere: cannot be read"):
        tracker("/nowhere")


def test_the_planner_warns_of_a_vehicle_that_the_scorer_does_not_fit(make_bench, lorry_rig: str) -> None:
    truck, car = make_bench(rig=lorry_rig), make_bench()
    notices = [bench.planner.model_manager.vehicle_notice for bench in (truck, car)]
    assert "the rig's has 10 x 2.5 m" in notices[0] and notices[1] == ""
    truck.planner._heartbeat()
    text = truck.wait(
        lambda: next((t for t in [truck.vehicle.diagnostic_text()] if "vehicle_notice=the scorer" in t), "")
    )
    assert "event: the scorer assumes a vehicle of 4.9 x 1.9 m" in text
