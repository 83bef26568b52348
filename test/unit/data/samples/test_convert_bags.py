"""Bags that cannot become samples are refused with what is wrong; folders of bags are found by their storage files."""

import pytest

pytest.importorskip("rosbags", reason="bags cannot be read without rosbags")

from bag_bytes import Layout, messages, write_bag
from replay_bags import RIG, TOPICS

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.data.samples.convert_bags import find_bags
from transdiffuser_planner.data.samples.sample_builder import DatasetJob, convert


def test_a_bag_of_other_topics_is_refused_with_those_that_it_has(tmp_path):
    bag = write_bag(tmp_path / "bag", messages(3), Layout())
    with pytest.raises(
        InputError, match=r"holds no odometry on '/carla/.*it has /a, .*choose --preset or give --topics"
    ):
        convert(DatasetJob(bag=bag, out=tmp_path / "out", rig=RIG, topics=TOPICS, contract=TINY))


def test_bags_without_metadata_are_found(tmp_path):
    bags = [write_bag(tmp_path / name, messages(3), Layout(metadata=None)) for name in ("one", "two")]
    assert find_bags([tmp_path]) == bags and find_bags(bags[:1]) == bags[:1]
