"""What is due when frames come, come late, or do not come."""

from dataclasses import replace

import numpy as np
from straight_drive import RIG, START_NS, TICK_NS, ego, ground

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.types import CameraImage, PointCloud, Route
from transdiffuser_planner.runtime.frame_intake import Due, FrameIntake

CONFIG = PlannerConfig()


def feed(intake: FrameIntake, index: int, shift_ns: int = 0) -> None:
    """A whole frame."""
    state = ego(index)
    stamp_ns = state.stamp_ns + shift_ns
    intake.assembler.add_odometry(replace(state, stamp_ns=stamp_ns))
    for camera in RIG.cameras:
        rgb = np.zeros((camera.height, camera.width, 3), dtype=np.uint8)
        intake.assembler.add_image(CameraImage(stamp_ns=stamp_ns, name=camera.name, rgb_HW3=rgb))
    intake.assembler.add_cloud(PointCloud(stamp_ns=stamp_ns, xyz_N3=ground()))


def drive(intake: FrameIntake, first: int, end: int, shift_ns: int = 0) -> list[Due]:
    """Frames as they should come; what was due."""
    found = []
    for index in range(first, end):
        feed(intake, index, shift_ns)
        due = intake.poll(START_NS + index * TICK_NS + shift_ns)
        found += [] if due is None else [due]
    return found


def silence(intake: FrameIntake, first: int, end: int) -> list[Due]:
    """No frame; what was due."""
    dues = [intake.poll(START_NS + index * TICK_NS) for index in range(first, end)]
    return [due for due in dues if due is not None]


def test_silence_is_answered_with_a_stop_once_per_cycle() -> None:
    intake = FrameIntake(RIG, CONFIG)
    assert all(due.job for due in drive(intake, 0, 5))
    dues = silence(intake, 5, 15)
    assert len(dues) == 5 and all(due.must_stop and "no new sensor frame for" in due.reason for due in dues)


def test_a_frame_that_comes_after_a_fallback_for_its_time_is_not_planned_from() -> None:
    intake = FrameIntake(RIG, CONFIG)
    drive(intake, 0, 5)
    last = silence(intake, 5, 12)[-1]
    feed(intake, 10)
    assert intake.poll(last.stamp_ns + TICK_NS // 2) is None
    feed(intake, 11)
    late = intake.poll(last.stamp_ns + TICK_NS)
    assert late is not None and late.job is None and "after a fallback for its time" in late.reason
    assert late.stamp_ns > last.stamp_ns
    feed(intake, 14)
    due = intake.poll(START_NS + 14 * TICK_NS)
    assert due is not None and due.job is not None and due.stamp_ns > late.stamp_ns


def test_a_clock_that_jumps_back_after_long_is_planned_by_and_silence_is_noticed() -> None:
    intake, back_ns = FrameIntake(RIG, CONFIG), -30 * 10**9
    drive(intake, 0, 400)
    dues = drive(intake, 400, 405, back_ns)
    assert all(due.job for due in dues[1:]) and any(due.job.forget for due in dues if due.job)
    silent = [intake.poll(START_NS + index * TICK_NS + back_ns) for index in range(405, 420)]
    assert sum(due is not None for due in silent) >= 8


def test_a_withdrawn_route_is_masked() -> None:
    intake = FrameIntake(RIG, CONFIG)
    intake.assembler.add_route(Route(stamp_ns=START_NS, frame_id="map", xy_N2=np.asarray([[0.0, 0.0], [90.0, 0.0]])))
    job = drive(intake, 0, 1)[-1].job
    assert job is not None and "route" not in job.snapshot.missing
    assert intake.assembler.add_route(Route(stamp_ns=START_NS, frame_id="map", xy_N2=np.zeros((0, 2)))) is None
    job = drive(intake, 1, 2)[-1].job
    assert job is not None and "route" in job.snapshot.missing
