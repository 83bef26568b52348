"""Trajectories that are serialized at once are those that objects would make."""

import numpy as np
import pytest

pytest.importorskip("carla_driver_interface", reason="needs carla-driver-interface: pip install -e .[alpasim]")

from transdiffuser_planner.integrations.alpasim.trajectory_bytes import TrajectoryBytes
from transdiffuser_planner.integrations.alpasim.wire import load_wire


def test_all_numbers_zeros_included_arrive_in_their_fields():
    messages, rng = load_wire().messages, np.random.default_rng(0)
    xyz_MT3, wxyz_MT4 = rng.normal(0.0, 50.0, (2, 4, 3)), rng.normal(size=(2, 4, 4))
    xyz_MT3[0, 0], wxyz_MT4[0, 0] = 0.0, [1.0, 0.0, 0.0, 0.0]
    stamp_us_T = np.asarray([0, 1, 2**40, 2**62])
    for number, raw in enumerate(TrajectoryBytes(messages).of(stamp_us_T, xyz_MT3, wxyz_MT4)):
        poses = messages.Trajectory.FromString(raw).poses
        assert [item.timestamp_us for item in poses] == stamp_us_T.tolist()
        vec, quat = [item.pose.vec for item in poses], [item.pose.quat for item in poses]
        np.testing.assert_array_equal([[v.x, v.y, v.z] for v in vec], xyz_MT3[number].astype(np.float32))
        np.testing.assert_array_equal([[q.w, q.x, q.y, q.z] for q in quat], wxyz_MT4[number].astype(np.float32))
