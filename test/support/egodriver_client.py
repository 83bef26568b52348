"""An egodriver server of the shipped model and what tests call it with; needs the package carla-driver-interface."""

import io
from contextlib import contextmanager

import numpy as np
from PIL import Image
from shared_model import planner_loader

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.integrations.alpasim.server import EgodriverServer
from transdiffuser_planner.integrations.alpasim.sessions import ServerSettings
from transdiffuser_planner.integrations.alpasim.wire import CHANNEL_OPTIONS, load_wire
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.runtime.cycle.plan_history import PlanHistory

RIG = Rig.load(RIGS / "carla.yaml")
STEP_US = 100_000
CARLA = (("carla-driver-interface-contract", "2"),)


@contextmanager
def running_server(address="127.0.0.1:0", client="auto", log=lambda line: None, **settings):
    """A server, until the end of the block."""
    config = PlannerConfig(num_threads=1, **({"require_lidar": False} | settings.pop("config", {})))
    backend = planner_loader("tiny", RIG)(config, PlanHistory()).backend
    whole = ServerSettings(config=config, vehicle=RIG.vehicle, **settings)
    with EgodriverServer(backend, whole, address, client, log) as server:
        yield server


class Client:
    """Calls of one session, on a straight road at constant speed."""

    def __init__(self, address, uuid="one"):
        self.wire, self.uuid = load_wire(), uuid
        self.m = self.wire.messages
        self.channel = self.wire.grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        self.stub = self.m.EgodriverServiceStub(self.channel)

    def close(self):
        self.channel.close()

    def camera(self, name="front", width=64, height=36, **model):
        """A camera that looks ahead; the model is a field of CameraSpec."""
        pinhole = {"opencv_pinhole_param": self.m.OpenCVPinholeCameraParam(
            principal_point_x=width / 2, principal_point_y=height / 2, focal_length_x=width / 2, focal_length_y=width / 2
        )}  # fmt: skip
        spec = self.m.CameraSpec(resolution_w=width, resolution_h=height, logical_id=name, **(model or pinhole))
        optical = self.m.Pose(vec=self.m.Vec3(x=1.9, z=1.6), quat=self.m.Quat(w=0.5, x=-0.5, y=0.5, z=-0.5))
        return self.m.AvailableCamera(intrinsics=spec, rig_to_camera=optical, logical_id=name)

    def start(self, *cameras, seed=1, metadata=(), uuid=None):
        """Open the session."""
        request = self.m.DriveSessionRequest(session_uuid=self.uuid if uuid is None else uuid, random_seed=seed)
        request.rollout_spec.vehicle.available_cameras.extend(cameras or [self.camera()])
        return self.stub.start_session(request, metadata=metadata, timeout=600)

    def image(self, step=0, name="front", size=(64, 36), data=None, color=110):
        """Send an image."""
        request = self.m.RolloutCameraImage(session_uuid=self.uuid)
        buffer = io.BytesIO()
        Image.new("RGB", size, (color, color, color)).save(buffer, "PNG")
        image = request.camera_image
        image.logical_id, image.image_bytes = name, buffer.getvalue() if data is None else data
        image.frame_start_us = image.frame_end_us = step * STEP_US
        return self.stub.submit_image_observation(request, timeout=600)

    def egomotion(self, step=0, speed_mps=6.0, states=1, x_m=None):
        """Send the pose of a step, at constant speed unless the place is given."""
        request = self.m.RolloutEgoTrajectory(session_uuid=self.uuid)
        x_m = 0.1 * speed_mps * step if x_m is None else x_m
        pose = self.m.Pose(vec=self.m.Vec3(x=x_m), quat=self.m.Quat(w=1.0))
        request.trajectory.poses.append(self.m.PoseAtTime(pose=pose, timestamp_us=step * STEP_US))
        for _ in range(states):
            request.dynamic_states.add().linear_velocity.x = speed_mps
        return self.stub.submit_egomotion_observation(request, timeout=600)

    def route(self, step=0, y_m=0.0):
        """Send 80 m of route ahead."""
        request = self.m.RouteRequest(session_uuid=self.uuid)
        request.route.timestamp_us = step * STEP_US
        request.route.waypoints.extend(self.m.Vec3(x=4.0 * n, y=y_m) for n in range(20))
        return self.stub.submit_route(request, timeout=600)

    def drive(self, step=0, data=b"", horizon_us=STEP_US):
        """Ask for the plan of a step."""
        now_us = step * STEP_US
        return self.stub.drive(
            self.m.DriveRequest(session_uuid=self.uuid, time_now_us=now_us, time_query_us=now_us + horizon_us,
                                renderer_data=data), timeout=600)  # fmt: skip

    def step(self, step=0, **data):
        """One whole control step."""
        self.image(step)
        self.egomotion(step)
        self.route(step)
        return self.drive(step, **data)

    def stop(self):
        """Close the session."""
        self.stub.close_session(self.m.DriveSessionCloseRequest(session_uuid=self.uuid), timeout=600)

    def wall(self, ahead_m):
        """CarlaRendererData with a wall across the road and the ground before it."""
        y, z = np.meshgrid(np.linspace(-8.0, 8.0, 80), np.linspace(0.4, 2.0, 12))
        wall = np.stack([np.full(y.size, ahead_m), y.ravel(), z.ravel(), 0.0 * z.ravel()], axis=1)
        x, y = np.meshgrid(np.linspace(4.0, ahead_m, 40), np.linspace(-8.0, 8.0, 30))
        ground = np.stack([x.ravel(), y.ravel(), 0.0 * x.ravel(), 0.0 * x.ravel()], axis=1)
        return np.concatenate([wall, ground]).astype("<f4")

    def renderer_data(self, points_N4, step=0, **fields):
        """Serialized CarlaRendererData with one sweep."""
        data = self.m.CarlaRendererData(**fields)
        if points_N4 is not None:
            data.lidar.add(
                logical_id="top",
                timestamp_us=step * STEP_US,
                num_points=len(points_N4),
                points_xyzi=points_N4.tobytes(),
            )
        return data.SerializeToString()
