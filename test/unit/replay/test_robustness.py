"""Bags as recorded by real vehicles: every container, and every kind of damage."""

import copy
import itertools
import re
import shutil

import pytest
import yaml
from replay_bags import CAMERAS, RIG, TOPICS, as_it_is, encoded, rewritten

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.errors import RecordingError
from transdiffuser_planner.core.types import FallbackLevel
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.messages import decode_outputs
from transdiffuser_planner.messages.definitions import make_message
from transdiffuser_planner.messages.encode_outputs import OUTPUT_NAMESPACE
from transdiffuser_planner.replay.runner import ReplayJob, replay

pytestmark = pytest.mark.slow

CONTAINERS = [
    ("mcap", "none", 1), ("mcap", "file", 1), ("mcap", "message", 1), ("mcap", "storage", 1), ("mcap", "storage", 3),
    ("sqlite3", "none", 1), ("sqlite3", "file", 1), ("sqlite3", "message", 1), ("sqlite3", "file", 3),
]  # fmt: skip


def content(path):
    with BagReader(path) as reader:
        return [
            (item.topic, item.log_time_ns, bytes(item.raw)) for item in reader.messages(decoded=set())
        ], reader.damage


def one_line(error):
    text = str(error.value)
    assert "\n" not in text and "Traceback" not in text
    return text


def replayed_as(planner, path, **options):
    return replay(ReplayJob(bag=path, topics=TOPICS, rig=RIG, **options), planner)


@pytest.fixture(scope="module")
def brief(short_bag, tmp_path_factory):
    """One second: small, for tests of containers."""
    out = tmp_path_factory.mktemp("brief") / "brief"
    return rewritten(short_bag, out, lambda item, s: as_it_is(item) if s <= 1.0 else [])


@pytest.mark.parametrize(("storage", "compression", "num_files"), CONTAINERS)
def test_every_container_gives_the_same_messages(storage, compression, num_files, brief, tmp_path):
    out = rewritten(brief, tmp_path / "bag", storage=storage, compression=compression, num_files=num_files)
    assert content(out) == content(brief)


@pytest.mark.parametrize(("storage", "pattern"), [("mcap", "*.mcap"), ("sqlite3", "*.db3")])
def test_a_single_file_and_a_folder_without_metadata_are_read(storage, pattern, brief, tmp_path):
    out = rewritten(brief, tmp_path / "bag", storage=storage, num_files=2)
    (out / "metadata.yaml").unlink()
    found, damage = content(out)
    assert found == content(brief)[0] and not damage
    with BagReader(out) as reader:
        assert any("metadata.yaml is missing" in note for note in reader.notes)
    first = sorted(out.glob(pattern))[0]
    assert content(first)[0] == found[: len(content(first)[0])]


def test_a_single_compressed_file_is_read(brief, tmp_path):
    out = rewritten(brief, tmp_path / "bag", compression="file")
    assert content(next(out.glob("*.mcap.zstd")))[0] == content(brief)[0]


def test_an_sqlite3_bag_gives_the_same_plans_as_an_mcap_bag(brief, planner, tmp_path):
    out = rewritten(brief, tmp_path / "bag", storage="sqlite3", compression="message")
    assert replayed_as(planner, out).plan_hash == replayed_as(planner, brief).plan_hash


def test_a_split_bag_whose_last_file_was_cut_off_is_read_up_to_there(brief, tmp_path):
    out = rewritten(brief, tmp_path / "bag", compression="storage", num_files=3)
    last = sorted(out.glob("*.mcap"))[-1]
    last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    found, damage = content(out)
    assert len(content(brief)[0]) // 2 < len(found) < len(content(brief)[0])
    assert last.name in damage and "ends in the middle" in damage


