"""The messages of AlpaSim's egodriver service, from the package carla-driver-interface, which AlpaSim's equal field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transdiffuser_planner.core.errors import ConfigError, PlannerError

SERVICE = "egodriver.EgodriverService"
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""A camera image is one message; AlpaSim and carla-driver-interface have the same limit."""
CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
]
CONTRACT_KEY = "carla-driver-interface-contract"
"""gRPC metadata of clients and servers of carla-driver-interface: what ``rig_to_camera`` means."""
BODY_CONTRACT, OPTICAL_CONTRACT = 1, 2
"""``rig_to_camera`` is the pose of the camera's body (x ahead), or of its optical frame as in AlpaSim."""


class CallError(PlannerError):
    """A call that is refused.

    Args:
        code: Name of the gRPC status.
        reason: One line for the client.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, kw_only=True, slots=True)
class Wire:
    """Modules of gRPC and of the messages.

    Attributes:
        grpc: The package.
        messages: Module with all message classes.
    """

    grpc: Any
    messages: Any

    @property
    def requests(self) -> Mapping[str, Any]:
        """Call of the service -> class of its request."""
        m = self.messages
        return {
            "start_session": m.DriveSessionRequest,
            "close_session": m.DriveSessionCloseRequest,
            "submit_image_observation": m.RolloutCameraImage,
            "submit_egomotion_observation": m.RolloutEgoTrajectory,
            "submit_route": m.RouteRequest,
            "submit_recording_ground_truth": m.GroundTruthRequest,
            "drive": m.DriveRequest,
            "get_version": m.Empty,
        }


def load_wire() -> Wire:
    """Import gRPC and the messages.

    Raises:
        ConfigError: They are not installed.
    """
    try:
        import grpc
        from carla_driver_interface import protocol
    except ImportError as error:
        raise ConfigError(
            f"egodriver needs grpcio and carla-driver-interface ({error}); pip install 'transdiffuser_planner[alpasim]'"
        ) from None
    return Wire(grpc=grpc, messages=protocol)
