"""The server: an RPC port and a port of streams, one world, one thread.

Everything runs in one event loop: calls are answered in the order of their arrival, and a tick is finished before the next call,
as in CARLA's game thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.integrations.carla_server.calls.table import answer
from transdiffuser_planner.integrations.carla_server.live_world import World
from transdiffuser_planner.integrations.carla_server.protocol.messages import ProtocolError, Request, RequestReader
from transdiffuser_planner.integrations.carla_server.protocol.streams import StreamHub
from transdiffuser_planner.integrations.carla_server.world.town import Town

LOCAL = "127.0.0.1"
READ_BYTES = 1 << 16
BEFORE_LOAD_S, AFTER_LOAD_S = 1.0, 3.0
_LOG = logging.getLogger(__name__)


class CarlaServer:
    """CARLA's interface to one world.

    Args:
        town: First map.
        port: Of RPC; that of the streams is the next one. 0 for free ports.
        host: Address to listen at.
        seed: Of the sensors' noise and of the server's own traffic.
        num_ambient: Road users of the server's own traffic, about.

    Attributes:
        port: Of RPC; set by start().
        world: The world; set by start().
    """

    def __init__(self, town: Town, port: int = 2000, host: str = LOCAL, seed: int = 0, num_ambient: int = 0) -> None:
        self._town, self._host, self._seed, self._num_ambient = town, host, seed, num_ambient
        self.port, self._is_fixed = port, port != 0
        self._hub = StreamHub()
        self._clients: set[asyncio.StreamWriter] = set()
        self._loads: set[asyncio.Future[None]] = set()

    async def start(self) -> None:
        """Open the ports.

        Raises:
            PlannerError: A port is in use, or the address is none of this machine.
        """
        try:
            self._rpc = await asyncio.start_server(self._serve, self._host, self.port)
            self.port = int(self._rpc.sockets[0].getsockname()[1])
            self._stream = await asyncio.start_server(self._hub.serve, self._host, self._stream_port())
        except OSError as error:
            raise PlannerError(
                f"--carla-port {self.port}: {self._host} ports {self.port} and {self.port + 1} cannot be opened "
                f"({error.strerror}); give another port"
            ) from None
        stream_port = int(self._stream.sockets[0].getsockname()[1])
        self.world = World(self._town, self._hub, stream_port, self._seed, self._num_ambient)

    async def run(self) -> None:
        """Serve until canceled; in asynchronous mode the world runs in real time, or slower if it cannot."""
        while True:
            begin = time.monotonic()
            if not self.world.settings.synchronous:
                self.world.tick()
            await asyncio.sleep(max(0.001, self.world.step_s - (time.monotonic() - begin)))

    async def close(self) -> None:
        """Close ports and connections."""
        for listener in (self._rpc, self._stream):
            listener.close()
        self.world.close()
        for writer in list(self._clients):
            writer.close()

    async def _load_slowly(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Load an episode as slowly as a client with a Traffic Manager needs it; its other calls are answered meanwhile.

        The Traffic Manager drives on in a thread of its own and reads the new map in that of the streams. It may end the client
        when the episode changes under it, or when its user ticks before it has the map: CARLA's server never loads that fast.
        """
        await asyncio.sleep(BEFORE_LOAD_S)
        result = answer(self.world, request)
        self.world.publish(0.0)
        await asyncio.sleep(AFTER_LOAD_S)
        if not writer.is_closing():
            writer.write(result)
        self._loads = {task for task in self._loads if not task.done()}

    def _stream_port(self) -> int:
        return self.port + 1 if self._is_fixed else 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client; bytes that are no requests end its connection and nothing else."""
        requests = RequestReader()
        self._clients.add(writer)
        try:
            while data := await reader.read(READ_BYTES):
                for request in requests.feed(data):
                    if request.method == "load_new_episode" and self.world.traffic_managers:
                        self._loads.add(asyncio.ensure_future(self._load_slowly(request, writer)))
                        continue
                    writer.write(answer(self.world, request))
                    await writer.drain()
        except ProtocolError as error:
            _LOG.warning("client %s disconnected: %s", writer.get_extra_info("peername"), error)
        except ConnectionError:
            pass
        finally:
            self._clients.discard(writer)
            with contextlib.suppress(ConnectionError):
                writer.close()
