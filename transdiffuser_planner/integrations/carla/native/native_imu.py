"""Values of sensor_msgs/Imu as CARLA's own ROS 2 interface fills them, by the line of the server.

Released servers leave accelerations and rates left-handed, and give the orientation's yaw as pi/4 minus the compass where it is
pi/2 minus the compass (carla issues 8897 and 9563).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from transdiffuser_planner.core.geometry import wrapped
from transdiffuser_planner.integrations.carla import frames
from transdiffuser_planner.integrations.carla.measurements import InertialReading
from transdiffuser_planner.integrations.carla.native.native_names import NativeNames

RELEASED_YAW_ERROR_RAD = math.pi / 4.0


def inertial(
    acceleration_3: ArrayLike, rate_3: ArrayLike, orientation_xyzw: ArrayLike, names: NativeNames
) -> InertialReading:
    """Return the reading in right-handed axes.

    Args:
        acceleration_3: linear_acceleration of the message, m/s2.
        rate_3: angular_velocity of the message, rad/s.
        orientation_xyzw: orientation of the message.
        names: Line of the server.
    """
    acceleration, rate = (np.asarray(values, dtype=np.float64) for values in (acceleration_3, rate_3))
    x, y, z, w = (float(value) for value in np.asarray(orientation_xyzw, dtype=np.float64))
    yaw = math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    if names.has_right_handed_imu:
        return InertialReading(acceleration_3=acceleration, rate_3=rate, heading_rad=yaw)
    return InertialReading(
        acceleration_3=frames.accelerations(acceleration),
        rate_3=frames.rates(rate),
        heading_rad=wrapped(yaw + RELEASED_YAW_ERROR_RAD),
    )
