"""The simulator waits for the planner's answer, asleep and never for longer than the deadline."""

import threading
import time

import needs_ros  # noqa: F401
import pytest

from transdiffuser_planner.ros.frame_pacing import FramePacer

NEVER_S = 3600.0


def in_background(work):
    """Run in a thread; returns the thread and where its result is going to be."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    return thread, results


def published(pacer, stamp_ns=100):
    pacer.wait_until_due(stamp_ns)
    return in_background(lambda: pacer.wait_for_answer(is_expected=True))


def test_the_next_frame_waits_for_the_answer_and_its_command():
    pacer = FramePacer(NEVER_S, NEVER_S)
    thread, results = published(pacer)
    pacer.answered(99)  # of the frame before
    pacer.commanded()
    assert thread.is_alive() and not results
    pacer.answered(100)
    pacer.commanded()
    thread.join(60.0)
    assert results == [True]


def test_a_command_that_does_not_come_is_not_waited_for_long():
    pacer = FramePacer(NEVER_S, NEVER_S)
    thread, results = published(pacer)
    pacer.answered(100)
    thread.join(60.0)
    assert results == [True]


def test_a_planner_that_does_not_answer_is_waited_for_until_the_deadline_and_soon_not_at_all():
    pacer = FramePacer(0.002, 0.001)
    waits = []
    for stamp_ns in range(1, 6):
        thread, results = published(pacer, stamp_ns)
        thread.join(60.0)
        assert results == [False]
        waits.append(pacer.waits_for_answers)
    assert waits == [True, True, False, False, False]
    pacer.answered(5)
    assert pacer.waits_for_answers


@pytest.mark.parametrize("pacer", [FramePacer(0.001, NEVER_S), FramePacer(0.001, 0.002)])
def test_a_world_faster_than_the_deadline_does_not_wait(pacer):
    thread, results = published(pacer)
    thread.join(60.0)
    assert results == [False] and not pacer.waits_for_answers


def test_frames_that_were_not_ready_when_due_are_counted():
    pacer = FramePacer(1e-4, 1e-5)
    for stamp_ns in range(3):
        pacer.wait_until_due(stamp_ns)
        time.sleep(0.001)
    assert pacer.num_late == 2 and 0.0 < pacer.realtime_factor(2e-4) < 1.0


def test_lost_time_is_caught_up_with():
    pacer = FramePacer(NEVER_S, NEVER_S)
    pacer.wait_until_due(0)
    pacer._due_s -= NEVER_S + 0.5  # as if the frame came half a second after it was due
    due_s = pacer._due_s + NEVER_S
    pacer.wait_until_due(1)
    assert pacer.num_late == 1 and pacer._due_s == due_s
    pacer._due_s -= 3.0 * NEVER_S  # more than a period is not caught up with
    pacer.wait_until_due(2)
    assert pacer.num_late == 2 and pacer._due_s > due_s - NEVER_S
