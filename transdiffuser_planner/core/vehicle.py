"""The ego vehicle's dimensions and actuator limits: the section ``vehicle`` of a rig file, typed, bounded, documented."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from transdiffuser_planner.core.errors import ConfigError


def _number(default: float, unit: str, minimum: float, maximum: float, text: str) -> Any:
    """A field with its bounds (inclusive) and meaning."""
    return field(default=default, metadata={"unit": unit, "minimum": minimum, "maximum": maximum, "text": text})


DIMENSIONS = ("length_m", "width_m", "height_m", "wheelbase_m", "rear_overhang_m")
"""Fields that a rig file gives together or not at all: mixed dimensions of two vehicles are a mistake."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleModel:
    """A vehicle that steers its front wheels; base_link is the rear axle's center on the ground. See the fields' metadata.

    Raises:
        ConfigError: A value has the wrong type or lies outside its bounds, or the dimensions contradict each other.
    """

    length_m: float = _number(4.9, "m", 0.5, 25.0, "Bumper to bumper.")
    width_m: float = _number(1.9, "m", 0.3, 4.0, "Of the body, without mirrors.")
    height_m: float = _number(1.6, "m", 0.2, 5.0, "Highest point above the ground.")
    wheelbase_m: float = _number(2.9, "m", 0.3, 15.0, "Rear axle to front axle.")
    rear_overhang_m: float = _number(1.0, "m", 0.0, 10.0, "Rear bumper to rear axle.")
    max_steer_rad: float = _number(0.6, "rad", 0.05, 1.4, "Largest front-wheel angle, either side.")
    max_steer_rate_radps: float = _number(0.6, "rad/s", 0.01, 10.0, "Largest rate of the front-wheel angle.")
    max_accel_mps2: float = _number(3.0, "m/s2", 0.1, 15.0, "Largest forward acceleration.")
    max_decel_mps2: float = _number(7.0, "m/s2", 0.5, 15.0, "Largest braking deceleration, positive.")
    max_speed_mps: float = _number(60.0, "m/s", 0.5, 100.0, "Top speed.")
    actuator_delay_s: float = _number(
        0.1, "s", 0.01, 1.0, "Time constant of the response of steering and acceleration."
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item.name, getattr(self, item.name), dict(item.metadata))
        if self.rear_overhang_m + self.wheelbase_m > self.length_m:
            raise ConfigError(
                f"vehicle: rear_overhang_m {self.rear_overhang_m:g} and wheelbase_m {self.wheelbase_m:g} together exceed "
                f"length_m {self.length_m:g}; both axles lie between the bumpers"
            )

    @staticmethod
    def from_dict(values: object) -> VehicleModel:
        """Build a vehicle from the keys and numbers of a file; absent limits are the default car's.

        Args:
            values: A mapping with all of ``DIMENSIONS`` and any of the other fields.

        Raises:
            ConfigError: It is no mapping, a key is unknown or missing, or a value is out of bounds.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"vehicle: expected a mapping, got {type(values).__name__}")
        known = [item.name for item in fields(VehicleModel)]
        unknown = sorted(set(values) - set(known), key=str)
        if unknown:
            raise ConfigError(f"vehicle: unknown keys {unknown}; known are {', '.join(known)}")
        missing = [name for name in DIMENSIONS if name not in values]
        if missing:
            raise ConfigError(f"vehicle: missing {', '.join(missing)}; give all dimensions, or no section 'vehicle'")
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ConfigError(f"vehicle: {name} must be a number, got {value!r}")
        return VehicleModel(**{name: float(value) for name, value in values.items()})

    def to_dict(self) -> dict[str, float]:
        """All fields, as ``from_dict`` reads them."""
        return asdict(self)

    def differences(self) -> dict[str, float]:
        """The fields that differ from the default car's; empty for the default car."""
        return {item.name: value for item in fields(self) if (value := getattr(self, item.name)) != item.default}

    @property
    def center_offset_m(self) -> float:
        """Distance from base_link forward to the center of the bounding box."""
        return self.length_m / 2.0 - self.rear_overhang_m

    @property
    def front_offset_m(self) -> float:
        """Distance from base_link forward to the front bumper."""
        return self.length_m - self.rear_overhang_m

    @property
    def max_curvature_per_m(self) -> float:
        """Curvature of the rear axle's path at the largest front-wheel angle."""
        return math.tan(self.max_steer_rad) / self.wheelbase_m

    def __str__(self) -> str:
        return (
            f"{self.length_m:g} x {self.width_m:g} x {self.height_m:g} m, wheelbase {self.wheelbase_m:g} m, "
            f"rear overhang {self.rear_overhang_m:g} m"
        )


def _check(name: str, value: Any, metadata: dict[str, Any]) -> None:
    """Check type and bounds of a value.

    Raises:
        ConfigError: The value is no real number or lies outside its bounds.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"vehicle: {name} must be a number, got {value!r}")
    low, high, unit = metadata["minimum"], metadata["maximum"], metadata["unit"]
    if not low <= value <= high:
        raise ConfigError(f"vehicle: {name} must lie in {low:g} .. {high:g} {unit}, got {value:g}")


def vehicle_table() -> str:
    """Return all fields as a Markdown table; ``docs/interfaces.md`` holds it and a test keeps the two equal."""
    lines = ["| key | default | unit | allowed | meaning |", "| --- | --- | --- | --- | --- |"]
    for item in fields(VehicleModel):
        data = item.metadata
        assert item.default is not MISSING
        allowed = f"{data['minimum']:g} .. {data['maximum']:g}"
        lines.append(f"| `{item.name}` | {item.default:g} | {data['unit']} | {allowed} | {data['text']} |")
    return "\n".join(lines)


EGO_VEHICLE = VehicleModel()
"""The car of the shipped model, and of files without a section ``vehicle``."""


def stated_vehicle(data: Mapping[str, Any]) -> VehicleModel:
    """Read the vehicle from the key ``vehicle`` of a file's content; the default car without that key.

    Args:
        data: Content of a rig file or manifest.

    Raises:
        ConfigError: The entry is no vehicle.
    """
    return VehicleModel.from_dict(data["vehicle"]) if "vehicle" in data else EGO_VEHICLE
