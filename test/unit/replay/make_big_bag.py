"""Makes a bag of a given size from a small one: full-HD images, repeated frames. For the test of memory.

python test/unit/replay/make_big_bag.py SOURCE OUT GIGABYTES
"""

import copy
import sys
from pathlib import Path

import numpy as np
from replay_bags import CAMERAS, TOPICS

from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.messages.definitions import typestore

WIDTH, HEIGHT = 1920, 1080


def make(source: Path, out: Path, gigabytes: float) -> int:
    """Repeat the source with later stamps and large images until the bag is big enough; returns its size in bytes."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    store, noise = typestore(), np.random.default_rng(1).integers(0, 256, HEIGHT * WIDTH * 3, dtype=np.uint8)
    with BagReader(source) as reader:
        items = list(reader.messages())
    begin, end = items[0].log_time_ns, items[-1].log_time_ns
    written, round_ = 0, 0
    with Writer(out, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {}
        while written < gigabytes * 1e9:
            shift_ns = round_ * (end - begin + 100_000_000)
            for item in items:
                data = bytes(store.serialize_cdr(_changed(item, shift_ns, noise), item.type_name))
                if item.topic not in connections:
                    connections[item.topic] = writer.add_connection(item.topic, item.type_name, typestore=store)
                writer.write(connections[item.topic], item.log_time_ns + shift_ns, data)
                written += len(data)
            round_ += 1
    return written


def _changed(item, shift_ns, noise):
    message = copy.copy(item.message)
    if hasattr(message, "header"):
        message.header = copy.deepcopy(message.header)
        stamp_ns = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec + shift_ns
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    if item.topic in CAMERAS:
        message.width, message.height, message.step, message.encoding = WIDTH, HEIGHT, 3 * WIDTH, "rgb8"
        message.data = noise
    elif item.topic in TOPICS.camera_infos.values():
        scale = HEIGHT / message.height
        message.p, message.k = message.p * scale, message.k * scale
        message.p[[10]], message.k[[8]] = 1.0, 1.0
        message.width, message.height = WIDTH, HEIGHT
    return message


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))
