"""A client of CARLA's protocol in a few lines: bytes on sockets, without LibCarla."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import msgpack
from opendrive_maps import three_arms, write_map

from transdiffuser_planner.integrations.carla_server.server import CarlaServer
from transdiffuser_planner.integrations.carla_server.world.town import Town

_OPEN: list[asyncio.StreamWriter] = []  # a writer without a reference closes its connection
SNAPSHOT_HEADER = struct.Struct("<QQd6f")
EGO, CAMERA, LIDAR, COLLISION = (
    "vehicle.lincoln.mkz_2020",
    "sensor.camera.rgb",
    "sensor.lidar.ray_cast",
    "sensor.other.collision",
)


def small_town(folder) -> Town:
    return Town(str(write_map(folder / "three_arms.xodr", three_arms())))


class Wire:
    """One RPC connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._unpacker = msgpack.Unpacker(raw=False)
        self._number = 0

    @staticmethod
    async def open(port: int) -> Wire:
        return Wire(*await asyncio.open_connection("127.0.0.1", port))

    async def raw(self, method: str, *arguments: Any) -> list[Any]:
        self._number += 1
        self.writer.write(msgpack.packb([0, self._number, method, [[False], *arguments]]))
        while True:
            for item in self._unpacker:
                assert item[:2] == [1, self._number]
                return item[2:]
            data = await asyncio.wait_for(self.reader.read(1 << 16), 60)
            assert data, "the server has closed the connection"
            self._unpacker.feed(data)

    async def value(self, method: str, *arguments: Any) -> Any:
        error, result = await self.raw(method, *arguments)
        assert error is None and result[0][0] == 1, (method, error, result)
        return result[0][1]

    async def refusal(self, method: str, *arguments: Any) -> str:
        error, result = await self.raw(method, *arguments)
        return str(error) if result is None else str(result[0][1][0])


async def subscribe(port: int, stream_id: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(struct.pack("<I", stream_id))
    _OPEN.append(writer)
    return reader, writer


async def receive(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    """Kind, frame and payload of the next message."""
    (length,) = struct.unpack("<I", await asyncio.wait_for(reader.readexactly(4), 60))
    data = await asyncio.wait_for(reader.readexactly(length), 60)
    kind, frame = SNAPSHOT_HEADER.unpack(data[: SNAPSHOT_HEADER.size])[:2]
    return kind, frame, data[SNAPSHOT_HEADER.size :]


async def started(town: Town) -> CarlaServer:
    """A server in synchronous mode at free ports."""
    server = CarlaServer(town, port=0)
    await server.start()
    return server
