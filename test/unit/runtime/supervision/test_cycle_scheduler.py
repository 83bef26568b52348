"""Decisions when frames arrive, arrive late, or do not arrive."""

from dataclasses import replace

import numpy as np
from straight_drive import RIG, START_NS, TICK_NS, ego, ground

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import CameraImage, PointCloud, Route
from transdiffuser_planner.runtime.supervision.cycle_scheduler import CycleDecision, CycleScheduler

CONFIG = PlannerConfig()


def feed(scheduler: CycleScheduler, index: int, shift_ns: int = 0) -> None:
    """Add a whole frame."""
    state = ego(index)
    stamp_ns = state.stamp_ns + shift_ns
    scheduler.assembler.add_odometry(replace(state, stamp_ns=stamp_ns))
    for camera in RIG.cameras:
        rgb = np.zeros((camera.height, camera.width, 3), dtype=np.uint8)
        scheduler.assembler.add_image(CameraImage(stamp_ns=stamp_ns, name=camera.name, rgb_HW3=rgb))
    scheduler.assembler.add_cloud(PointCloud(stamp_ns=stamp_ns, xyz_N3=ground()))


def drive(scheduler: CycleScheduler, first: int, end: int, shift_ns: int = 0) -> list[CycleDecision]:
    """Add regular frames; returns the decisions."""
    found = []
    for index in range(first, end):
        feed(scheduler, index, shift_ns)
        decision = scheduler.poll(START_NS + index * TICK_NS + shift_ns)
        found += [] if decision is None else [decision]
    return found


def without_frames(scheduler: CycleScheduler, first: int, end: int) -> list[CycleDecision]:
    """Poll without frames; returns the decisions."""
    decisions = [scheduler.poll(START_NS + index * TICK_NS) for index in range(first, end)]
    return [decision for decision in decisions if decision is not None]


def test_missing_frames_are_answered_with_a_stop_once_per_cycle() -> None:
    scheduler = CycleScheduler(RIG, CONFIG)
    assert all(decision.request for decision in drive(scheduler, 0, 5))
    decisions = without_frames(scheduler, 5, 15)
    assert len(decisions) == 5 and all(decision.must_stop and not decision.has_frame for decision in decisions)
    assert all("no new sensor frame for" in decision.reason for decision in decisions)


