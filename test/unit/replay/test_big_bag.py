"""A bag of 1 GB takes no more memory than a small one.

Its images are black and compress well, for fast writing and reading. A second test with images of noise and plans from all
frames runs only with TRANSDIFFUSER_BIG_BAG_GB set to a size, for example 2 (takes minutes).
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from replay_bags import TOPICS

from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.messages.definitions import make_message, typestore

MAX_MEMORY_MB = 550.0  # a frame is prepared while another is planned from
# Not ru_maxrss: a new process inherits that from its parent, here the whole test run.
CHILD = """
import sys
from pathlib import Path
from transdiffuser_planner.cli.main import main
status = main(sys.argv[1:])
peak_kb = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print("peak_mb", int(peak_kb) / 1024.0)
sys.exit(status)
"""


def peak_mb(words):
    run = subprocess.run([sys.executable, "-c", CHILD, *map(str, words)], capture_output=True, text=True, timeout=1800)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    print(run.stdout)
    return float(next(line for line in run.stdout.splitlines() if line.startswith("peak_mb")).split()[1])


def with_four_cameras(source, out):
    """Write the source with four black full-HD images at every odometry; return the number of added bytes."""
    kind, rows = "sensor_msgs/msg/Image", np.zeros((1080, 3 * 1920), dtype=np.uint8)
    header = next(read(source, TOPICS.odometry)).message.header
    black = make_message(kind, header=header, height=1080, width=1920, encoding="rgb8", is_bigendian=0, step=rows.shape[1],
                         data=rows.reshape(-1))  # fmt: skip
    raw, written = bytes(typestore().serialize_cdr(black, kind)), 0
    with BagReader(source) as reader, BagWriter(out) as writer:
        for item in reader.messages(decoded=set()):
            writer.write_raw(item.topic, item.type_name, item.log_time_ns, item.raw)
            if item.topic == TOPICS.odometry:
                for camera in range(4):
                    writer.write_raw(f"/surround/camera{camera}/image", kind, item.log_time_ns, raw)
                    written += len(raw)
    return written


def test_a_bag_of_1_gb_is_inspected_replayed_and_copied_within_550_mb(short_bag, tmp_path):
    assert with_four_cameras(short_bag, tmp_path / "big") >= 1e9
    assert peak_mb(["replay", "--inspect", tmp_path / "big"]) < MAX_MEMORY_MB
    assert peak_mb(["replay", tmp_path / "big", "--out", tmp_path / "out"]) < MAX_MEMORY_MB


def read(bag, topic):
    with BagReader(bag) as reader:
        yield from reader.messages({topic})


@pytest.mark.skipif(
    not os.environ.get("TRANSDIFFUSER_BIG_BAG_GB"),
    reason="TRANSDIFFUSER_BIG_BAG_GB is not set; 2 writes and replays a 2 GB bag",
)
def test_memory_does_not_grow_with_the_bag(short_bag, tmp_path):
    from make_big_bag import make

    size = float(os.environ["TRANSDIFFUSER_BIG_BAG_GB"])
    written = make(Path(short_bag), tmp_path / "big", size)
    assert written >= size * 1e9
    assert peak_mb(["replay", tmp_path / "big"]) < MAX_MEMORY_MB
    assert peak_mb(["replay", "--inspect", tmp_path / "big"]) < MAX_MEMORY_MB
