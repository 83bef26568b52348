"""Streams of sensor data and world snapshots: tokens, headers, subscribers.

Formats: ``LibCarla/source/carla/streaming/detail/Token.h`` and ``.../sensor/s11n/SensorHeaderSerializer.h`` of 0.9.16.
"""

from __future__ import annotations

import asyncio
import struct
from enum import IntEnum

MAX_BACKLOG_BYTES = 512 << 20
"""A subscriber that reads no more is disconnected when this much waits for it."""
HEADER = struct.Struct("<QQd6f")
Pose6 = tuple[float, float, float, float, float, float]


class PayloadType(IntEnum):
    """Index of a sensor in LibCarla's ``SensorRegistry`` of 0.9.16; another one ends the client."""

    COLLISION = 0
    DEPTH_CAMERA = 1
    GNSS = 4
    IMU = 5
    RADAR = 9
    LIDAR = 11
    RGB_CAMERA = 13
    SEMANTIC_CAMERA = 14
    SNAPSHOT = 17


def token(stream_id: int, port: int) -> bytes:
    """Return the token of a stream; it leaves the address to the client, which takes that of its RPC connection.

    Args:
        stream_id: Of the stream.
        port: Of the streams.
    """
    return struct.pack("<IHBB16x", stream_id, port, 1, 0)


def message(kind: PayloadType, frame: int, time_s: float, pose: Pose6, payload: bytes) -> bytes:
    """Return a message with its length and header.

    Args:
        kind: Of the payload.
        frame: Of the tick.
        time_s: Simulated time.
        pose: x, y, z in m, pitch, yaw, roll in degrees, CARLA's left-handed frame.
        payload: Of the sensor.
    """
    header = HEADER.pack(kind, frame, time_s, *pose)
    return struct.pack("<I", len(header) + len(payload)) + header + payload


class StreamHub:
    """Connects subscribers and streams by number."""

    def __init__(self) -> None:
        self._subscribers: dict[int, list[asyncio.StreamWriter]] = {}
        self._known: set[int] = set()

    def open(self, stream_id: int) -> None:
        """Allow subscriptions of a stream.

        Args:
            stream_id: Of the stream.
        """
        self._known.add(stream_id)

    def close(self, stream_id: int) -> None:
        """End a stream and disconnect its subscribers.

        Args:
            stream_id: Of the stream.
        """
        self._known.discard(stream_id)
        for writer in self._subscribers.pop(stream_id, []):
            writer.close()

    def has_subscribers(self, stream_id: int) -> bool:
        """Return whether a client listens: other streams need not be rendered.

        Args:
            stream_id: Of the stream.
        """
        return bool(self._subscribers.get(stream_id))

    def send(self, stream_id: int, data: bytes) -> None:
        """Send a message to all subscribers of a stream.

        Args:
            stream_id: Of the stream.
            data: As ``message`` returns it.
        """
        for writer in list(self._subscribers.get(stream_id, [])):
            if writer.is_closing() or writer.transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
                writer.transport.abort()
                self._remove(stream_id, writer)
            else:
                writer.write(data)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one connection: the client sends the number of a stream and then only reads.

        Args:
            reader: From the client.
            writer: To the client.
        """
        stream_id = None
        try:
            (number,) = struct.unpack("<I", await reader.readexactly(4))
            if number in self._known:
                stream_id = number
                self._subscribers.setdefault(number, []).append(writer)
                while await reader.read(4096):
                    pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            if stream_id is not None:
                self._remove(stream_id, writer)
            writer.close()

    def _remove(self, stream_id: int, writer: asyncio.StreamWriter) -> None:
        writers = self._subscribers.get(stream_id, [])
        if writer in writers:
            writers.remove(writer)