def test_a_frame_that_arrives_after_a_fallback_for_its_time_is_not_planned_from() -> None:
    scheduler = CycleScheduler(RIG, CONFIG)
    drive(scheduler, 0, 5)
    last = without_frames(scheduler, 5, 12)[-1]
    feed(scheduler, 10)
    assert scheduler.poll(last.stamp_ns + TICK_NS // 2) is None
    feed(scheduler, 11)
    late = scheduler.poll(last.stamp_ns + TICK_NS)
    assert late is not None and late.request is None and "after a fallback for its time" in late.reason
    assert late.stamp_ns > last.stamp_ns
    feed(scheduler, 14)
    decision = scheduler.poll(START_NS + 14 * TICK_NS)
    assert decision is not None and decision.request is not None and decision.stamp_ns > late.stamp_ns


def test_planning_follows_a_clock_that_jumps_back_and_missing_frames_are_detected() -> None:
    scheduler, back_ns = CycleScheduler(RIG, CONFIG), -30 * 10**9
    drive(scheduler, 0, 400)
    decisions = drive(scheduler, 400, 405, back_ns)
    requests = [decision.request for decision in decisions if decision.request is not None]
    assert len(requests) >= len(decisions) - 1 and any(request.forget for request in requests)
    silent = [scheduler.poll(START_NS + index * TICK_NS + back_ns) for index in range(405, 420)]
    assert sum(decision is not None for decision in silent) >= 8


def test_a_withdrawn_route_is_masked() -> None:
    scheduler = CycleScheduler(RIG, CONFIG)
    scheduler.assembler.add_route(Route(stamp_ns=START_NS, frame_id="map", xy_N2=np.asarray([[0.0, 0.0], [90.0, 0.0]])))
    request = drive(scheduler, 0, 1)[-1].request
    assert request is not None and "route" not in request.snapshot.missing
    assert scheduler.assembler.add_route(Route(stamp_ns=START_NS, frame_id="map", xy_N2=np.zeros((0, 2)))) is None
    request = drive(scheduler, 1, 2)[-1].request
    assert request is not None and "route" in request.snapshot.missing


def test_a_stationary_vehicle_whose_inputs_are_starting_gets_no_fallback_and_a_moving_one_does() -> None:
    for speed_mps, is_published in ((0.0, False), (6.0, True)):
        scheduler = CycleScheduler(RIG, CONFIG)
        state = replace(ego(0), vx_mps=speed_mps)
        scheduler.assembler.add_odometry(state)
        scheduler.assembler.add_cloud(PointCloud(stamp_ns=state.stamp_ns, xyz_N3=ground()))
        assert scheduler.stop_waiting(state.stamp_ns) is None
        assert scheduler.poll(state.stamp_ns) is None
        decision = scheduler.stop_waiting(state.stamp_ns)
        assert decision is not None and decision.request is None and "cameras, need 1" in decision.reason
        assert (decision.fallback_to_publish(has_published=False) is not None) == is_published
        assert decision.fallback_to_publish(has_published=True) is not None


def test_missing_frames_are_detected_on_a_clock_that_begins_at_zero() -> None:
    scheduler = CycleScheduler(RIG, CONFIG)
    drive(scheduler, 0, 3, -START_NS)
    decisions = [scheduler.poll(index * TICK_NS) for index in range(3, 13)]
    assert sum(decision is not None and not decision.has_frame for decision in decisions) >= 3


def test_simulated_time_that_begins_is_no_silence_of_the_sensors() -> None:
    scheduler = CycleScheduler(RIG, CONFIG)
    assert scheduler.poll(0) is None  # before the first message on /clock
    assert scheduler.assembler.add_odometry(ego(0)) is None
    assert scheduler.poll(START_NS) is None
    later = [scheduler.poll(START_NS + index * TICK_NS) for index in range(1, 13)]
    assert any(decision is not None and "no new sensor frame for" in decision.reason for decision in later)


def test_the_next_poll_is_near_only_while_a_frame_is_incomplete_or_overdue() -> None:
    scheduler = CycleScheduler(RIG, CONFIG)
    drive(scheduler, 0, 5)
    now_ns = START_NS + 4 * TICK_NS
    assert scheduler.next_poll_s(now_ns) == TICK_NS * 1e-9
    assert abs(scheduler.next_poll_s(now_ns + TICK_NS // 2) - 0.5e-9 * TICK_NS) < 1e-9
    near_s = scheduler.next_poll_s(now_ns + 2 * TICK_NS)
    assert near_s < 0.25e-9 * TICK_NS
    scheduler.assembler.add_cloud(PointCloud(stamp_ns=now_ns + TICK_NS, xyz_N3=ground()))
    assert scheduler.poll(now_ns + TICK_NS) is None and scheduler.next_poll_s(now_ns + TICK_NS) == near_s
    assert scheduler.next_poll_s(now_ns - 50 * TICK_NS) <= TICK_NS * 1e-9  # the clock has jumped back


def test_polls_when_due_detect_missing_frames_in_every_cycle() -> None:
    scheduler = CycleScheduler(RIG, CONFIG)
    drive(scheduler, 0, 5)
    now_ns, decisions = START_NS + 4 * TICK_NS, []
    while now_ns < START_NS + 20 * TICK_NS:
        now_ns += round(scheduler.next_poll_s(now_ns) * 1e9)
        decision = scheduler.poll(now_ns)
        decisions += [] if decision is None else [decision.stamp_ns]
    intervals = np.diff(decisions)
    assert len(decisions) >= 10 and intervals.max() <= 1.2 * TICK_NS
