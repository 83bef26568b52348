"""LiDAR of a session in closed loop: the vehicle follows its plans toward a wall that stands across the road."""

import pytest

pytest.importorskip("carla_driver_interface", reason="needs carla-driver-interface: pip install -e .[alpasim]")
from egodriver_client import CARLA, RIG, Client, running_server

WALL_M = 14.0
"""From the rear axle at the start: 10 m before the bumper, where no plan is rejected yet at 6 m/s."""


@pytest.fixture(scope="module")
def server():
    with running_server() as running:
        yield running


def gaps_m(client, seed, has_lidar, max_steps=60):
    """Distance from the bumper to the wall per step, until the vehicle stands or has passed the wall."""
    client.start(seed=seed, metadata=CARLA)
    x_m, speed_mps, gaps = 0.0, 6.0, []
    for step in range(max_steps):
        gaps.append(WALL_M - x_m - RIG.vehicle.front_offset_m)
        if speed_mps < 0.1 or gaps[-1] < 0.0:
            break
        client.image(step)
        client.egomotion(step, speed_mps, x_m=x_m)
        client.route(step)
        cloud = client.wall(WALL_M - x_m) if has_lidar else None
        response = client.drive(step, data=client.renderer_data(cloud, step))
        info = client.m.CarlaDriveDebugInfo.FromString(response.debug_info.unstructured_debug_info)
        assert info.scalars["lidar"] == float(has_lidar)
        now, soon, later = (item.pose.vec.x for item in response.trajectory.poses[:3])
        x_m, speed_mps = soon, max(0.0, (later - now) / 0.2)
    client.stop()
    client.close()
    return gaps


@pytest.mark.parametrize("seed", [1, 2])
def test_lidar_of_a_carla_client_stops_the_vehicle_before_a_wall(server, seed):
    gaps = gaps_m(Client(server.address, uuid=f"lidar {seed}"), seed, True)
    assert 0.0 < gaps[-1] < 5.0 and gaps[-1] - gaps[-2] > -0.05, gaps


def test_without_lidar_nothing_stops_it(server):
    assert gaps_m(Client(server.address, uuid="cameras"), 1, False)[-1] < 0.0
