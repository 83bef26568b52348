"""Makes the golden drive: a few seconds of simulated traffic, thinned to fit into the repository.

    .venv/bin/python test/golden/make_golden_drive.py          # the bag, then its plans and baseline
    .venv/bin/transdiffuser replay test/golden/town_drive --golden test/golden/plans.json --update   # its plans alone

Images are JPEG, points are every third one on a grid of 1/64 m. Run it again only when the format of bags changes: what the
planner sees must stay the same for golden plans to mean something.
"""

import dataclasses
import io
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.messages import decode_inputs
from transdiffuser_planner.messages.definitions import make_message
from transdiffuser_planner.messages.topic_map import TopicMap, preset_files
from transdiffuser_planner.simulation.expert_recorder import RecordingPlan, record
from transdiffuser_planner.simulation.scenario import draw_scenario

HERE = Path(__file__).resolve().parent
DRIVE, PLANS, BASELINE = HERE / "town_drive", HERE / "plans.json", HERE / "baseline.yaml"
SEED, DURATION_S, SENSOR_EVERY = 8110, 12.0, 4
POINT_STRIDE, POINTS_PER_M, JPEG_QUALITY = 3, 64.0, 85
SOURCE_TOPICS_ONLY = {"/clock", "/carla/traffic_lights/info", "/carla/traffic_lights/status"}


def thinned_cloud(message):
    """Every third point, on a grid that compresses well."""
    xyz = decode_inputs.point_cloud(message).xyz_N3[::POINT_STRIDE]
    xyz = np.round(xyz * POINTS_PER_M).astype(np.float32) / np.float32(POINTS_PER_M)
    fields = [dataclasses.replace(f, offset=4 * i) for i, f in enumerate(f for f in message.fields if f.name in "xyz")]
    data = np.frombuffer(np.ascontiguousarray(xyz, dtype="<f4").tobytes(), dtype=np.uint8)
    return dataclasses.replace(
        message, fields=fields, height=1, width=len(xyz), point_step=12, row_step=12 * len(xyz), data=data
    )


def jpeg(message, name):
    """An image as sensor_msgs/CompressedImage."""
    buffer = io.BytesIO()
    Image.fromarray(decode_inputs.image(message, name).rgb_HW3).save(buffer, "JPEG", quality=JPEG_QUALITY)
    data = np.frombuffer(buffer.getvalue(), dtype=np.uint8)
    return make_message("sensor_msgs/msg/CompressedImage", header=message.header, format="jpeg", data=data)


def make(seed=SEED, drive=DRIVE):
    """Record and thin the bag."""
    topics, rig = (kind.load(path) for kind, path in zip((TopicMap, Rig), preset_files("carla"), strict=True))
    cameras = {topic: name for name, topic in topics.images.items()}
    scenario = draw_scenario(seed, duration_s=DURATION_S)
    with tempfile.TemporaryDirectory() as folder:
        plan = RecordingPlan(scenario=scenario, rig=rig, out=Path(folder), sensor_every=SENSOR_EVERY, variants=(0,))
        source = record(plan)[0]
        shutil.rmtree(drive, ignore_errors=True)
        with BagReader(source) as reader, BagWriter(drive) as writer:
            for item in reader.messages():
                kind, message = item.type_name, item.message
                if item.topic in SOURCE_TOPICS_ONLY:
                    continue
                if item.topic in cameras:
                    kind, message = "sensor_msgs/msg/CompressedImage", jpeg(message, cameras[item.topic])
                elif item.topic == topics.lidar:
                    message = thinned_cloud(message)
                writer.write(item.topic, kind, item.log_time_ns, message)


if __name__ == "__main__":
    make()
    sys.exit(main(["replay", str(DRIVE), "--golden", str(PLANS), "--baseline", str(BASELINE), "--update"]))
