"""Ego dynamics: kinematic bicycle at the rear axle behind actuators with lag and limits.

Equations (rear axle at x, y; heading h; speed v; road-wheel angle d; acceleration a; wheelbase L):

    dx/dt = v cos h        dd/dt = clip((d_cmd - d) / tau, +-rate limit),  |d| <= max_steer
    dy/dt = v sin h        da/dt = (clip(a_cmd, -max_decel, max_accel) - a) / tau
    dh/dt = v tan(d) / L   dv/dt = a, and v stays in 0 .. top speed

Speed and heading are integrated with the mean of their values at both ends of the step, actuators exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.world_state import EgoPose

BRAKE_LIGHT_MPS2 = -0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class EgoVehicleState:
    """State of the bicycle at base_link in the map frame.

    Attributes:
        x_m: Of the rear axle.
        y_m: Of the rear axle.
        heading_rad: Counter-clockwise from +x.
        speed_mps: Never negative.
        acceleration_mps2: Along the heading.
        steering_rad: Road-wheel angle, positive left.
    """

    x_m: float
    y_m: float
    heading_rad: float
    speed_mps: float
    acceleration_mps2: float = 0.0
    steering_rad: float = 0.0


def step_vehicle(
    state: EgoVehicleState,
    *,
    acceleration_cmd_mps2: float,
    steering_cmd_rad: float,
    dt_s: float,
    model: VehicleModel,
) -> EgoVehicleState:
    """Return the state after dt_s.

    Args:
        state: Present state.
        acceleration_cmd_mps2: Desired acceleration along the heading; clipped to the limits.
        steering_cmd_rad: Desired road-wheel angle, positive to the left; clipped.
        dt_s: Step, at most about 0.05 s.
        model: Dimensions and limits.
    """
    response = 1.0 - np.exp(-dt_s / model.actuator_delay_s)
    desired_mps2 = float(np.clip(acceleration_cmd_mps2, -model.max_decel_mps2, model.max_accel_mps2))
    acceleration = state.acceleration_mps2 + response * (desired_mps2 - state.acceleration_mps2)
    steer_to = float(np.clip(steering_cmd_rad, -model.max_steer_rad, model.max_steer_rad))
    largest = model.max_steer_rate_radps * dt_s
    steering = state.steering_rad + float(np.clip(response * (steer_to - state.steering_rad), -largest, largest))
    speed = state.speed_mps + acceleration * dt_s
    if speed <= 0.0:
        speed, acceleration = 0.0, min(0.0, acceleration) if desired_mps2 < 0.0 else acceleration
    if speed > model.max_speed_mps:
        speed, acceleration = model.max_speed_mps, min(acceleration, 0.0)
    mean_speed = 0.5 * (state.speed_mps + speed)
    turn = mean_speed * np.tan(0.5 * (state.steering_rad + steering)) / model.wheelbase_m * dt_s
    middle = state.heading_rad + 0.5 * turn
    return EgoVehicleState(
        x_m=float(state.x_m + mean_speed * dt_s * np.cos(middle)),
        y_m=float(state.y_m + mean_speed * dt_s * np.sin(middle)),
        heading_rad=float((state.heading_rad + turn + np.pi) % (2.0 * np.pi) - np.pi),
        speed_mps=float(speed),
        acceleration_mps2=float(acceleration),
        steering_rad=float(steering),
    )


def state_from_pose(pose: EgoPose, model: VehicleModel) -> EgoVehicleState:
    """Return the bicycle's state with the motion of a pose.

    Args:
        pose: In the map frame.
        model: Its wheelbase determines the steering angle.
    """
    return EgoVehicleState(
        x_m=pose.x_m,
        y_m=pose.y_m,
        heading_rad=pose.heading_rad,
        speed_mps=pose.speed_mps,
        acceleration_mps2=pose.acceleration_mps2,
        steering_rad=float(np.arctan(pose.curvature_per_m * model.wheelbase_m)),
    )


def pose_from_state(state: EgoVehicleState, model: VehicleModel) -> EgoPose:
    """Return the pose of a state; a stationary vehicle has no acceleration.

    Args:
        state: In the map frame.
        model: Its wheelbase determines the curvature.
    """
    moving = state.speed_mps > 0.0
    return EgoPose(
        x_m=state.x_m,
        y_m=state.y_m,
        heading_rad=state.heading_rad,
        speed_mps=state.speed_mps,
        acceleration_mps2=state.acceleration_mps2 if moving else 0.0,
        curvature_per_m=float(np.tan(state.steering_rad) / model.wheelbase_m),
        braking=state.acceleration_mps2 < BRAKE_LIGHT_MPS2 or not moving,
    )
