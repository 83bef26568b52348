"""The recording recipe: ranges from which every drive draws its sensors and surroundings, read from YAML and bounded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.files import read_text

Pair = tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantity:
    """One quantity of the recipe.

    Attributes:
        minimum, maximum: Bounds of its range, inclusive.
        unit: Of the numbers; "" for shares and counts.
        text: Meaning.
    """

    minimum: float
    maximum: float
    unit: str
    text: str


def _q(minimum: float, maximum: float, unit: str, text: str) -> Quantity:
    return Quantity(minimum=minimum, maximum=maximum, unit=unit, text=text)


QUANTITIES: dict[str, dict[str, Quantity]] = {
    "lidar": {
        "absent": _q(0, 1, "", "Probability that the vehicle has no LiDAR."),
        "azimuths": _q(300, 3000, "", "Columns of a sweep."),
        "max_rays": _q(5000, 400000, "", "Beams times columns; above it, columns are reduced."),
        "range_m": _q(20, 250, "m", "Farther returns are lost."),
        "noise_m": _q(0, 0.2, "m", "Standard deviation of the range."),
        "dropout": _q(0, 0.5, "", "Share of returns lost at random."),
        "grazing_dropout": _q(0, 1, "", "Additional share lost at grazing incidence, squared sine of the angle."),
        "dead_beams": _q(0, 0.3, "", "Share of beams without any return."),
        "blocked_sector_rad": _q(0, 1.5, "rad", "Width of a sector behind a roof rack, without returns."),
        "x_m": _q(-1, 3, "m", "Position ahead of the rear axle."),
        "y_m": _q(-1, 1, "m", "Position, to the left."),
        "z_m": _q(1, 4, "m", "Height above the ground."),
        "tilt_rad": _q(-0.1, 0.1, "rad", "Roll and pitch of the mount, stated in the rig file."),
        "tilt_error_rad": _q(-0.03, 0.03, "rad", "Roll and pitch of the mount that the rig file does not state."),
        "distortion": _q(0, 1, "", "Probability of sweeps that are not compensated for motion."),
        "own_returns": _q(0, 1, "", "Probability that hood, roof and mirrors return points."),
        "ground_noise_m": _q(0, 0.1, "m", "Standard deviation of the height of points on the ground."),
    },
    "cameras": {
        "missing": _q(0, 1, "", "Probability of each camera to be missing."),
        "none": _q(0, 1, "", "Probability of a rig without cameras, where it has a LiDAR."),
        "field_of_view": _q(0.5, 2, "", "Factor of the width that a camera sees."),
        "resolution": _q(0.4, 2, "", "Factor of rows and columns."),
        "shift_m": _q(-1, 1, "m", "Change of position, on each axis."),
        "height_m": _q(-0.8, 1.5, "m", "Change of height."),
        "pitch_rad": _q(-0.2, 0.2, "rad", "Change of pitch, stated in the rig file; positive is nose down."),
        "angle_error_rad": _q(-0.05, 0.05, "rad", "Error of each angle that the rig file does not state."),
        "exposure": _q(0.2, 4, "", "Factor of linear brightness."),
        "gamma": _q(0.4, 2.5, "", "Exponent of the tone curve."),
        "white_balance": _q(0.5, 2, "", "Factor of each color channel."),
        "saturation": _q(0, 2, "", "0 gray, 1 as rendered."),
        "blur_px": _q(0, 4, "px", "Standard deviation of a Gaussian blur."),
        "noise": _q(0, 0.2, "", "Standard deviation of noise at mid-gray, share of full scale."),
        "flare": _q(0, 1, "", "Brightness of lens flare around the sun."),
        "vignette": _q(0, 1, "", "Darkening of the corners."),
        "jpeg_quality": _q(10, 100, "", "Of compression; 100 is none."),
    },
    "roadside": {
        "parking": _q(0, 1, "", "Share of street sides with a parking lane between road and sidewalk."),
        "beyond": _q(0, 1, "", "Share of the other street sides with vehicles parked beyond the sidewalk."),
        "occupancy": _q(0, 1, "", "Share of parking places that are taken."),
        "poles_per_100m": _q(0, 30, "", "Lamp posts, signs and bollards."),
        "trees_per_100m": _q(0, 30, "", "Trees on each side."),
        "bushes_per_100m": _q(0, 60, "", "Bushes on each side."),
        "things_per_100m": _q(0, 40, "", "Bins, boxes, hydrants, benches."),
        "fronts": _q(0, 1, "", "Share of street sides with continuous house fronts."),
        "barriers": _q(0, 1, "", "Share of street sides with walls, fences or hedges."),
        "curb_m": _q(0, 0.3, "m", "Height of the sidewalk."),
        "size_factor": _q(0.7, 1.4, "", "Factor of length, width and height of every vehicle and person."),
    },
    "ground": {
        "hills_m": _q(0, 5, "m", "Amplitude of hills."),
        "hill_length_m": _q(80, 1000, "m", "Wave length of hills."),
        "bank": _q(-0.6, 0.6, "", "Slope of the ground next to the street, positive upward."),
        "roughness_m": _q(0, 0.3, "m", "Standard deviation of the height of grass."),
        "pitch_rad": _q(0, 0.05, "rad", "Largest pitch of the body by braking and by bumps."),
        "roll_rad": _q(0, 0.05, "rad", "Largest roll of the body in turns and by bumps."),
        "color": _q(0, 0.6, "", "Spread of the colors of all surfaces."),
    },
}
"""Every quantity of a recipe: section -> name -> bounds and meaning."""

CHOICES: dict[str, tuple[str, ...]] = {
    "rigs": ("default", "kitti", "nuscenes", "argoverse2", "carla"),
    "beams": ("uniform", "dense", "hdl64", "hdl32", "vlp32", "two_vlp32", "pandar64", "os1"),
    "stamp": ("start", "middle", "end"),
}
"""Weighted choices of a recipe: name -> options."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordingRecipe:
    """Ranges and weights, checked against QUANTITIES and CHOICES.

    Attributes:
        ranges: Section -> quantity -> lowest and highest value.
        weights: Choice -> option -> weight, not negative, not all zero.
    """

    ranges: Mapping[str, Mapping[str, Pair]]
    weights: Mapping[str, Mapping[str, float]]

    @staticmethod
    def load(path: str | Path) -> RecordingRecipe:
        """Read a recipe; every quantity and choice must be given.

        Args:
            path: YAML file.

        Raises:
            ConfigError: The file cannot be read, or an entry is unknown, missing or out of bounds.
        """
        where = f"recipe {path}"
        try:
            data = yaml.safe_load(read_text(Path(path)))
        except OSError as error:
            raise ConfigError(f"{where}: cannot be read ({error.strerror}); give an existing YAML file") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"{where}: not valid YAML ({str(error).splitlines()[0]})") from None
        sections = _mapping(data, {**QUANTITIES, **CHOICES}, where)
        ranges = {
            name: {
                key: _pair(value, table[key], f"{where}: {name}.{key}")
                for key, value in _mapping(sections[name], table, f"{where}: {name}").items()
            }
            for name, table in QUANTITIES.items()
        }
        weights = {name: _weights(sections[name], names, f"{where}: {name}") for name, names in CHOICES.items()}
        return RecordingRecipe(ranges=ranges, weights=weights)

    def draw(self, random: np.random.Generator, section: str, name: str) -> float:
        """Draw a quantity, uniformly within its range.

        Args:
            random: Of the drive.
            section: As in QUANTITIES.
            name: Of the quantity.
        """
        low, high = self.ranges[section][name]
        return float(random.uniform(low, high))

    def hit(self, random: np.random.Generator, section: str, name: str) -> bool:
        """Draw a probability and decide by it.

        Args:
            random: Of the drive.
            section: As in QUANTITIES.
            name: Of the probability.
        """
        return bool(random.random() < self.draw(random, section, name))

    def choose(self, random: np.random.Generator, name: str) -> str:
        """Draw an option by weight.

        Args:
            random: Of the drive.
            name: As in CHOICES.
        """
        options = list(self.weights[name])
        weight = np.asarray([self.weights[name][option] for option in options])
        return options[int(random.choice(len(options), p=weight / weight.sum()))]


