"""Part of a drive by time, such as its begin for training and its end to measure on, without a leak between both."""

from __future__ import annotations

import math
from dataclasses import dataclass

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.data.logs.drive_log import DriveLog
from transdiffuser_planner.data.logs.tracks import AgentTracks, EgoTrack

OUTSIDE = "outside of --from .. --until"
"""Reason why a frame is skipped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeRange:
    """Seconds of a drive after its first odometry message.

    Attributes:
        begin_s: First frame, inclusive.
        end_s: End of the frames and of all labels: no future after it is read; inf for the end of the drive.
    """

    begin_s: float = 0.0
    end_s: float = math.inf

    def __post_init__(self) -> None:
        if not 0.0 <= self.begin_s < self.end_s:
            raise ConfigError(f"--from {self.begin_s:g} --until {self.end_s:g}: expected 0 <= from < until, in seconds")

    def cut(self, log: DriveLog) -> None:
        """Remove the motion of the ego and of the agents after the range from a drive.

        Args:
            log: The drive, changed in place.
        """
        if math.isinf(self.end_s) or not len(log.ego):
            return
        end_ns = log.ego.begin_ns + round(self.end_s * 1e9)
        agents = AgentTracks()
        for stamp_ns, states in log.agents.snapshots:
            if stamp_ns <= end_ns:
                agents.add(stamp_ns, states)
        log.ego = EgoTrack([state for state in log.ego.states if state.stamp_ns <= end_ns])
        log.agents = agents

    def holds(self, stamp_ns: int, start_ns: int) -> bool:
        """Check a stamp of a drive whose first odometry message has the stamp start_ns."""
        return self.begin_s <= (stamp_ns - start_ns) * 1e-9 < self.end_s


WHOLE_DRIVE = TimeRange()
"""Every frame of a drive of any length."""
