"""Other maneuvers of a vehicle in a recorded frame: stop, continue, go straight, turn; those that the road allows.

Letters: T plan steps, P points of a path, L cells of the bird's-eye label.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import BevClass, ModelContract
from transdiffuser_planner.core.geometry import box_corners
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.metrics.displacement import final_displacement_m

FloatArray = NDArray[np.float64]

ANOTHER_M = 3.0
"""A maneuver that ends nearer to where was driven is not another one."""
_QUARTER_TURN_RAD = 0.5 * np.pi
_SPACING_M, _LONGEST_M = 0.25, 40.0
_FINE_STEPS = 10
_STANDS_MPS, _MOVES_MPS = 0.5, 3.0
_FREE = (BevClass.ROAD, BevClass.CENTER_LINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """How maneuvers are driven: deceleration, acceleration, speeds to reach, turns to try in this order."""

    brake_mps2: float = 2.5
    start_mps2: float = 1.5
    cruise_mps: float = 8.0
    turn_speed_mps: float = 5.0
    turn_radius_m: tuple[float, ...] = (8.0, 12.0)
    turn_after_m: tuple[float, ...] = (0.0, 4.0, 8.0, 12.0)

    @staticmethod
    def drawn(rng: np.random.Generator) -> Style:
        """Any plausible one."""
        return Style(
            brake_mps2=rng.uniform(1.5, 4.0),
            start_mps2=rng.uniform(0.8, 2.5),
            cruise_mps=rng.uniform(4.0, 11.0),
            turn_speed_mps=rng.uniform(3.5, 7.0),
            turn_radius_m=tuple(rng.uniform(6.0, 16.0, 2)),
            turn_after_m=tuple(rng.uniform(0.0, 14.0, 4)),
        )


MEASURED = Style()
"""The one that ``evaluate instructions`` asks for."""


def alternative_maneuvers(
    driven_T3: FloatArray,
    route_R2: FloatArray,
    speed_mps: float,
    bev_LL: NDArray[np.uint8],
    *,
    contract: ModelContract,
    vehicle: VehicleModel,
    style: Style = MEASURED,
) -> dict[str, FloatArray]:
    """At most one plan (T, 3) in base_link for each of "stop", "drive on", "straight", "turn left", "turn right".

    Args:
        driven_T3: What was driven, in base_link.
        route_R2: The route ahead; may be empty.
        speed_mps: Present speed.
        bev_LL: Labeled classes around the vehicle; it must stay on unoccupied road.
        contract: The grid and the plan's times.
        vehicle: Whose footprint must stay there.
        style: How they are driven.
    """
    found: dict[str, FloatArray] = {}
    for name, plan_T3 in _proposals(driven_T3, route_R2, speed_mps, contract, style):
        if name in found or float(final_displacement_m(plan_T3, driven_T3)) < ANOTHER_M:
            continue
        if stays_on_road(plan_T3, bev_LL, contract, vehicle):
            found[name] = plan_T3
    return found


def _proposals(
    driven_T3: FloatArray, route_R2: FloatArray, speed_mps: float, contract: ModelContract, style: Style
) -> Iterator[tuple[str, FloatArray]]:
    time_s_T, brake_mps2 = contract.plan_times_s, style.brake_mps2
    steady_m = speed_mps * time_s_T
    if speed_mps > _MOVES_MPS:
        stop_s = np.minimum(time_s_T, speed_mps / brake_mps2)
        yield "stop", poses_along(path_through(driven_T3[:, :2]), speed_mps * stop_s - 0.5 * brake_mps2 * stop_s**2)
        yield "straight", poses_along(_straight(), steady_m)
    if speed_mps < _STANDS_MPS and len(route_R2) >= 2:
        yield (
            "drive on",
            poses_along(path_through(route_R2), sped_up_m(speed_mps, style.start_mps2, style.cruise_mps, time_s_T)),
        )
    to_mps = style.turn_speed_mps
    slowed_m = sped_up_m(speed_mps, -brake_mps2 if speed_mps > to_mps else style.start_mps2, to_mps, time_s_T)
    for side, name in ((1.0, "turn left"), (-1.0, "turn right")):
        for radius_m in style.turn_radius_m:
            for after_m in style.turn_after_m:
                yield name, poses_along(_turn(side, radius_m, after_m), slowed_m)


def stays_on_road(
    plan_T3: FloatArray, bev_LL: NDArray[np.uint8], contract: ModelContract, vehicle: VehicleModel
) -> bool:
    """Whether the footprint's corners lie on free road all the way; what leaves the grid does not count as road."""
    start = np.zeros((1, 3))
    at = np.linspace(0.0, len(plan_T3), len(plan_T3) * _FINE_STEPS + 1)[1:]
    pose = np.stack(
        [np.interp(at, np.arange(len(plan_T3) + 1), c) for c in np.concatenate([start, plan_T3]).T], axis=-1
    )
    center = vehicle.center_offset_m
    x, y = pose[:, 0] + center * np.cos(pose[:, 2]), pose[:, 1] + center * np.sin(pose[:, 2])
    corners = box_corners(x, y, pose[:, 2], vehicle.length_m, vehicle.width_m)
    cell = np.floor((contract.range_m - corners) / contract.bev_cell_m).astype(np.int64)
    if (cell < 0).any() or (cell >= contract.bev_cells).any():
        return False
    return bool(np.isin(bev_LL[cell[..., 0], cell[..., 1]], _FREE).all())


