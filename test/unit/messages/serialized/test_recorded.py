"""Recorded messages with texts that are no UTF-8 are read, by the definitions in the bag."""

import numpy as np

from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.messages import encode_inputs
from transdiffuser_planner.messages.definitions import make_message, typestore


def test_texts_and_numbers_around_a_wrong_letter_are_read(tmp_path):
    objects = make_message(
        "sensor_msgs/msg/CompressedImage",
        header=encode_inputs.header(make_message, 12, "left_camera"),
        format="jpeg",
        data=np.arange(200, dtype=np.uint8),
    )
    kind = "sensor_msgs/msg/CompressedImage"
    raw = bytes(typestore().serialize_cdr(objects, kind)).replace(b"left_camera", b"left_\xe4amera")
    with BagWriter(tmp_path / "bag") as writer:
        writer.write_raw("/image", kind, 12, raw)
    with BagReader(tmp_path / "bag") as bag:
        (item,) = bag.messages()
    assert item.message.header.frame_id == "left_\ufffdamera" and item.message.format == "jpeg"
    np.testing.assert_array_equal(item.message.data, objects.data)
