"""CARLA's left-handed frames and the planner's right-handed ones.

CARLA's world and vehicle frames have x ahead, y right, z up and degrees; yaw grows clockwise seen from above, pitch nose up. The
planner's have y left and radians (REP-103); yaw grows counter-clockwise, pitch nose down. One is the mirror image of the
other in y: positions and velocities change the sign of y, rotations those about x and z. CARLA's roll is a rotation from y to
z in mirrored axes, which keeps its sign.

Objects of CARLA are taken as anything with the same attributes, so that nothing here needs CARLA's package.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import wrapped
from transdiffuser_planner.core.types import Acceleration, EgoState

MAP_FRAME = "map"
"""Frame of the map and of the odometry derived from CARLA's: CARLA's world, mirrored in y."""
FloatArray = NDArray[np.float64]


def heading_of_yaw(yaw_deg: float) -> float:
    """Return the heading in radians, counter-clockwise from +x of the map.

    Args:
        yaw_deg: CARLA's, degrees clockwise.
    """
    return wrapped(-math.radians(yaw_deg))


def heading_of_compass(compass_rad: float) -> float:
    """Return the heading in radians, counter-clockwise from +x (east) of the map.

    Args:
        compass_rad: Of CARLA's IMU: 0 to the north (CARLA's -y), clockwise.
    """
    return wrapped(math.pi / 2.0 - compass_rad)


def xyz(vector: Any) -> FloatArray:
    """Return a position or velocity (3,) of CARLA in right-handed axes.

    Args:
        vector: With x, y and z.
    """
    return np.asarray([vector.x, -vector.y, vector.z], dtype=np.float64)


def xy_of(vectors: Any) -> FloatArray:
    """Return positions (N, 2) of CARLA in right-handed axes.

    Args:
        vectors: With x and y each.
    """
    return np.asarray([(vector.x, -vector.y) for vector in vectors], dtype=np.float64).reshape(-1, 2)


def points(xyz_N3: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mirror points (N, 3) of a CARLA sensor into the right-handed sensor frame; a new, contiguous array.

    Args:
        xyz_N3: Points in the sensor's left-handed frame, m.
    """
    mirrored = np.array(xyz_N3[:, :3], dtype=np.float32, order="C")
    np.negative(mirrored[:, 1], out=mirrored[:, 1])
    return mirrored


def rates(gyroscope_3: FloatArray) -> FloatArray:
    """Return angular rates (3,) about right-handed axes.

    Args:
        gyroscope_3: About CARLA's left-handed axes; any unit.
    """
    return np.asarray([-gyroscope_3[0], gyroscope_3[1], -gyroscope_3[2]], dtype=np.float64)


def accelerations(accelerometer_3: FloatArray) -> FloatArray:
    """Return linear accelerations (3,) along right-handed axes.

    Args:
        accelerometer_3: Along CARLA's left-handed axes; any unit.
    """
    return np.asarray([accelerometer_3[0], -accelerometer_3[1], accelerometer_3[2]], dtype=np.float64)


def body_from_world(world_3: FloatArray, heading_rad: float) -> FloatArray:
    """Turn a right-handed vector (3,) of the map into axes ahead, left and up of a level vehicle.

    Args:
        world_3: In the map frame.
        heading_rad: Of the vehicle.
    """
    cos, sin = math.cos(heading_rad), math.sin(heading_rad)
    x, y, z = (float(value) for value in world_3)
    return np.asarray([cos * x + sin * y, cos * y - sin * x, z])


def ego_state(
    transform: Any, velocity: Any, angular_velocity: Any, *, stamp_ns: int, origin_ahead_m: float
) -> EgoState:
    """Return the state of base_link, the rear axle on the ground, from what CARLA knows of the vehicle's origin.

    With the origin at d ahead of the rear axle, the axle is at -d along the heading and its lateral speed is that of the origin
    less d times the yaw rate.

    Args:
        transform: Of the actor, world frame.
        velocity: Of its origin, world frame, m/s.
        angular_velocity: World frame, degrees per second, as CARLA's actors report it.
        stamp_ns: Of this state.
        origin_ahead_m: Distance of the origin ahead of the rear axle.
    """
    heading = heading_of_yaw(transform.rotation.yaw)
    origin, body = xyz(transform.location), body_from_world(xyz(velocity), heading)
    yaw_rate = -math.radians(angular_velocity.z)
    return EgoState(
        stamp_ns=stamp_ns,
        frame_id=MAP_FRAME,
        x_m=float(origin[0] - origin_ahead_m * math.cos(heading)),
        y_m=float(origin[1] - origin_ahead_m * math.sin(heading)),
        z_m=float(origin[2]),
        heading_rad=heading,
        vx_mps=float(body[0]),
        vy_mps=float(body[1] - origin_ahead_m * yaw_rate),
        yaw_rate_radps=yaw_rate,
    )


def ego_acceleration(
    acceleration: Any, heading_rad: float, yaw_rate_radps: float, *, stamp_ns: int, origin_ahead_m: float
) -> Acceleration:
    """Return the acceleration of base_link in the body frame; the yaw rate is taken as constant.

    Args:
        acceleration: Of the actor's origin, world frame, m/s2.
        heading_rad: Of the vehicle, map frame.
        yaw_rate_radps: Of the vehicle, counter-clockwise.
        stamp_ns: Of this value.
        origin_ahead_m: Distance of the origin ahead of the rear axle, which adds the centripetal part.
    """
    body = body_from_world(xyz(acceleration), heading_rad)
    return Acceleration(
        stamp_ns=stamp_ns,
        ax_mps2=float(body[0] + origin_ahead_m * yaw_rate_radps**2),
        ay_mps2=float(body[1]),
    )
