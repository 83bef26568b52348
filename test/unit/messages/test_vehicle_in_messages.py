"""The front-wheel angle of published trajectories follows the vehicle's wheelbase."""

import numpy as np
import pytest
from vehicles import KART, Truck

from transdiffuser_planner.core.types import Trajectory
from transdiffuser_planner.core.vehicle import EGO_VEHICLE, VehicleModel
from transdiffuser_planner.messages import encode_outputs
from transdiffuser_planner.messages.definitions import make_message

CURVATURE = np.linspace(-0.1, 0.1, 5)
PLAN = Trajectory(
    stamp_ns=0, frame_id="map", time_s_T=0.1 * np.arange(5), x_m_T=np.arange(5.0), y_m_T=np.zeros(5),
    heading_rad_T=np.zeros(5), speed_mps_T=np.full(5, 10.0), accel_mps2_T=np.zeros(5), curvature_per_m_T=CURVATURE,
)  # fmt: skip


@pytest.mark.parametrize("vehicle", [Truck, EGO_VEHICLE, KART])
def test_front_wheel_angles_follow_from_the_wheelbase(vehicle: VehicleModel) -> None:
    points = encode_outputs.trajectory(make_message, PLAN, vehicle).points
    angles = [point.front_wheel_angle_rad for point in points]
    assert angles == pytest.approx(np.arctan(vehicle.wheelbase_m * CURVATURE))
    assert [point.curvature_per_m for point in points] == pytest.approx(CURVATURE)