def sped_up_m(speed_mps: float, accel_mps2: float, final_mps: float, time_s_T: FloatArray) -> FloatArray:
    """Distance traveled (T,) at a constant acceleration until a final speed, meters.

    Args:
        speed_mps: Present speed.
        accel_mps2: Acceleration towards the final speed, not 0.
        final_mps: Final speed.
        time_s_T: Times.
    """
    until_s = (final_mps - speed_mps) / accel_mps2
    early_s, late_s = np.minimum(time_s_T, until_s), np.maximum(time_s_T - until_s, 0.0)
    return np.asarray(speed_mps * early_s + 0.5 * accel_mps2 * early_s**2 + final_mps * late_s)


def _straight() -> FloatArray:
    s = np.arange(0.0, _LONGEST_M, _SPACING_M)
    return np.stack([s, np.zeros_like(s), np.zeros_like(s)], axis=-1)


def _turn(side: float, radius_m: float, after_m: float) -> FloatArray:
    """A path (P, 3) straight on, a quarter of a circle, straight on; side 1 is left."""
    s = np.arange(0.0, _LONGEST_M, _SPACING_M)
    heading = side * np.clip((s - after_m) / radius_m, 0.0, _QUARTER_TURN_RAD)
    step = _SPACING_M * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    return np.concatenate([np.cumsum(step, axis=0) - step[:1], heading[:, None]], axis=1)


def path_through(point_P2: FloatArray) -> FloatArray:
    """A path (P, 3) from the vehicle through points."""
    point = np.concatenate([np.zeros((1, 2)), point_P2[point_P2[:, 0] > _SPACING_M] if len(point_P2) else point_P2])
    length = np.append(0.0, np.cumsum(np.hypot(*np.diff(point, axis=0).T)))
    keep = np.append(True, np.diff(length) > 1e-3)
    s = np.arange(0.0, max(length[-1], _SPACING_M), _SPACING_M)
    xy = np.stack([np.interp(s, length[keep], point[keep, axis]) for axis in (0, 1)], axis=-1)
    heading = np.unwrap(np.arctan2(*np.gradient(xy, axis=0).T[::-1])) if len(xy) > 1 else np.zeros(len(xy))
    return np.concatenate([xy, heading[:, None]], axis=1)


def poses_along(path_P3: FloatArray, traveled_m_T: FloatArray) -> FloatArray:
    """Poses (T, 3) after distances along a path, which goes straight on beyond its end.

    Args:
        path_P3: Result of ``path_through``.
        traveled_m_T: Distances from its start, meters.
    """
    s = _SPACING_M * np.arange(len(path_P3))
    pose = np.stack([np.interp(traveled_m_T, s, path_P3[:, axis]) for axis in range(3)], axis=-1)
    beyond = np.maximum(traveled_m_T - s[-1], 0.0)
    pose[:, 0] += beyond * np.cos(path_P3[-1, 2])
    pose[:, 1] += beyond * np.sin(path_P3[-1, 2])
    return pose
