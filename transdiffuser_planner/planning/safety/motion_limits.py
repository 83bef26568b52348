"""Kinematic limits of plans: the stricter of the planner's parameters and the vehicle's limits."""

from __future__ import annotations

from dataclasses import dataclass

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.vehicle import VehicleModel

# The parameters are limits of plans, the vehicle's are of actuators. Differences of smoothed poses overshoot both, and the
# tracker follows plans slightly beyond them with a small error.
_CURVATURE_TOLERANCE = 1.1
_ACCEL_TOLERANCE_MPS2 = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class MotionLimits:
    """Kinematic limits of plans.

    Attributes:
        max_accel_mps2, max_decel_mps2: Along the path, both positive.
        max_lateral_accel_mps2: Speed squared times curvature.
        max_curvature_per_m: Of the rear axle's path.
        max_speed_mps: Top speed.
        available_decel_mps2: Limit of the brakes and of planned stops.
    """

    max_accel_mps2: float
    max_decel_mps2: float
    max_lateral_accel_mps2: float
    max_curvature_per_m: float
    max_speed_mps: float
    available_decel_mps2: float

    @staticmethod
    def of(config: PlannerConfig, vehicle: VehicleModel) -> MotionLimits:
        """Combine the limits of a vehicle and a configuration."""
        return MotionLimits(
            max_accel_mps2=min(config.max_accel_mps2, vehicle.max_accel_mps2 + _ACCEL_TOLERANCE_MPS2),
            max_decel_mps2=min(config.max_decel_mps2, vehicle.max_decel_mps2 + _ACCEL_TOLERANCE_MPS2),
            max_lateral_accel_mps2=config.max_lateral_accel_mps2,
            max_curvature_per_m=min(config.max_curvature_per_m, _CURVATURE_TOLERANCE * vehicle.max_curvature_per_m),
            max_speed_mps=vehicle.max_speed_mps,
            available_decel_mps2=vehicle.max_decel_mps2,
        )