@pytest.mark.parametrize("compression", ["none", "storage"])
def test_a_cut_off_file_whose_messages_lie_a_little_out_of_order_loses_only_its_end(compression, brief, tmp_path):
    count = itertools.count()

    def change(item, _):
        topic, kind, log_ns, data = as_it_is(item)[0]
        return [(topic, kind, log_ns + (0 if next(count) % 7 else 500_000), data)]

    out = rewritten(brief, tmp_path / "bag", change, compression=compression)
    whole = content(out)[0]
    file = next(out.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * 0.8)])
    found, damage = content(out)
    assert len(found) > 0.5 * len(whole) and "ends in the middle" in damage
    assert set(found) <= set(whole)
    stamps = [log_ns for _, log_ns, _ in found]
    assert stamps == sorted(stamps)


@pytest.mark.parametrize("share", [0.0, 0.0005, 0.3, 0.97])
@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_truncated_file_is_read_as_far_as_possible_or_refused_in_one_line(storage, share, brief, tmp_path):
    out = rewritten(brief, tmp_path / "bag", storage=storage, compression="storage" if storage == "mcap" else "none")
    file = next(file for file in out.iterdir() if file.suffix in (".mcap", ".db3"))
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    try:
        found, damage = content(out)
    except RecordingError as error:
        assert "\n" not in str(error)
        assert share > 0.0 or "is empty (0 bytes)" in str(error)
    else:
        assert len(found) < len(content(brief)[0]) and damage


