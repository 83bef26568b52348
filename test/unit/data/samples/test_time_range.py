"""Parts of a drive: nothing after the end is read, neither as a frame nor as a label."""

from pathlib import Path

import numpy as np
import pytest
from straight_drive import ego

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.data.logs.drive_log import DriveLog
from transdiffuser_planner.data.logs.tracks import EgoTrack
from transdiffuser_planner.data.samples.labels import NO_FUTURE, plan_label
from transdiffuser_planner.data.samples.time_range import WHOLE_DRIVE, TimeRange


def drive() -> DriveLog:
    return DriveLog(path=Path("drive"), ego=EgoTrack([ego(i) for i in range(100)]))


def test_labels_end_with_the_part() -> None:
    whole, part = drive(), drive()
    period_s = (whole.ego.states[1].stamp_ns - whole.ego.begin_ns) * 1e-9
    end_s = 60 * period_s
    TimeRange(end_s=end_s).cut(part)
    assert len(part.ego) == 61 and part.ego.begin_ns == whole.ego.begin_ns
    last = max(i for i in range(61) if not isinstance(plan_label(part.ego, part.ego.states[i], TINY), str))
    assert last * period_s + TINY.plan_times_s[-1] == pytest.approx(end_s, abs=1.5 * period_s)
    later = whole.ego.states[last + 2]
    assert plan_label(part.ego, later, TINY) == NO_FUTURE
    assert isinstance(plan_label(whole.ego, later, TINY), np.ndarray)


def test_two_parts_share_no_frame_and_leave_none_out() -> None:
    stamps = [ego(i).stamp_ns for i in range(100)]
    first, second = TimeRange(end_s=3.0), TimeRange(begin_s=3.0)
    kept = [(first.holds(s, stamps[0]), second.holds(s, stamps[0])) for s in stamps]
    assert all(a != b for a, b in kept) and any(a for a, _ in kept) and any(b for _, b in kept)


def test_the_whole_drive_is_left_as_it_is() -> None:
    log = drive()
    track = log.ego
    WHOLE_DRIVE.cut(log)
    assert log.ego is track


@pytest.mark.parametrize("bounds", [(-1.0, 5.0), (5.0, 5.0), (6.0, 5.0), (float("nan"), 5.0)])
def test_a_part_without_length_is_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="expected 0 <= from < until"):
        TimeRange(begin_s=bounds[0], end_s=bounds[1])