def _mapping(value: Any, known: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a mapping with exactly the known keys.

    Raises:
        ConfigError: It is no mapping, or keys are unknown or missing.
    """
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected a mapping, got {type(value).__name__}")
    unknown, missing = sorted(set(value) - set(known), key=str), sorted(set(known) - set(value))
    if unknown or missing:
        raise ConfigError(f"{where}: unknown keys {unknown}, missing keys {missing}")
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ConfigError(f"{where}: expected a number, got {value!r}")
    return float(value)


def _pair(value: Any, quantity: Quantity, where: str) -> Pair:
    """Return a range within its bounds; one number stands for both ends.

    Raises:
        ConfigError: It is neither a number nor a pair, or out of bounds.
    """
    ends = value if isinstance(value, list) else [value, value]
    if len(ends) != 2:
        raise ConfigError(f"{where}: expected a number or [lowest, highest], got {value!r}")
    low, high = (_number(end, where) for end in ends)
    if not quantity.minimum <= low <= high <= quantity.maximum:
        raise ConfigError(
            f"{where}: expected {quantity.minimum:g} <= lowest <= highest <= {quantity.maximum:g} {quantity.unit}".rstrip()
            + f", got {value!r}"
        )
    return low, high


def _weights(value: Any, names: tuple[str, ...], where: str) -> dict[str, float]:
    """Return the weights of a choice; options that are not given weigh nothing.

    Raises:
        ConfigError: An option is unknown, a weight is negative, or all are zero.
    """
    if not isinstance(value, dict) or not set(value) <= set(names):
        raise ConfigError(f"{where}: expected weights of {', '.join(names)}, got {value!r}")
    weights = {name: _number(value.get(name, 0.0), f"{where}.{name}") for name in names}
    if min(weights.values()) < 0.0 or not any(weights.values()):
        raise ConfigError(f"{where}: expected weights of 0 or more, not all 0, got {value!r}")
    return weights
