"""Damaged images of a bag are counted under one reason, and plans are made without them."""

import io

import numpy as np
from PIL import Image
from replay_bags import RIG, TOPICS, as_it_is, encoded, rewritten

from transdiffuser_planner.messages import decode_inputs
from transdiffuser_planner.messages.definitions import make_message
from transdiffuser_planner.replay.runner import ReplayJob, replay


def _as_jpeg(item, cut_off):
    buffer = io.BytesIO()
    Image.fromarray(decode_inputs.image(item.message, "").rgb_HW3).save(buffer, "JPEG", quality=95)
    data = np.frombuffer(buffer.getvalue(), dtype=np.uint8)
    message = make_message(
        "sensor_msgs/msg/CompressedImage",
        header=item.message.header,
        format="jpeg",
        data=data[: len(data) // 2 if cut_off else len(data)],
    )
    return [encoded(item, message, type_name="sensor_msgs/msg/CompressedImage")]


def _drive(short_bag, out, damaged):
    def change(item, since_s):
        if since_s > 1.0:
            return []
        return _as_jpeg(item, item.topic in damaged) if item.topic in TOPICS.images.values() else as_it_is(item)

    return rewritten(short_bag, out, change)


def test_one_camera_is_masked_and_named_and_two_replays_are_equal(short_bag, planner, tmp_path):
    bag = _drive(short_bag, tmp_path / "bag", {TOPICS.images["rgb_left"]})
    results = [replay(ReplayJob(bag=bag, topics=TOPICS, rig=RIG), planner) for _ in range(2)]
    (reason,) = results[0].refused
    assert reason == "camera 'rgb_left': JPEG is damaged or cut off, it cannot be decoded"
    assert results[0].refused[reason] == results[0].num_plans >= 5
    assert results[0].plan_hash == results[1].plan_hash and results[0].refused == results[1].refused


def test_without_any_image_there_are_fallbacks_with_the_reason(short_bag, planner, tmp_path):
    bag = _drive(short_bag, tmp_path / "bag", set(TOPICS.images.values()))
    result = replay(ReplayJob(bag=bag, topics=TOPICS, rig=RIG), planner)
    assert len(result.refused) == 3
    assert not result.num_plans and sum(result.fallbacks.values()) >= 5
    assert all(reason.startswith("0 cameras, need 1; camera '") for reason in result.fallbacks)
