"""The ego vehicle's dimensions and actuator limits, stated once."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleModel:
    """A car with its origin (base_link) at the rear axle's centre, projected to the ground.

    Attributes:
        length_m: Bumper to bumper.
        width_m: Without mirrors.
        height_m: Roof above ground.
        wheelbase_m: Rear to front axle.
        rear_overhang_m: Rear bumper to rear axle.
        max_steer_rad: Largest road-wheel angle, either side.
        max_steer_rate_radps: Largest rate of the road-wheel angle.
        max_accel_mps2: Largest forward acceleration.
        max_decel_mps2: Largest braking deceleration, positive.
        actuator_delay_s: Time constant of the first-order response of steering and acceleration.
    """

    length_m: float = 4.9
    width_m: float = 1.9
    height_m: float = 1.6
    wheelbase_m: float = 2.9
    rear_overhang_m: float = 1.0
    max_steer_rad: float = 0.6
    max_steer_rate_radps: float = 0.6
    max_accel_mps2: float = 3.0
    max_decel_mps2: float = 7.0
    actuator_delay_s: float = 0.1

    @property
    def center_offset_m(self) -> float:
        """Distance from base_link forward to the centre of the bounding box."""
        return self.length_m / 2.0 - self.rear_overhang_m

    @property
    def front_offset_m(self) -> float:
        """Distance from base_link forward to the front bumper."""
        return self.length_m - self.rear_overhang_m


EGO_VEHICLE = VehicleModel()
