"""Bags of a suite's rollouts hold the messages of simulator and planner."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("libsumo")
pytest.importorskip("embreex")
pytest.importorskip("rosbags")

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.messages.encode_outputs import OUTPUT_NAMESPACE
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.params import TOPICS

pytestmark = pytest.mark.slow


def _stamps(bag: Path, topic: str) -> list[int]:
    with BagReader(bag) as reader:
        return [message.log_time_ns for message in reader.messages({topic})]


def test_a_suite_records_the_drives_of_models(tmp_path: Path) -> None:
    suite = ["evaluate", "suite", "--seeds", "8101:8102", "--duration", "10", "--planner", "tiny", "constant-velocity"]
    suite += ["--plan-every", "2", "--workers", "1", "--out", str(tmp_path / "run"), "--bags", str(tmp_path / "bags")]
    assert main(suite) == 0
    (bag,) = (tmp_path / "bags").glob("*/*")
    assert bag == tmp_path / "bags" / "tiny_5_Hz" / "seed08101"
    topics = TopicMap.load(TOPICS / "carla.yaml")
    with BagReader(bag) as reader:
        assert topics.all_topics() <= set(reader.topics())
    plan_stamps = _stamps(bag, f"{OUTPUT_NAMESPACE}/trajectory")
    assert len(plan_stamps) >= 45 and set(np.diff(plan_stamps)) == {200_000_000}
    assert set(np.diff(_stamps(bag, topics.odometry))) == {100_000_000}
    written = bag.stat().st_mtime_ns
    assert main(suite) == 0
    assert bag.stat().st_mtime_ns == written


def test_bags_with_ray_are_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "suite", "val20", "--out", "x", "--bags", "y", "--ray"]) == 2
    assert "use --workers instead of --ray" in capsys.readouterr().err
