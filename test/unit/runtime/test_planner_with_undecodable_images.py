"""An image that turns out to be damaged when it is planned from masks its camera, and is counted once."""

import io
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from shared_model import planner_loader
from straight_drive import RIG, snapshot

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import FallbackLevel, SensorSnapshot
from transdiffuser_planner.messages import decode_inputs, encode_inputs
from transdiffuser_planner.messages.definitions import make_message
from transdiffuser_planner.planning.observation.feature_builder import FeatureBuilder
from transdiffuser_planner.runtime.cycle.plan_history import PlanHistory
from transdiffuser_planner.runtime.supervision.model_manager import ModelManager
from transdiffuser_planner.runtime.supervision.supervisor import PlanningRequest, Supervisor

CONFIG = PlannerConfig(num_threads=1, num_candidates=6, num_denoise_steps=2)
LOST = "camera 'rgb_left': JPEG is damaged or cut off, it cannot be decoded"
PATIENCE_S = 90.0


def jpeg(name: str, stamp_ns: int, share: float):
    """An image of a camera of which only a share has arrived."""
    camera = next(camera for camera in RIG.cameras if camera.name == name)
    noise = np.random.default_rng(5).integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG")
    data = np.frombuffer(buffer.getvalue(), dtype=np.uint8)
    header = encode_inputs.header(make_message, stamp_ns, name)
    message = make_message(
        "sensor_msgs/msg/CompressedImage", header=header, format="jpeg", data=data[: int(share * len(data))]
    )
    return decode_inputs.image(message, name)


def with_left_image(index: int, share: float = 0.5) -> SensorSnapshot:
    whole = snapshot(index)
    return replace(whole, images={**whole.images, "rgb_left": jpeg("rgb_left", whole.stamp_ns, share)})


def without_left_camera(index: int) -> SensorSnapshot:
    whole = snapshot(index)
    images = {name: image for name, image in whole.images.items() if name != "rgb_left"}
    return replace(whole, images=images, missing=("rgb_left", *whole.missing))


@pytest.fixture
def planner():
    return planner_loader("tiny", RIG)(CONFIG, PlanHistory())


def test_its_camera_is_masked_as_if_it_were_missing_and_the_reason_given_once(planner):
    damaged = with_left_image(3)
    result = planner.plan(damaged)
    assert result.fallback_level == FallbackLevel.NONE and result.provenance.missing[0] == "rgb_left"
    assert planner.pop_refused() == [LOST] and planner.pop_refused() == []
    planner.plan(damaged)
    assert planner.pop_refused() == []
    planner.reset()
    planner.memory.reset()
    expected = planner.plan(without_left_camera(3))
    np.testing.assert_array_equal(result.trajectory.x_m_T, expected.trajectory.x_m_T)


def test_a_good_image_is_used(planner):
    result = planner.plan(with_left_image(3, share=1.0))
    assert "rgb_left" not in result.provenance.missing and planner.pop_refused() == []


def test_features_of_samples_are_masked_too(planner):
    builder = FeatureBuilder(planner.contract, RIG)
    found, expected = (builder.build(s) for s in (with_left_image(3), without_left_camera(3)))
    np.testing.assert_array_equal(found["image"], expected["image"])
    np.testing.assert_array_equal(found["camera_valid"], expected["camera_valid"])


def test_too_few_cameras_are_no_plan(planner):
    planner.config = replace(CONFIG, min_cameras=3)
    with pytest.raises(InputError, match=f"2 cameras, need 3; {LOST}"):
        planner.plan(with_left_image(3))


def test_the_supervisor_answers_with_a_fallback_and_keeps_the_session():
    answers, reports, refused, pause = [], [], [], threading.Event()
    config = replace(CONFIG, min_cameras=3, deadline_ms=1000.0, anytime=False)
    manager = ModelManager(planner_loader("tiny", RIG), config, lambda *words: reports.append(words))
    supervisor = Supervisor(
        manager, RIG, lambda result, _: answers.append(result), lambda *words: reports.append(words), refused.append
    )
    try:
        for index in range(1, 5):
            supervisor.submit(PlanningRequest(snapshot=with_left_image(index), arrived_s=time.perf_counter()))
            end_s = time.monotonic() + PATIENCE_S
            while len(refused) < index or len(answers) < index:
                assert time.monotonic() < end_s, (answers, refused)
                pause.wait(0.01)
    finally:
        supervisor.stop()
        manager.end()
    assert refused == [LOST] * 4 and manager.num_replaced == 0 and not [r for r in reports if "planning failed" in r[1]]
    assert all(answer.fallback_level != FallbackLevel.NONE for answer in answers)
