"""Scenarios: all randomness of an episode is drawn from map and seed.

The seed also determines the split: 0..7999 training, 8000..8999 validation, 9000 and above test. CARLA's towns belong to a
split themselves and are driven with seeds of it only.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.simulation.map.opendrive import carla_towns

FIRST_VALIDATION_SEED = 8000
FIRST_TEST_SEED = 9000
TRAIN_TOWNS = range(40)
VALIDATION_TOWNS = range(40, 50)
TEST_TOWNS = range(50, 90)
CARLA_VALIDATION = tuple(carla_towns.PREFIX + town for town in carla_towns.VALIDATION_TOWNS)
TEST_NETWORKS = ("a10kw", "drt", "fokr_bs", "fkk_in", "grid6", "square")


class Split(Enum):
    """Permitted use of a seed."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, kw_only=True, slots=True)
class Weather:
    """Weather and daylight for rendering.

    Attributes:
        sun_azimuth_rad: Direction towards the sun, counter-clockwise from +x (east).
        sun_elevation_rad: Above the horizon.
        cloudiness: 0 clear with hard shadows .. 1 overcast without shadows.
        fog_density_per_m: Extinction; 0.01 attenuates by half over 70 m.
        darkness: 0 full daylight .. 1 night.
        wetness: 0 dry road .. 1 wet, dark road.
        ground_tint_rgb: Factors on the color of ground and vegetation, about 1.
        season: 0 lush green .. 1 dry and brown.
    """

    sun_azimuth_rad: float = 0.8
    sun_elevation_rad: float = 0.8
    cloudiness: float = 0.2
    fog_density_per_m: float = 0.0
    darkness: float = 0.0
    wetness: float = 0.0
    ground_tint_rgb: tuple[float, float, float] = (1.0, 1.0, 1.0)
    season: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One episode.

    Attributes:
        map_name: One of ``sumo_networks.known_map_names()``, or the path of a SUMO network (.net.xml, .net.xml.gz) or an
            OpenDRIVE file (.xodr, .xodr.gz, any with opendrive: before it).
        seed: Of traffic, the ego's route, weather and sensor noise.
        duration_s: Length of the episode after the warm-up.
        num_agents: Approximate number of agents within 120 m of the ego, pedestrians and bicycles included, limited by
            the capacity of the road network.
        weather: Of the whole episode.
    """

    map_name: str
    seed: int
    duration_s: float = 60.0
    num_agents: int = 60
    weather: Weather = field(default_factory=Weather)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise SimulationError(f"scenario seed: expected 0 or more, got {self.seed}")
        if not 1.0 <= self.duration_s <= 3600.0:
            raise SimulationError(f"scenario duration: expected 1 .. 3600 s, got {self.duration_s}")
        if not 0 <= self.num_agents <= 500:
            raise SimulationError(f"scenario num_agents: expected 0 .. 500, got {self.num_agents}")

    @property
    def file_name(self) -> str:
        """Name of the scenario's files."""
        return f"seed{self.seed:05d}"

    def described(self) -> dict[str, Any]:
        """Return everything that decides a drive, as plain values."""
        return asdict(self)


def random_generator(scenario: Scenario, purpose: str) -> np.random.Generator:
    """Return an independent generator per scenario and purpose, equal in every process and on every machine.

    Args:
        scenario: Map and seed.
        purpose: Name of the use; each has its own random stream.
    """
    return np.random.default_rng([scenario.seed, zlib.crc32(scenario.map_name.encode()), zlib.crc32(purpose.encode())])


def split_of_seed(seed: int) -> Split:
    """Return the split that a seed belongs to.

    Args:
        seed: Of the scenario.
    """
    if seed < FIRST_VALIDATION_SEED:
        return Split.TRAIN
    return Split.VALIDATION if seed < FIRST_TEST_SEED else Split.TEST


def split_of_map(map_name: str) -> Split | None:
    """Return the split that a map belongs to whatever the seed, or None for a map of all splits.

    Args:
        map_name: Of a scenario.
    """
    if not map_name.startswith(carla_towns.PREFIX):
        return None
    town = map_name.removeprefix(carla_towns.PREFIX)
    if town in carla_towns.TRAIN_TOWNS:
        return Split.TRAIN
    return Split.VALIDATION if town in carla_towns.VALIDATION_TOWNS else Split.TEST


def draw_weather(seed: int) -> Weather:
    """Draw weather and daylight of a seed: mostly day, sometimes dusk, fog or rain-wet roads.

    Args:
        seed: Of the scenario.
    """
    random = np.random.default_rng([seed, zlib.crc32(b"weather")])
    dusk = random.random() < 0.15
    foggy = random.random() < 0.12
    return Weather(
        sun_azimuth_rad=float(random.uniform(-np.pi, np.pi)),
        sun_elevation_rad=float(random.uniform(0.08, 0.25) if dusk else random.uniform(0.3, 1.2)),
        cloudiness=float(np.clip(random.beta(0.8, 1.0), 0.0, 1.0)),
        fog_density_per_m=float(random.uniform(0.004, 0.015) if foggy else random.uniform(0.0, 0.002)),
        darkness=float(random.uniform(0.35, 0.75) if dusk else random.uniform(0.0, 0.2)),
        wetness=float(random.uniform(0.3, 1.0) if random.random() < 0.2 else 0.0),
        ground_tint_rgb=tuple(float(v) for v in random.uniform(0.85, 1.15, 3)),  # type: ignore[arg-type]
        season=float(random.random()),
    )


def draw_map(seed: int) -> str:
    """Draw the map of a seed: mostly generated towns, about every tenth a real network.

    Args:
        seed: Of the scenario.
    """
    random = np.random.default_rng([seed, zlib.crc32(b"map")])
    split = split_of_seed(seed)
    if split is Split.TEST:
        if seed % 4 == 0:
            return TEST_NETWORKS[(seed // 4) % len(TEST_NETWORKS)]
        return f"town-{int(random.choice(list(TEST_TOWNS))):03d}"
    if seed % 10 == 0:
        return "bs3d"
    if seed % 20 == 5:
        return f"rilsa{1 + (seed // 20) % 4}"
    towns = TRAIN_TOWNS if split is Split.TRAIN else VALIDATION_TOWNS
    return f"town-{int(random.choice(list(towns))):03d}"


def draw_scenario(
    seed: int,
    split: Split | str | None = None,
    *,
    map_name: str | None = None,
    duration_s: float = 60.0,
    num_agents: int = 60,
) -> Scenario:
    """Draw the scenario of a seed.

    Args:
        seed: Also determines map and weather.
        split: If given, the seed must belong to it.
        map_name: Overrides the seed's own map.
        duration_s: Length of the episode after the warm-up.
        num_agents: As in Scenario.

    Raises:
        SimulationError: The seed does not belong to the split, or not to that of the map.
    """
    actual = split_of_seed(seed)
    if split is not None and Split(split) is not actual:
        raise SimulationError(
            f"scenario seed {seed}: belongs to the {actual.value} set, not to {Split(split).value} "
            f"(0..7999 train, 8000..8999 validation, 9000 and above test)"
        )
    of_map = None if map_name is None else split_of_map(map_name)
    if of_map is not None and of_map is not actual:
        raise SimulationError(
            f"map {map_name}: belongs to the {of_map.value} set; seed {seed} does not "
            f"(0..7999 train, 8000..8999 validation, 9000 and above test)"
        )
    return Scenario(
        map_name=map_name or draw_map(seed),
        seed=seed,
        duration_s=duration_s,
        num_agents=num_agents,
        weather=draw_weather(seed),
    )
