"""The eight calls of AlpaSim's egodriver service. Each failure is one gRPC status with one line; the server goes on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import transdiffuser_planner
from transdiffuser_planner.core.errors import InputError, PlannerError
from transdiffuser_planner.integrations.alpasim.renderer_data import RendererData, read_renderer_data
from transdiffuser_planner.integrations.alpasim.responses import debug_numbers, drive_response
from transdiffuser_planner.integrations.alpasim.session_cameras import read_cameras
from transdiffuser_planner.integrations.alpasim.sessions import OpenSession, Sessions
from transdiffuser_planner.integrations.alpasim.trajectory_bytes import TrajectoryBytes
from transdiffuser_planner.integrations.alpasim.wire import (
    BODY_CONTRACT,
    CONTRACT_KEY,
    OPTICAL_CONTRACT,
    SERVICE,
    CallError,
    Wire,
)

POLICY = "transdiffuser"
CLIENTS = ("auto", "alpasim", "carla")
"""Who calls. AlpaSim's runtime states nothing; clients of carla-driver-interface state their contract, since version 2."""


class EgodriverService:
    """Answers the calls.

    Args:
        wire: gRPC and the messages.
        sessions: All sessions.
        client: One of ``CLIENTS``.
    """

    def __init__(self, wire: Wire, sessions: Sessions, client: str = "auto") -> None:
        self._wire, self._sessions, self._client = wire, sessions, client
        self._writer = TrajectoryBytes(wire.messages)

    def handler(self) -> Any:
        """Return gRPC's handler of the service. Requests arrive as bytes, so that damaged ones get a clear answer."""
        grpc = self._wire.grpc
        methods = {
            name: grpc.unary_unary_rpc_method_handler(
                self._answering(name, request_type), response_serializer=lambda message: message.SerializeToString()
            )
            for name, request_type in self._wire.requests.items()
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def _answering(self, name: str, request_type: Any) -> Callable[[bytes, Any], Any]:
        """A call's function of raw bytes that ends every error as a status."""
        answer = getattr(self, name)

        def call(raw: bytes, context: Any) -> Any:
            try:
                return answer(self._parsed(name, request_type, raw), context)
            except CallError as error:
                code, reason = error.code, str(error)
            except InputError as error:
                code, reason = "INVALID_ARGUMENT", str(error)
            except PlannerError as error:
                code, reason = "INTERNAL", str(error)
            except Exception as error:  # the outer edge: one session's fault must not end the others
                code, reason = "INTERNAL", f"{name}: {type(error).__name__}: {error}".splitlines()[0]
                print(f"egodriver: {reason}", file=sys.stderr, flush=True)
            context.abort(getattr(self._wire.grpc.StatusCode, code), reason)
            raise AssertionError(reason)  # abort raises

        return call

    @staticmethod
    def _parsed(name: str, request_type: Any, raw: bytes) -> Any:
        """Parse a request.

        Raises:
            InputError: The bytes are no such message.
        """
        try:
            return request_type.FromString(raw)
        except Exception:  # protobuf's implementations raise different ones
            text = f"{name}: {len(raw)} bytes are no message {request_type.DESCRIPTOR.full_name}"
            raise InputError(text) from None

    def get_version(self, request: Any, context: Any) -> Any:
        """Return name and version of package and model, and the version of the messages.

        Args:
            request: Empty.
            context: Of the call.
        """
        context.send_initial_metadata(((CONTRACT_KEY, str(OPTICAL_CONTRACT)),))
        messages, manifest = self._wire.messages, self._sessions.backend.manifest
        version = messages.VersionId(
            version_id=f"{POLICY}-{transdiffuser_planner.__version__}-{manifest.name}-{manifest.model_hash[:12]}",
            git_hash="unknown",
        )
        version.grpc_api_version.CopyFrom(messages.ALPASIM_API_VERSION)
        return version

    def start_session(self, request: Any, context: Any) -> Any:
        """Open a session.

        Args:
            request: Cameras and seed.
            context: Of the call; its metadata state the contract.

        Raises:
            CallError: It cannot be opened.
            InputError: Its calibration cannot be used.
        """
        contract, is_carla = self._contract(context)
        cameras = read_cameras(request.rollout_spec.vehicle.available_cameras, contract)
        self._sessions.start(
            request.session_uuid,
            int(request.random_seed),
            request.debug_info.scene_id,
            cameras,
            has_renderer_data=is_carla,
        )
        return self._wire.messages.SessionRequestStatus()

    def _contract(self, context: Any) -> tuple[int, bool]:
        """The contract of a client, and whether it is one of carla-driver-interface.

        Raises:
            CallError: The contract is unknown.
        """
        stated = dict(context.invocation_metadata() or ()).get(CONTRACT_KEY)
        if stated is None:
            is_carla = self._client == "carla"
            return (BODY_CONTRACT if is_carla else OPTICAL_CONTRACT), is_carla
        if stated not in (str(BODY_CONTRACT), str(OPTICAL_CONTRACT)):
            raise CallError("FAILED_PRECONDITION", f"{CONTRACT_KEY} {stated!r} is unknown; known are 1 and 2")
        return int(stated), self._client != "alpasim"

    def close_session(self, request: Any, context: Any) -> Any:
        """Close a session.

        Args:
            request: Its uuid.
            context: Of the call.
        """
        self._sessions.close(request.session_uuid)
        return self._wire.messages.Empty()

    def submit_image_observation(self, request: Any, context: Any) -> Any:
        """Take an image.

        Args:
            request: The file with its camera and times.
            context: Of the call.
        """
        with self._sessions.use(request.session_uuid) as known:
            known.session.add_image(request.camera_image)
        return self._wire.messages.Empty()

    def submit_egomotion_observation(self, request: Any, context: Any) -> Any:
        """Take poses of the rig.

        Args:
            request: Poses and motion.
            context: Of the call.
        """
        with self._sessions.use(request.session_uuid) as known:
            known.session.add_egomotion(request)
        return self._wire.messages.Empty()

    def submit_route(self, request: Any, context: Any) -> Any:
        """Take a route.

        Args:
            request: Waypoints in the rig.
            context: Of the call.
        """
        with self._sessions.use(request.session_uuid) as known:
            known.session.add_route(request)
        return self._wire.messages.Empty()

    def submit_recording_ground_truth(self, request: Any, context: Any) -> Any:
        """Accept the recorded future of the scene, and plan without it.

        Args:
            request: Not used.
            context: Of the call.
        """
        with self._sessions.use(request.session_uuid):
            return self._wire.messages.Empty()

    def drive(self, request: Any, context: Any) -> Any:
        """Plan.

        Args:
            request: Times of the plan.
            context: Of the call.

        Returns:
            DriveResponse; without poses as long as images or egomotion are missing.

        Raises:
            InputError: The times or the data of the call are not usable.
        """
        now_us, query_us = int(request.time_now_us), int(request.time_query_us)
        with self._sessions.use(request.session_uuid) as known:
            reach_us = now_us + round(1e6 * known.session.horizon_s)
            if not now_us <= query_us <= reach_us:
                raise InputError(
                    f"drive: time_query_us {query_us} must lie within the plan, {now_us} to {reach_us} (time_now_us and "
                    f"{known.session.horizon_s:g} s more)"
                )
            data = self._renderer_data(known, request, now_us)
            begin = time.perf_counter()
            answer = self._sessions.plan(lambda: known.session.drive(now_us, data))
            elapsed_s = time.perf_counter() - begin
        messages = self._wire.messages
        if answer is None:
            return messages.DriveResponse()
        max_curvature_per_m = self._sessions.settings.config.max_curvature_per_m
        response = drive_response(messages, self._writer, answer, now_us, max_curvature_per_m)
        if known.has_renderer_data:
            info = messages.CarlaDriveDebugInfo(
                policy_name=POLICY, inference_seconds=elapsed_s, scalars=debug_numbers(answer)
            )
            response.debug_info.unstructured_debug_info = info.SerializeToString()
        return response

    def _renderer_data(self, known: OpenSession, request: Any, now_us: int) -> RendererData:
        """Data of a call; none from AlpaSim, whose renderers put something else there.

        Raises:
            CallError: A LiDAR sweep is required and missing.
        """
        if not known.has_renderer_data:
            return RendererData()
        settings = self._sessions.settings
        data = read_renderer_data(
            request.renderer_data, self._wire.messages.CarlaRendererData, now_us, settings.vehicle.front_offset_m
        )
        if data.cloud is None and settings.config.require_lidar:
            raise CallError(
                "FAILED_PRECONDITION",
                "drive: no LiDAR sweep in renderer_data, and this server was started with --without-lidar refuse",
            )
        return data
