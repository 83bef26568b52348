"""Compares a vehicle with the one that a model's scorer assumes."""

from __future__ import annotations

from transdiffuser_planner.core.vehicle import VehicleModel

MAX_LENGTH_DIFFERENCE_M, MAX_WIDTH_DIFFERENCE_M, MAX_OFFSET_DIFFERENCE_M = 0.6, 0.2, 0.4
"""Production cars differ by about this much from one another."""


def beyond_scorer(assumed: VehicleModel, vehicle: VehicleModel) -> str:
    """Return a one-line reason that predicted scores are not valid for a vehicle; "" if they are.

    The scorer measures gaps to the road's edge and to agents with the footprint of its training vehicle, which is part of
    its graph. Collision and road checks of the planner always use the rig's vehicle.

    Args:
        assumed: Vehicle of the model's manifest.
        vehicle: Vehicle of the rig.
    """
    differences = (
        (assumed.length_m, vehicle.length_m, MAX_LENGTH_DIFFERENCE_M),
        (assumed.width_m, vehicle.width_m, MAX_WIDTH_DIFFERENCE_M),
        (assumed.center_offset_m, vehicle.center_offset_m, MAX_OFFSET_DIFFERENCE_M),
    )
    if all(abs(theirs - ours) <= largest + 1e-9 for theirs, ours, largest in differences):
        return ""
    return (
        f"the scorer assumes a vehicle of {_footprint(assumed)}, the rig's has {_footprint(vehicle)}: "
        "its predicted scores do not hold for it; selection 'rules' uses the rig's vehicle"
    )


def _footprint(vehicle: VehicleModel) -> str:
    return f"{vehicle.length_m:g} x {vehicle.width_m:g} m, center {vehicle.center_offset_m:g} m ahead of the rear axle"
