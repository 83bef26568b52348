"""Inspection of a bag before a replay: rates, gaps, clock problems, used and missing inputs."""

import copy

import pytest
from replay_bags import CAMERAS, TOPICS, as_it_is, encoded, rewritten

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.replay.bag_inspection import inspect, lines


def inspected(path, **options):
    with BagReader(path) as reader:
        found = inspect(reader, **options)
    return found, "\n".join(lines(found))


def test_a_sound_bag_shows_rates_and_what_is_used(bag):
    found, text = inspected(bag)
    assert found.topics[TOPICS.lidar].rate_hz == pytest.approx(5.0, abs=0.1)
    assert found.choice.name == "carla" and not found.absent and not found.why_not
    assert f"{TOPICS.lidar} " in text and "<- lidar" in text and "missing nothing" in text
    assert not any(facts.problems() for facts in found.topics.values())
    assert "/clock was recorded" in text


def test_gaps_and_absent_cameras_are_found(bag, tmp_path):
    dropped = TOPICS.images["rgb_left"]

    def change(item, since_s):
        gone = item.topic == dropped or (item.topic == TOPICS.lidar and 4.0 < since_s < 7.0)
        return [] if gone else as_it_is(item)

    found, text = inspected(rewritten(bag, tmp_path / "holes", change))
    assert found.topics[TOPICS.lidar].gaps() == [pytest.approx((4.0, 3.0), abs=0.25)]
    assert found.absent == ["camera 'rgb_left'"]
    assert "missing camera 'rgb_left'" in text and "1 gaps, the longest" in text


def test_clock_problems_are_found(bag, tmp_path):
    def change(item, since_s):
        message = copy.deepcopy(item.message)
        if item.topic == TOPICS.lidar:  # another clock
            message.header.stamp.sec += 1000
        elif item.topic in CAMERAS and 5.0 < since_s < 6.0:  # back in time
            message.header.stamp.sec -= 3
        elif item.topic == TOPICS.odometry and since_s < 1.0:
            message.header.stamp.sec = message.header.stamp.nanosec = 0
        else:
            return as_it_is(item)
        return [encoded(item, message)]

    found, text = inspected(rewritten(bag, tmp_path / "clocks", change))
    assert any("log time is -1000.000 s from the stamps" in p for p in found.topics[TOPICS.lidar].problems())
    assert any("jump back by more than 1 s" in p for p in found.topics[TOPICS.images["rgb_left"]].problems())
    assert any("stamps are zero" in p for p in found.topics[TOPICS.odometry].problems())
    assert f"{TOPICS.lidar}: no stamp lies within the odometry's time" in text


def test_a_bag_that_cannot_be_replayed_gives_a_reason_and_a_status(bag, tmp_path, capsys):
    rest = rewritten(bag, tmp_path / "rest", lambda item, _: [] if item.topic == TOPICS.odometry else as_it_is(item))
    assert main(["replay", "--inspect", str(rest)]) == 1
    assert "cannot be replayed unchanged" in capsys.readouterr().out
    assert main(["replay", "--inspect", str(bag)]) == 0
