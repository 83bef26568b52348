"""Vehicles of other sizes than the default car's."""

from transdiffuser_planner.core.vehicle import VehicleModel

Truck = VehicleModel(
    length_m=10.0, width_m=2.5, height_m=3.6, wheelbase_m=5.5, rear_overhang_m=2.6, max_steer_rad=0.7,
    max_steer_rate_radps=0.4, max_accel_mps2=1.5, max_decel_mps2=4.0, max_speed_mps=25.0,
)  # fmt: skip
KART = VehicleModel(
    length_m=1.5, width_m=1.1, height_m=0.6, wheelbase_m=1.05, rear_overhang_m=0.2, max_steer_rad=0.5,
    max_steer_rate_radps=2.0, max_accel_mps2=4.0, max_decel_mps2=6.0, max_speed_mps=15.0,
)  # fmt: skip
