"""Requests from untrusted bytes, replies in LibCarla's forms, sizes of what is streamed."""

from __future__ import annotations

import struct

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transdiffuser_planner.integrations.carla_server.protocol import payloads, snapshot, streams
from transdiffuser_planner.integrations.carla_server.protocol.messages import (
    ProtocolError,
    RequestReader,
    error_result,
    reply,
    value_result,
    void_result,
)


def test_requests_arrive_in_pieces_and_several_at_once() -> None:
    packed = b"".join(msgpack.packb([0, n, "version", [[n == 1], n]]) for n in (1, 2))
    reader = RequestReader()
    found = [request for byte in packed for request in reader.feed(bytes([byte]))]
    assert [(r.number, r.method, r.arguments) for r in found] == [(1, "version", [1]), (2, "version", [2])]


@pytest.mark.parametrize(
    "item",
    [
        3,
        "x",
        [],
        [1, 1, "version", []],
        [0, -1, "version", []],
        [0, True, "a", []],
        [0, 1, b"\xff", []],
        [0, 1, "a", 3],
    ],
)
def test_what_is_no_request_is_refused(item) -> None:
    with pytest.raises(ProtocolError):
        list(RequestReader().feed(msgpack.packb(item)))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_protocol_error(data: bytes) -> None:
    try:
        for request in RequestReader().feed(data):
            assert isinstance(request.method, str)
    except ProtocolError:
        pass


def test_a_huge_announcement_is_refused_at_once() -> None:
    with pytest.raises(ProtocolError):
        list(RequestReader().feed(b"\xdd\xff\xff\xff\xff" + b"\x00" * 64))


def test_replies_have_the_forms_of_libcarla() -> None:
    assert msgpack.unpackb(reply(7, value_result("0.9.16"))) == [1, 7, None, [[1, "0.9.16"]]]
    assert msgpack.unpackb(reply(7, void_result())) == [1, 7, None, [[False]]]
    assert error_result("no", has_value=True) == [[0, ["no"]]] and error_result("no", has_value=False) == [
        [True, ["no"]]
    ]


def test_sizes_of_the_wire() -> None:
    assert len(streams.token(5, 2001)) == 24
    rows = [snapshot.ActorRow(actor_id=n, pose=(0.0,) * 6, detail=b"x" * n) for n in range(3)]
    assert len(snapshot.snapshot(1, 0.0, 0.05, rows)) == 36 + 3 * 119
    control = (0.5, 0.1, 0.0, False, True, False, -1)
    assert len(snapshot.vehicle_detail(control, 30.0, 2, None)) <= snapshot.UNION_BYTES
    light = snapshot.light_detail("a" * 40, (10.0, 3.0, 2.0), 1.0, is_frozen=True, pole=258, state=2)
    assert len(light) == snapshot.UNION_BYTES and light[31] == 0 and light[48:] == struct.pack("<I?B", 258, True, 2)


def test_images_are_bgra_and_clouds_are_counted_by_channel() -> None:
    rgb = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    data = payloads.image(rgb, 90.0)
    assert struct.unpack("<2If", data[:12]) == (3, 2, 90.0) and data[12:16] == bytes([2, 1, 0, 255])
    cloud = payloads.lidar(np.ones((3, 4), np.float32), np.asarray([1, 2]), 0.5)
    assert struct.unpack("<fIII", cloud[:16]) == (0.5, 2, 1, 2) and len(cloud) == 16 + 48
