"""Motion of vehicles by CARLA's controls: pedals and steering to the project's bicycle model.

Throttle accelerates up to 4.5 m/s2 and less with speed (constant power), the brake decelerates up to 8 m/s2, rolling and air
resistance act always. Full steering turns the wheels by 70 degrees, and by less at speed, which the vehicle's
``get_physics_control().steering_curve`` states.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.integrations.carla_server.world.blueprints import MAX_STEER_DEG
from transdiffuser_planner.integrations.carla_server.world.frames import Transform
from transdiffuser_planner.simulation.ego.kinematic_bicycle import EgoVehicleState, step_vehicle

THROTTLE_MPS2, POWER_W_PER_KG = 4.5, 55.0
BRAKE_MPS2, HAND_BRAKE_MPS2 = 8.0, 5.0
ROLLING_MPS2, AIR_PER_M = 0.12, 0.0003
STEERING_CURVE = ((0.0, 1.0), (20.0, 0.9), (60.0, 0.8), (120.0, 0.7))
"""Speed in km/h -> share of the steering angle."""
MAX_STEP_S = 0.02
MAX_REVERSE_MPS = 8.0
ACKERMANN_S = 0.5
"""Time constant of the speed under Ackermann control."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleControl:
    """Pedals and steering.

    Attributes:
        throttle: 0 .. 1.
        steer: -1 .. 1, positive to the right.
        brake: 0 .. 1.
        hand_brake: Whether it is pulled.
        reverse: Whether throttle drives backwards.
        manual_gear_shift: As requested; the gear has no other effect.
        gear: As requested.
    """

    throttle: float = 0.0
    steer: float = 0.0
    brake: float = 0.0
    hand_brake: bool = False
    reverse: bool = False
    manual_gear_shift: bool = False
    gear: int = 0

    @property
    def seven(self) -> tuple[float, float, float, bool, bool, bool, int]:
        """All values in the order of the wire."""
        return (
            self.throttle,
            self.steer,
            self.brake,
            self.hand_brake,
            self.reverse,
            self.manual_gear_shift,
            self.gear,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class AckermannTarget:
    """What an Ackermann controller is to reach.

    Attributes:
        steering_rad: Road-wheel angle, positive to the left.
        rate_radps: Of the angle; 0 for as fast as it goes.
        speed_mps: Along the heading, negative backwards.
        acceleration_mps2: Largest change of the speed; 0 for the vehicle's own limits.
    """

    steering_rad: float
    rate_radps: float
    speed_mps: float
    acceleration_mps2: float


class VehicleMotion:
    """State of one vehicle. Forwards and backwards are the same bicycle: backwards it is turned around and steers mirrored.

    Args:
        model: Dimensions and limits.
        pose: Of the vehicle's center, CARLA's frame.

    Attributes:
        control: In force.
        ackermann: Target instead of pedals, or None.
        ackermann_gains: As a client set them.
        steering_curve: Speed in km/h -> share of the steering angle.
        max_steer_rad: Road-wheel angle at full steering.
        constant_mps: Speed that is kept whatever the pedals are, or None.
        speed_mps: Along the heading, negative backwards.
        acceleration_mps2: Along the heading.
        steering_rad: Road-wheel angle, positive to the left.
        yaw_rate_radps: Counter-clockwise.
    """

    def __init__(self, model: VehicleModel, pose: Transform) -> None:
        self.model = model
        self.control = VehicleControl()
        self.ackermann: AckermannTarget | None = None
        self.ackermann_gains: tuple[float, ...] = (0.15, 0.0, 0.25, 0.01, 0.0, 0.01)
        self.steering_curve: tuple[tuple[float, float], ...] = STEERING_CURVE
        self.constant_mps: float | None = None
        self.speed_mps = self.acceleration_mps2 = self.steering_rad = self.yaw_rate_radps = 0.0
        self.max_steer_rad = math.radians(MAX_STEER_DEG)
        self.place(pose)

    def place(self, pose: Transform) -> None:
        """Put the vehicle somewhere else; its speed stays.

        Args:
            pose: Of its center, CARLA's frame.
        """
        self.x_m, self.y_m, self.heading_rad = pose.x, -pose.y, pose.heading_rad
        self.z_m, self.pitch_deg, self.roll_deg = pose.z, pose.pitch, pose.roll

    def transform(self) -> Transform:
        """Return the pose of its center, CARLA's frame."""
        yaw = -math.degrees(self.heading_rad)
        return Transform(self.x_m, -self.y_m, self.z_m, self.pitch_deg, yaw, self.roll_deg)

    def stop(self) -> None:
        """Take all motion away, as after a collision."""
        self.speed_mps = self.acceleration_mps2 = self.yaw_rate_radps = 0.0

    def step(self, dt_s: float) -> None:
        """Advance on flat ground.

        Args:
            dt_s: Simulated time.
        """
        self.z_m = self.pitch_deg = self.roll_deg = 0.0
        count = max(1, math.ceil(dt_s / MAX_STEP_S - 1e-9))
        before = self.speed_mps, self.heading_rad
        for _ in range(count):
            self._substep(dt_s / count)
        self.acceleration_mps2 = (self.speed_mps - before[0]) / dt_s
        self.yaw_rate_radps = math.remainder(self.heading_rad - before[1], 2.0 * math.pi) / dt_s

    def _substep(self, dt_s: float) -> None:
        if self.constant_mps is not None:
            self.speed_mps = self.constant_mps
        backwards = self.speed_mps < 0.0 or (self.speed_mps == 0.0 and self._wants_reverse())
        sign = -1.0 if backwards else 1.0
        offset = sign * self.model.center_offset_m
        rear = -self.model.center_offset_m
        state = EgoVehicleState(
            x_m=self.x_m + rear * math.cos(self.heading_rad),
            y_m=self.y_m + rear * math.sin(self.heading_rad),
            heading_rad=self.heading_rad + (math.pi if backwards else 0.0),
            speed_mps=abs(self.speed_mps),
            acceleration_mps2=sign * self._wanted_acceleration(),
            steering_rad=sign * self.steering_rad,
        )
        state = step_vehicle(
            state,
            acceleration_cmd_mps2=sign * self._wanted_acceleration(),
            steering_cmd_rad=sign * self._wanted_steering(dt_s),
            dt_s=dt_s,
            model=replace(self.model, max_speed_mps=MAX_REVERSE_MPS) if backwards else self.model,
        )
        self.heading_rad = math.remainder(state.heading_rad - (math.pi if backwards else 0.0), 2.0 * math.pi)
        self.speed_mps, self.steering_rad = sign * state.speed_mps, sign * state.steering_rad
        self.x_m = state.x_m + offset * math.cos(state.heading_rad)
        self.y_m = state.y_m + offset * math.sin(state.heading_rad)

    def _wants_reverse(self) -> bool:
        if self.ackermann is not None:
            return self.ackermann.speed_mps < 0.0
        return self.control.reverse and self.control.throttle > 0.0

    def _wanted_steering(self, dt_s: float) -> float:
        target = self.ackermann
        if target is not None:
            most = target.rate_radps * dt_s or math.inf
            return self.steering_rad + max(-most, min(most, target.steering_rad - self.steering_rad))
        speeds, shares = zip(*self.steering_curve, strict=True)
        share = float(np.interp(abs(self.speed_mps) * 3.6, speeds, shares))
        return -self.control.steer * share * self.max_steer_rad

    def _wanted_acceleration(self) -> float:
        """Return the acceleration along the heading; resistance and brakes act against the motion."""
        target = self.ackermann
        if target is not None:
            most = target.acceleration_mps2 or BRAKE_MPS2
            return max(-most, min(most, (target.speed_mps - self.speed_mps) / ACKERMANN_S))
        control, speed = self.control, abs(self.speed_mps)
        drive = control.throttle * min(THROTTLE_MPS2, POWER_W_PER_KG / max(speed, 1.0))
        if control.hand_brake:
            drive = 0.0
        hold = control.brake * BRAKE_MPS2 + (HAND_BRAKE_MPS2 if control.hand_brake else 0.0)
        hold += ROLLING_MPS2 + AIR_PER_M * speed**2
        direction = -1.0 if control.reverse else 1.0
        motion = math.copysign(1.0, self.speed_mps) if self.speed_mps else direction
        return direction * drive - motion * hold
