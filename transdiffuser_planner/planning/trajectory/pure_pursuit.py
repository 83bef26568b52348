"""Follows a trajectory by pure pursuit for steering and feed-forward plus feedback for acceleration.

Pure pursuit on the kinematic bicycle: steering = atan(2 L sin(alpha) / d), with wheelbase L and the target at distance d
under angle alpha from the rear axle (Coulter, 1992).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transdiffuser_planner.core.geometry import local_from_global
from transdiffuser_planner.core.types import EgoState, Trajectory
from transdiffuser_planner.core.vehicle import VehicleModel


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlCommand:
    """Setpoints of the actuators.

    Attributes:
        acceleration_mps2: Along the heading.
        steering_rad: Front-wheel angle, positive to the left.
        reason: Reason for braking without a usable trajectory, else "".
    """

    acceleration_mps2: float
    steering_rad: float
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrajectoryTracker:
    """Pure control law; gains and limits are its fields.

    Attributes:
        vehicle: Wheelbase and limits.
        max_trajectory_age_s: An older trajectory is stale and brakes.
        stale_decel_mps2: Deceleration without a usable trajectory.
        lookahead_s, min_lookahead_m: Pursuit distance = max(minimum, speed x time).
        gain_speed_per_s, gain_position_per_s2: Feedback on speed and on position along the path.
    """

    vehicle: VehicleModel
    max_trajectory_age_s: float = 1.0
    stale_decel_mps2: float = 3.0
    lookahead_s: float = 0.7
    min_lookahead_m: float = 3.0
    gain_speed_per_s: float = 1.2
    gain_position_per_s2: float = 0.4

    def command(self, trajectory: Trajectory | None, ego: EgoState, now_ns: int) -> ControlCommand:
        """Compute acceleration and steering for the present time.

        Args:
            trajectory: The newest one received, in the ego's frame_id, or None.
            ego: State at about now.
            now_ns: Current time on the data's clock.
        """
        if trajectory is None:
            return self._brake(ego, "no trajectory")
        age_s = (now_ns - trajectory.stamp_ns) * 1e-9
        if not -0.5 <= age_s <= self.max_trajectory_age_s:
            return self._brake(ego, f"trajectory is {age_s:.2f} s old")
        if trajectory.frame_id != ego.frame_id:
            return self._brake(ego, f"trajectory is in frame '{trajectory.frame_id}', odometry in '{ego.frame_id}'")
        return ControlCommand(
            acceleration_mps2=self._acceleration(trajectory, ego, age_s), steering_rad=self._steering(trajectory, ego)
        )

    def _brake(self, ego: EgoState, reason: str) -> ControlCommand:
        decel = self.stale_decel_mps2 if ego.vx_mps > 0.05 else 0.5
        return ControlCommand(acceleration_mps2=-decel, steering_rad=0.0, reason=reason)

    def _acceleration(self, trajectory: Trajectory, ego: EgoState, age_s: float) -> float:
        """Feed-forward acceleration a little ahead (actuator lag) plus feedback on speed and position."""
        times = trajectory.time_s_T
        ahead_s = max(age_s, 0.0) + self.vehicle.actuator_delay_s
        speed = float(np.interp(ahead_s, times, trajectory.speed_mps_T))
        accel = float(np.interp(ahead_s, times, trajectory.accel_mps2_T))
        if trajectory.speed_mps_T.max() < 0.1 and ego.vx_mps < 0.3:
            return -1.0
        x = float(np.interp(max(age_s, 0.0), times, trajectory.x_m_T))
        y = float(np.interp(max(age_s, 0.0), times, trajectory.y_m_T))
        lead = (x - ego.x_m) * np.cos(ego.heading_rad) + (y - ego.y_m) * np.sin(ego.heading_rad)
        lead = float(np.clip(lead, -1.5, 1.5)) if age_s >= times[0] else 0.0
        command = accel + self.gain_speed_per_s * (speed - ego.vx_mps) + self.gain_position_per_s2 * lead
        return float(np.clip(command, -self.vehicle.max_decel_mps2, self.vehicle.max_accel_mps2))

    def _steering(self, trajectory: Trajectory, ego: EgoState) -> float:
        """Pure pursuit of the first trajectory point beyond the look-ahead distance, extended straight if too short."""
        origin = np.asarray([ego.x_m, ego.y_m, ego.heading_rad])
        pose_T3 = np.stack([trajectory.x_m_T, trajectory.y_m_T, trajectory.heading_rad_T], axis=-1)
        local_T3 = local_from_global(origin, pose_T3)
        distance_T = np.hypot(local_T3[:, 0], local_T3[:, 1])
        lookahead_m = max(self.min_lookahead_m, self.lookahead_s * ego.vx_mps)
        beyond = np.flatnonzero((distance_T >= lookahead_m) & (local_T3[:, 0] > 0.0))
        if len(beyond):
            x, y = local_T3[beyond[0], :2]
        else:
            # The path ends before the look-ahead distance: continue it straight along its last heading.
            last = local_T3[-1]
            rest = max(lookahead_m - distance_T[-1], 0.5)
            x, y = last[0] + rest * np.cos(last[2]), last[1] + rest * np.sin(last[2])
        curvature = 2.0 * y / max(x * x + y * y, 1.0)
        steering = np.arctan(self.vehicle.wheelbase_m * curvature)
        return float(np.clip(steering, -self.vehicle.max_steer_rad, self.vehicle.max_steer_rad))
