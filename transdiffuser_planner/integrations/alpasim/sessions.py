"""All sessions of a server: one model for all of them, one plan at a time, everything else apart."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.integrations.alpasim.session import Session, session_config, session_rig
from transdiffuser_planner.integrations.alpasim.session_cameras import SessionCamera
from transdiffuser_planner.integrations.alpasim.wire import CallError
from transdiffuser_planner.planning.observation.stitched_view import build_table
from transdiffuser_planner.runtime.inference.backend import InferenceBackend
from transdiffuser_planner.runtime.planner import Planner

_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerSettings:
    """Settings that hold for all sessions.

    Attributes:
        config: Of the planner; require_lidar refuses sessions without one.
        vehicle: Dimensions and limits.
        max_sessions: How many may be open.
        idle_s: A session without a call for so long makes room for another.
    """

    config: PlannerConfig
    vehicle: VehicleModel
    max_sessions: int = 32
    idle_s: float = 600.0


@dataclass(kw_only=True, slots=True)
class OpenSession:
    """A session with what the server needs to know about it.

    Attributes:
        session: Observations and planner.
        scene: Name of the scene, for messages.
        has_renderer_data: Whether the client is one of carla-driver-interface, whose drive calls carry data.
        lock: Held by each call.
        used_s: Time of the last call.
    """

    session: Session
    scene: str
    has_renderer_data: bool
    lock: threading.Lock = field(default_factory=threading.Lock)
    used_s: float = 0.0


class Sessions:
    """Opens, finds and closes sessions. Thread-safe.

    Args:
        backend: Executes the model for all sessions.
        settings: For all sessions.
        log: Receives one line for each event.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        backend: InferenceBackend,
        settings: ServerSettings,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings, self.backend = settings, backend
        self._log, self._clock = log, clock
        self._open: dict[str, OpenSession] = {}
        self._lock = threading.Lock()
        # One thread plans for all: plans would share the cores anyway, and CUDA graphs belong to a thread.
        self._planning = ThreadPoolExecutor(max_workers=1, thread_name_prefix="plan")

    def __len__(self) -> int:
        return len(self._open)

    def plan(self, work: Callable[[], _Result]) -> _Result:
        """Run work in the thread that plans, and return its result.

        Args:
            work: To run.
        """
        return self._planning.submit(work).result()

    def start(
        self, uuid: str, seed: int, scene: str, cameras: tuple[SessionCamera, ...], *, has_renderer_data: bool
    ) -> None:
        """Open a session.

        Args:
            uuid: Of the client.
            seed: Of its noise.
            scene: Name of the scene.
            cameras: Of its calibration.
            has_renderer_data: See ``OpenSession``.

        Raises:
            CallError: It is open already, there are too many, or it has no sensor that the planner can drive with.
        """
        self._check(uuid, cameras, has_renderer_data)
        config = session_config(self.settings.config, seed)
        rig = session_rig(cameras, self.settings.vehicle, has_lidar=has_renderer_data)
        noticed: set[str] = set()

        def notice(line: str) -> None:
            if line not in noticed:
                noticed.add(line)
                self._log(f"session {uuid}: {line}")

        planner = self.plan(lambda: Planner(self.backend, rig, config))
        opened = OpenSession(
            session=Session(cameras, planner, notice), scene=scene, has_renderer_data=has_renderer_data
        )
        opened.used_s = self._clock()
        with self._lock:
            self._make_room()
            if uuid in self._open:
                raise CallError("ALREADY_EXISTS", f"session {uuid} is open already; close it, or start another uuid")
            if len(self._open) >= self.settings.max_sessions:
                raise CallError(
                    "RESOURCE_EXHAUSTED",
                    f"{len(self._open)} sessions are open; close one, or start the server with more --max-sessions",
                )
            self._open[uuid] = opened
        lidar = (
            "LiDAR if the drive calls carry it"
            if has_renderer_data
            else "no LiDAR: planned from cameras alone, which drives far worse"
        )
        self._log(f"session {uuid} started: scene {scene!r}, {len(cameras)} cameras, {lidar}")

    def _check(self, uuid: str, cameras: tuple[SessionCamera, ...], has_renderer_data: bool) -> None:
        """Refuse what cannot be driven.

        Raises:
            CallError: See ``start``.
        """
        if not uuid:
            raise CallError("INVALID_ARGUMENT", "start_session: session_uuid is empty")
        contract = self.backend.manifest.contract
        if not any(len(build_table(contract, camera.mount, camera.intrinsics).target_N) for camera in cameras):
            names = ", ".join(camera.mount.name for camera in cameras)
            raise CallError("FAILED_PRECONDITION", f"none of the cameras {names} sees the view ahead of the vehicle")
        if self.settings.config.require_lidar and not has_renderer_data:
            raise CallError(
                "FAILED_PRECONDITION",
                "AlpaSim sends no LiDAR, and this server was started with --without-lidar refuse",
            )

    def _make_room(self) -> None:
        """Close sessions whose clients have been silent for long; the lock must be held."""
        limit_s = self._clock() - self.settings.idle_s
        for uuid in [uuid for uuid, known in self._open.items() if known.used_s < limit_s]:
            del self._open[uuid]
            self._log(f"session {uuid} closed: no call for {self.settings.idle_s:g} s")

    @contextmanager
    def use(self, uuid: str) -> Iterator[OpenSession]:
        """Find a session and keep other calls to it waiting.

        Args:
            uuid: Of the client.

        Yields:
            The session.

        Raises:
            CallError: There is none.
        """
        with self._lock:
            known = self._open.get(uuid)
        if known is None:
            raise CallError("NOT_FOUND", f"session {uuid!r} is not open; call start_session first")
        with known.lock:
            known.used_s = self._clock()
            yield known

    def close(self, uuid: str) -> None:
        """Close a session; one that is not open is a line in the log.

        Args:
            uuid: Of the client.
        """
        with self._lock:
            known = self._open.pop(uuid, None)
        if known is None:
            self._log(f"close_session: session {uuid!r} is not open")
            return
        done = known.session
        self._log(f"session {uuid} closed: {done.num_plans} plans, {done.num_fallbacks} of them fallbacks")
