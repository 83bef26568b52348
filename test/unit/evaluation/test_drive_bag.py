"""A closed-loop drive recorded as a bag holds what the simulator and the planner said."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("libsumo")
pytest.importorskip("embreex")
pytest.importorskip("rosbags")

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.paths import model_folder
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.evaluation.closed_loop import DriveJob, drive
from transdiffuser_planner.recording.bag_reader import BagReader
from transdiffuser_planner.recording.encode_plan import OUTPUT_NAMESPACE
from transdiffuser_planner.recording.topics import PARAMS, TopicMap
from transdiffuser_planner.simulation.scenario import draw_scenario

pytestmark = pytest.mark.slow


def test_a_short_drive_plans_every_frame_and_its_bag_holds_all_of_it(tmp_path: Path) -> None:
    scenario = draw_scenario(8101, duration_s=12.0)
    config = PlannerConfig(num_threads=1)
    rig = Rig.load(PARAMS / "rig_carla.yaml")
    result = drive(DriveJob(scenario=scenario, model=model_folder("tiny"), rig=rig, config=config, bag=tmp_path / "bag"))
    assert result.end_reason == "duration" and result.duration_s == 12.0
    topics = TopicMap.load(PARAMS / "topics_carla.yaml")
    with BagReader(tmp_path / "bag") as reader:
        assert topics.all_topics() <= set(reader.topics())
        stamps = [m.log_time_ns for m in reader.messages({f"{OUTPUT_NAMESPACE}/trajectory"})]
    assert len(stamps) >= 110 and set(np.diff(stamps)) == {100_000_000}
