"""The egodriver service over gRPC: what it answers, what it refuses, and that it lives on."""

import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("carla_driver_interface", reason="needs carla-driver-interface: pip install -e .[alpasim]")
import grpc
from egodriver_client import CARLA, RIG, STEP_US, Client, running_server

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.integrations.alpasim.recorded_calls import session_request
from transdiffuser_planner.integrations.alpasim.session import session_rig
from transdiffuser_planner.integrations.alpasim.session_cameras import read_cameras
from transdiffuser_planner.integrations.alpasim.wire import CHANNEL_OPTIONS, SERVICE, load_wire


@pytest.fixture(scope="module")
def server():
    with running_server() as running:
        yield running


@pytest.fixture
def client(server, request):
    made = Client(server.address, uuid=request.node.name)
    yield made
    made.stop()
    made.close()


def refusal(call, *args, **kwargs):
    """Status and text of a call that must fail."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*args, **kwargs)
    assert "\n" not in caught.value.details() and "Traceback" not in caught.value.details()
    return caught.value.code().name, caught.value.details()


def xy(trajectory):
    return np.asarray([[item.pose.vec.x, item.pose.vec.y] for item in trajectory.poses])


def test_a_plan_begins_at_the_pose_of_now_and_reaches_beyond_the_query(client):
    client.start()
    client.step(0)
    response = client.step(1)
    plan = response.trajectory.poses
    assert [plan[0].timestamp_us, plan[0].pose.vec.x] == [STEP_US, pytest.approx(0.6, abs=1e-5)]
    assert plan[-1].timestamp_us == STEP_US + 4_000_000
    assert (np.diff([item.timestamp_us for item in plan]) > 0).all()
    assert 10.0 < plan[-1].pose.vec.x < 60.0 and abs(plan[-1].pose.vec.y) < 2.0
    samples = response.debug_info.sampled_trajectories
    assert len(samples) == 30 and all(item.poses[0] == plan[0] for item in samples)
    assert response.debug_info.unstructured_debug_info == b""  # AlpaSim would unpickle it
    assert not response.terminate_session


def test_before_images_and_egomotion_the_plan_is_empty(client):
    client.start()
    assert not client.drive(0).trajectory.poses
    client.egomotion(1)
    assert not client.drive(1).trajectory.poses


def test_images_that_stop_end_in_a_fallback_not_in_an_error(client):
    client.start(metadata=CARLA)
    client.step(0)
    for step in range(1, 8):
        client.egomotion(step)
    late = client.drive(7)
    info = client.m.CarlaDriveDebugInfo.FromString(late.debug_info.unstructured_debug_info)
    assert info.scalars["fallback"] == 1.0 and late.trajectory.poses


def test_the_same_seed_gives_the_same_plans_whatever_else_is_driven(client, server):
    client.start(seed=2**63 + 5)
    plans = [client.step(step) for step in range(3)]
    other = Client(server.address, uuid="other")
    again = Client(server.address, uuid="again")
    other.start(seed=77)
    again.start(seed=2**63 + 5)
    for step, plan in enumerate(plans):
        assert other.step(step).trajectory != plan.trajectory
        assert again.step(step).SerializeToString(deterministic=True) == plan.SerializeToString(deterministic=True)
    for made in (other, again):
        made.stop()
        made.close()


def test_a_red_light_of_a_carla_client_is_used_and_its_end_too(client):
    m = client.m
    client.start(metadata=CARLA)
    red = m.TrafficLightState.TRAFFIC_LIGHT_STATE_RED
    lit = client.renderer_data(None, ego_traffic_light=red, ego_traffic_light_distance_m=15.0, speed_limit_mps=8.0)
    held = [xy(client.step(step, data=lit).trajectory)[-1, 0] for step in range(3)]
    free = [xy(client.step(step, data=client.renderer_data(None, frame_id=1)).trajectory)[-1, 0] for step in (3, 4)]
    assert held[-1] < free[-1]


@pytest.mark.parametrize("model", ["ftheta", "fisheye", "radial"])
def test_cameras_of_every_model_are_planned_from(client, model):
    from carla_driver_interface import protocol

    parts = protocol.sensorsim_pb2
    center = {"principal_point_x": 32.0, "principal_point_y": 18.0}
    focal = {"focal_length_x": 32.0, "focal_length_y": 32.0}
    fields = {
        "ftheta": {"ftheta_param": parts.FthetaCameraParam(**center, angle_to_pixeldist_poly=[0, 30], max_angle=1.1)},
        "fisheye": {"opencv_fisheye_param": parts.OpenCVFisheyeCameraParam(**center, **focal, radial_coeffs=[0.01])},
        "radial": {"opencv_pinhole_param": parts.OpenCVPinholeCameraParam(**center, **focal, radial_coeffs=[-0.1])},
    }[model]
    client.start(client.camera(**fields), metadata=CARLA)
    info = client.step(0).debug_info.unstructured_debug_info
    assert client.m.CarlaDriveDebugInfo.FromString(info).scalars["cameras"] == 1.0


def test_the_rig_of_a_session_is_the_one_that_its_client_declared():
    wire = load_wire()
    request = session_request(wire, "one", RIG, 0)
    rig = session_rig(read_cameras(request.rollout_spec.vehicle.available_cameras, 2), RIG.vehicle, has_lidar=False)
    for mount in RIG.cameras:
        (found,) = [camera for camera in rig.cameras if camera.name == mount.name]
        np.testing.assert_allclose(found.base_from_sensor(), mount.base_from_sensor(), atol=1e-6)
        assert (found.fx, found.cx, found.width) == (mount.fx, mount.cx, mount.width)


def test_what_no_session_is_for(client):
    assert refusal(client.step)[0] == "NOT_FOUND"
    client.start()
    assert refusal(client.start) == (
        "ALREADY_EXISTS",
        f"session {client.uuid} is open already; close it, or start another uuid",
    )
    client.stop()
    client.stop()  # only a line in the log


def test_what_cannot_be_driven(client):
    behind = client.camera()
    behind.rig_to_camera.quat.CopyFrom(client.m.Quat(w=0.5, x=-0.5, y=-0.5, z=0.5))
    assert refusal(client.start, behind) == (
        "FAILED_PRECONDITION",
        "none of the cameras front sees the view ahead of the vehicle",
    )
    none = client.camera()
    none.intrinsics.opencv_pinhole_param.focal_length_x = 0.0
    assert refusal(client.start, none)[0] == "INVALID_ARGUMENT"
    assert refusal(client.start, client.camera(temporary_camera_spec="x"))[0] == "INVALID_ARGUMENT"
    assert refusal(client.start, client.camera(), client.camera())[0] == "INVALID_ARGUMENT"
    assert refusal(client.start, uuid="")[0] == "INVALID_ARGUMENT"
    assert refusal(client.start, metadata=(("carla-driver-interface-contract", "9"),))[0] == "FAILED_PRECONDITION"


def test_what_no_observation_is(client):
    client.start()
    assert refusal(client.image, name="rear") == (
        "INVALID_ARGUMENT", "camera 'rear' is not declared in start_session; known are front")  # fmt: skip
    assert "declared is 64x36" in refusal(client.image, size=(32, 18))[1]
    assert refusal(client.image, data=b"\x80\x04garbage")[0] == "INVALID_ARGUMENT"
    assert "2 dynamic_states for 1 poses" in refusal(client.egomotion, states=2)[1]
    client.step(3)
    assert "lies before" in refusal(client.drive, 2)[1]
    assert "must lie within the plan" in refusal(client.drive, 4, horizon_us=9_000_000)[1]
    assert client.step(5).trajectory.poses


def test_renderer_data_that_contradict_themselves_are_refused(client):
    client.start(metadata=CARLA)
    client.step(0)
    assert "is no CarlaRendererData" in refusal(client.drive, 1, data=b"\xff\xff\xff")[1]
    broken = client.m.CarlaRendererData()
    broken.lidar.add(logical_id="top", num_points=7, points_xyzi=b"12345678")
    assert "7 points are 112 bytes" in refusal(client.drive, 1, data=broken.SerializeToString())[1]
    assert client.step(2).trajectory.poses


def test_garbage_is_answered_and_the_server_lives(server):
    """Random bytes as messages of every call and, without gRPC, on the port."""
    channel = grpc.insecure_channel(server.address, options=CHANNEL_OPTIONS)
    random = np.random.default_rng(0)
    for name, request_type in load_wire().requests.items():
        call = channel.unary_unary(f"/{SERVICE}/{name}")
        for length in (1, 7, 100, 3000):
            raw = random.bytes(length)
            with pytest.raises(grpc.RpcError) as caught:
                call(b"\xff" + raw, timeout=60)
            assert caught.value.code().name == "INVALID_ARGUMENT"
            assert caught.value.details().endswith(f"bytes are no message {request_type.DESCRIPTOR.full_name}")
    host, port = server.address.split(":")
    for _ in range(5):
        with socket.create_connection((host, int(port)), timeout=60) as raw:
            raw.sendall(random.bytes(500))
    channel.close()
    made = Client(server.address, uuid="after")
    made.start()
    assert made.step(0).trajectory.poses
    made.stop()
    made.close()


def test_without_lidar_refuse_names_the_option():
    with running_server(config={"require_lidar": True}) as server:
        made = Client(server.address)
        code, text = refusal(made.start)
        assert code == "FAILED_PRECONDITION" and "--without-lidar refuse" in text
        made.start(metadata=CARLA)
        code, text = refusal(made.step)
        assert code == "FAILED_PRECONDITION" and "no LiDAR sweep" in text
        assert made.step(1, data=made.renderer_data(made.wall(40.0), 1)).trajectory.poses
        made.close()


def test_sessions_are_limited_and_silent_ones_make_room(tmp_path):
    lines = []
    with running_server(f"unix:{tmp_path}/driver.sock", max_sessions=1, idle_s=0.05, log=lines.append) as server:
        first, second = Client(server.address, "first"), Client(server.address, "second")
        first.start()
        while True:  # within the idle time the second is refused, later it takes the room of the first
            try:
                second.start()
                break
            except grpc.RpcError as error:
                assert error.code().name == "RESOURCE_EXHAUSTED"
        assert refusal(first.step)[0] == "NOT_FOUND"
        for made in (first, second):
            made.close()
    assert any("session first closed: no call for" in line for line in lines)
    assert not (tmp_path / "driver.sock").exists()


def test_a_client_that_leaves_in_the_middle_disturbs_nobody(client, server):
    gone = Client(server.address, uuid="gone")
    gone.start()
    for step in range(2):
        gone.image(step)
        gone.egomotion(step)
    call = gone.stub.drive.future(
        gone.m.DriveRequest(session_uuid="gone", time_now_us=STEP_US, time_query_us=2 * STEP_US)
    )
    call.cancel()
    gone.close()
    client.start()
    assert client.step(0).trajectory.poses


def test_every_call_of_a_session_and_the_version_name_the_model(server):
    made = Client(server.address)
    version = made.stub.get_version(made.m.Empty(), timeout=60)
    assert "transdiffuser-" in version.version_id and "tiny" in version.version_id
    assert version.grpc_api_version.minor == made.m.ALPASIM_API_VERSION.minor
    made.start()
    truth = made.m.GroundTruthRequest(session_uuid=made.uuid)
    made.stub.submit_recording_ground_truth(truth, timeout=60)
    made.stop()
    made.close()


def test_an_address_in_use_is_one_line(server):
    with pytest.raises(ConfigError, match="cannot be bound"), running_server(server.address):
        pass
    with pytest.raises(ConfigError, match="expected HOST:PORT"), running_server("50051"):
        pass


def test_the_command_refuses_bad_options(capsys):
    assert main(["serve", "egodriver", "--set", "temperatures=1"]) == 2
    assert "did you mean temperature" in capsys.readouterr().err


@pytest.mark.slow
def test_eight_sessions_at_once_keep_their_lane_in_the_loop_of_carla_driver_interface():
    """The other side's own client: frames rendered by it, plans followed by it."""
    from carla_driver_interface.testing import FakeLoop

    with running_server() as server, ThreadPoolExecutor(8) as pool:

        def driven(seed):
            with FakeLoop(server.address, initial_speed_mps=8.0 * (seed % 2), timeout_s=600.0) as loop:
                return loop.run(100 if seed == 0 else 20, seed=seed)

        results = list(pool.map(driven, range(8)))
    assert [result.steps for result in results] == [100, *[20] * 7]
    for result in results:
        assert np.abs(result.lateral_offsets_m).max() < 0.3
        assert all(info.scalars["fallback"] == 0.0 for info in result.debug)
    assert results[0].ego.positions[-1, 0] > 25.0
