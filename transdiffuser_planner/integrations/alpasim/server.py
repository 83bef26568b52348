"""A gRPC server of the egodriver service, on a TCP port or a unix socket."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.integrations.alpasim.service import EgodriverService
from transdiffuser_planner.integrations.alpasim.sessions import ServerSettings, Sessions
from transdiffuser_planner.integrations.alpasim.wire import CHANNEL_OPTIONS, load_wire
from transdiffuser_planner.runtime.inference.backend import InferenceBackend

UNIX = "unix:"
_SPARE_THREADS = 4
_GRACE_S = 2.0


class EgodriverServer:
    """A server; ``start`` and ``stop`` it, or use it as a context manager.

    Args:
        backend: Executes the model.
        settings: For all sessions.
        address: "host:port", port 0 for a free one, or "unix:/path".
        client: Who calls, of ``service.CLIENTS``.
        log: Receives one line for each event.

    Raises:
        ConfigError: gRPC is not installed, or the address cannot be used.
    """

    def __init__(
        self,
        backend: InferenceBackend,
        settings: ServerSettings,
        address: str,
        client: str = "auto",
        log: Callable[[str], None] = lambda line: None,
    ) -> None:
        wire = load_wire()
        self.sessions = Sessions(backend, settings, log)
        service = EgodriverService(wire, self.sessions, client)
        # A drive call holds its thread until it has been planned.
        threads = ThreadPoolExecutor(max_workers=2 * settings.max_sessions + _SPARE_THREADS)
        options = [*CHANNEL_OPTIONS, ("grpc.so_reuseport", 0)]  # two servers on one port would share its sessions
        self._server = wire.grpc.server(threads, options=options)
        self._server.add_generic_rpc_handlers((service.handler(),))
        self.address = self._bind(address)

    def _bind(self, address: str) -> str:
        """Bind the address and return it with the port's number.

        Raises:
            ConfigError: It cannot be bound.
        """
        is_unix = address.startswith(UNIX)
        host, _, port = address.rpartition(":")
        if not is_unix and not (host and port.isdigit() and int(port) < 65536):
            raise ConfigError(f"--address {address}: expected HOST:PORT, as 127.0.0.1:50051, or unix:/path")
        try:
            bound = self._server.add_insecure_port(address)
        except RuntimeError:
            bound = 0
        if not bound:
            raise ConfigError(f"--address {address}: cannot be bound; is it in use, or the host another machine's?")
        return address if is_unix else f"{host}:{bound}"

    def start(self) -> None:
        """Begin to answer."""
        self._server.start()

    def stop(self) -> None:
        """Answer open calls, then end."""
        self._server.stop(_GRACE_S).wait()
        if self.address.startswith(UNIX):
            path = self.address.removeprefix(UNIX)
            if os.path.exists(path):
                os.unlink(path)

    def __enter__(self) -> EgodriverServer:
        self.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.stop()

    def serve(self) -> None:
        """Answer until the process is interrupted or terminated."""
        done = threading.Event()

        def end(number: int, frame: FrameType | None) -> None:
            done.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        with self:
            done.wait()