def test_empty_things_are_refused_in_one_line(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.mcap").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("hello")
    for name, expected in (
        ("folder", "is no rosbag2 folder"),
        ("file.mcap", "0 bytes"),
        ("notes.txt", "give a rosbag2 folder"),
    ):
        with pytest.raises(RecordingError, match=re.escape(expected)) as error:
            BagReader(tmp_path / name)
        one_line(error)


def test_a_bag_without_messages_fails_with_a_reason(brief, tmp_path, capsys):
    out = rewritten(brief, tmp_path / "bag", lambda item, s: [])
    assert main(["replay", str(out)]) == 2
    assert "holds no nav_msgs/Odometry" in capsys.readouterr().err
    assert main(["replay", "--inspect", str(out)]) == 1
    assert "the bag holds no message" in capsys.readouterr().out


def test_messages_show_their_compression_whatever_metadata_states(brief, tmp_path):
    out = rewritten(brief, tmp_path / "bag", compression="message")
    path = out / "metadata.yaml"
    data = yaml.safe_load(path.read_text())
    data["rosbag2_bagfile_information"]["compression_format"] = "fake_comp"
    path.write_text(yaml.safe_dump(data))
    assert content(out) == content(brief)


def test_chunks_of_an_unknown_compression_are_left_out_with_a_remedy(brief, tmp_path):
    out = rewritten(brief, tmp_path / "bag", compression="storage")
    file = next(out.glob("*.mcap"))
    file.write_bytes(file.read_bytes().replace(b"\x04\x00\x00\x00zstd", b"\x04\x00\x00\x00zzzz"))
    found, damage = content(out)
    assert not found and "unsupported compression 'zzzz'" in damage and "ros2 bag convert" in damage


def test_an_mcap_file_of_another_profile_is_read_by_its_schemas(brief, tmp_path):
    out = rewritten(brief, tmp_path / "bag")
    file = next(out.glob("*.mcap"))
    file.write_bytes(file.read_bytes().replace(b"\x04\x00\x00\x00ros2", b"\x04\x00\x00\x00ros1", 1))
    assert content(out) == content(brief)


def test_messages_that_do_not_fit_their_definition_are_counted_and_the_others_used(short_bag, planner, tmp_path):
    def change(item, since_s):
        row = as_it_is(item)[0]
        broken = item.topic == TOPICS.images["rgb_left"] and since_s > 2.5
        return [(*row[:3], row[3][:30])] if broken else [row]

    result = replayed_as(planner, rewritten(short_bag, tmp_path / "bag", change))
    assert result.num_plans >= 25 and not result.violations
    (reason,) = result.refused
    assert "does not fit its definition of sensor_msgs/msg/Image" in reason and result.refused[reason] >= 12


def test_definitions_that_do_not_fit_their_hash_are_replaced_by_this_versions_with_a_note(brief, tmp_path):
    out = rewritten(brief, tmp_path / "bag")
    file = next(out.glob("*.mcap"))
    # Same length, another meaning: it no longer matches the type's hash in the metadata.
    data = file.read_bytes().replace(b"float64 x\nfloat64 y", b"float32 x\nfloat64 y")
    file.write_bytes(data)
    with BagReader(out) as changed, BagReader(brief) as whole:
        places = [[m.message.pose.pose.position.x for m in bag.messages({TOPICS.odometry})] for bag in (changed, whole)]
        assert any("does not fit its hash" in note for note in changed.notes) and not changed.unreadable
    assert places[0] == places[1] and len(places[0]) > 10


def test_types_of_other_packages_are_taken_from_the_bag_and_copied_into_the_output(brief, planner, tmp_path):
    from rosbags.typesys import get_types_from_msg

    from transdiffuser_planner.messages.definitions import typestore

    name, topic = "vendor_msgs/msg/Oddity", "/vendor/oddity"
    store = typestore()
    if name not in store.fielddefs:
        store.register(get_types_from_msg("uint8[3] a\nstring b\n", name))
    import numpy as np

    oddity = store.types[name](a=np.asarray([1, 2, 3], dtype=np.uint8), b="text")

    def change(item, _):
        extra = [encoded(item, oddity, topic, name)] if item.topic == TOPICS.odometry else []
        return [*as_it_is(item), *extra]

    source = rewritten(brief, tmp_path / "bag", change)
    del store.types[name], store.fielddefs[name]
    replayed_as(planner, source, out=tmp_path / "out")
    with BagReader(tmp_path / "out") as reader:
        values = [item.message.b for item in reader.messages({topic})]
        assert values and set(values) == {"text"}
        assert "/clock" not in reader.topics()


def test_recorded_plans_become_the_reference(brief, planner, tmp_path):
    replayed_as(planner, brief, out=tmp_path / "first")
    replayed_as(planner, tmp_path / "first", out=tmp_path / "second")
    with BagReader(tmp_path / "second") as reader:
        topics = reader.topics()
    assert f"{OUTPUT_NAMESPACE}/trajectory" in topics and f"/reference{OUTPUT_NAMESPACE}/trajectory" in topics


def test_gaps_skip_frames_with_a_reason_and_planning_continues(short_bag, planner, tmp_path):
    def change(item, since_s):
        gone = (item.topic == TOPICS.odometry and 1.5 < since_s < 2.6) or (
            item.topic in CAMERAS and 3.5 < since_s < 4.1
        )
        return [] if gone else as_it_is(item)

    result = replayed_as(planner, rewritten(short_bag, tmp_path / "bag", change))
    assert 15 <= result.num_plans < 26 and not result.violations
    assert any("cameras, need 1" in reason for reason in result.fallbacks)
    assert result.drive.cycles[-1].plan is not None
    assert (
        result.num_plans + sum(n for r, n in result.metrics.skipped.items() if r.startswith(("no plan", "frame"))) >= 26
    )


def test_a_time_without_any_sensor_shows_as_the_longest_gap(short_bag, planner, tmp_path):
    sensors = {*CAMERAS, TOPICS.lidar}
    change = lambda item, s: [] if item.topic in sensors and 1.5 < s < 3.5 else as_it_is(item)  # noqa: E731
    result = replayed_as(planner, rewritten(short_bag, tmp_path / "bag", change))
    assert 2.0 <= result.metrics.totals["longest_gap_s"] <= 2.5  # frames are 0.2 s apart
    assert 1.0 < result.drive.longest_gap[1] < 1.6
    silent = [cycle for cycle in result.drive.cycles if not cycle.has_frame]
    assert 14 <= len(silent) <= 18 and all("no new sensor frame for" in cycle.reason for cycle in silent)
    assert all(cycle.fallback != FallbackLevel.NONE for cycle in silent)


def test_fallbacks_without_lidar_are_written_and_reported(short_bag, planner, tmp_path):
    """The vehicle moves, so the node publishes fallbacks down to a stop, instead of only being not ready."""
    change = lambda item, s: [] if item.topic == TOPICS.lidar and s > 1.5 else as_it_is(item)  # noqa: E731
    bag, out = rewritten(short_bag, tmp_path / "bag", change), tmp_path / "out"
    result = replayed_as(planner, bag, out=out)
    num_fallbacks = sum(result.fallbacks.values())
    assert 7 <= result.num_plans <= 13 and num_fallbacks >= 12 and not result.not_ready and not result.violations
    assert all("lidar is missing" in reason for reason in result.fallbacks)
    assert (
        result.fallback_levels[FallbackLevel.NONE] <= result.num_plans
        and result.fallback_levels[FallbackLevel.COMFORTABLE_STOP] >= 4
    )
    assert result.metrics.totals["num_fallbacks"] == num_fallbacks
    assert any(reason.startswith("no plan, comfortable stop published: lidar") for reason in result.metrics.skipped)
    with BagReader(out) as reader:
        plans = [item.message for item in reader.messages({f"{OUTPUT_NAMESPACE}/trajectory"})]
    assert len(plans) == result.num_plans + num_fallbacks
    assert decode_outputs.trajectory(plans[-1]).speed_mps_T[-1] == 0.0


def test_a_camera_that_drops_out_is_masked_and_reported(short_bag, planner, tmp_path):
    dropped = TOPICS.images["rgb_right"]
    change = lambda item, s: [] if item.topic == dropped and s > 2.0 else as_it_is(item)  # noqa: E731
    result = replayed_as(planner, rewritten(short_bag, tmp_path / "bag", change))
    assert result.num_plans >= 25 and not result.violations
    with_it = [cycle for cycle in result.drive.cycles if "rgb_right" in cycle.plan.ages_s]
    assert 12 <= len(with_it) <= 14, "its last image is used up to max_sensor_age_s"


@pytest.mark.parametrize("jump_s", [-30, 30])
def test_stamps_that_jump_start_over_without_a_wrong_plan(jump_s, short_bag, planner, tmp_path):
    def change(item, since_s):
        if not hasattr(item.message, "header"):
            return as_it_is(item)
        message = copy.deepcopy(item.message)
        message.header.stamp.sec += 100 + (jump_s if since_s >= 2.5 else 0)
        return [encoded(item, message)]

    result = replayed_as(planner, rewritten(short_bag, tmp_path / "bag", change))
    assert result.num_plans >= 20 and not result.violations
    stamps = [cycle.stamp_ns for cycle in result.drive.cycles]
    assert result.metrics.statistic("fde_1s_m", "max") < 3.0, "plans are compared across the jump"
    assert max(abs(b - a) for a, b in itertools.pairwise(stamps)) > 25 * 10**9


def test_every_wrong_bag_is_one_line_and_status_2_on_the_command_line(brief, tmp_path, capsys):
    wrong = tmp_path / "wrong"
    shutil.copytree(brief, wrong)
    next(wrong.glob("*.mcap")).write_bytes(b"no bag at all, but long enough to be looked at twice")
    for path in (tmp_path / "nothing", wrong):
        assert main(["replay", str(path)]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_recorded_clock_changes_no_plan_and_is_not_copied(brief, planner, tmp_path):
    clock, kind = "/clock", "rosgraph_msgs/msg/Clock"
    count = itertools.count()

    def change(item, _):
        if item.topic == clock:
            return []
        wrong = make_message(
            "builtin_interfaces/msg/Time", sec=next(count) * 7919 % 10**6, nanosec=0
        )  # jumps to and fro
        return [*as_it_is(item), encoded(item, make_message(kind, clock=wrong), clock, kind)]

    out = rewritten(brief, tmp_path / "bag", change)
    result = replayed_as(planner, out, out=tmp_path / "out")
    assert result.plan_hash == replayed_as(planner, brief).plan_hash and not result.refused
    with BagReader(tmp_path / "out") as reader:
        assert clock not in reader.topics()
