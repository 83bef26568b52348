"""The clocks of one vehicle's inputs: offsets that are set or known exactly are subtracted, misfits are named and masked."""

from __future__ import annotations

from dataclasses import dataclass

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.runtime.inputs.arrival_timing import ArrivalTiming
from transdiffuser_planner.runtime.inputs.clock_check import (
    LEAP_TOLERANCE_NS,
    ClockLimits,
    gap_limit_ns,
    leap_offset,
    misfit_text,
    misfits_ns,
)

ODOMETRY = "odometry"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockChange:
    """What one more message has shown about an input's clock.

    Attributes:
        notices: One line each.
        is_corrected: Whether another offset is subtracted from now on: earlier stamps of the input are wrong.
    """

    notices: tuple[str, ...] = ()
    is_corrected: bool = False


class SensorClocks:
    """Offsets, delays and misfits of all inputs. Not thread-safe.

    Args:
        rig: Its ``clock_offset_s`` and ``latency_s`` of every sensor.
    """

    def __init__(self, rig: Rig) -> None:
        mounts = {camera.name: camera for camera in rig.cameras}
        found = {**mounts, **({} if rig.lidar is None else {"lidar": rig.lidar})}
        self._set_ns = {name: round(mount.clock_offset_s * 1e9) for name, mount in found.items()}
        self._set_ns[ODOMETRY] = round(rig.odometry_clock_offset_s * 1e9)
        self._leap_ns: dict[str, int] = {}
        self.timing = ArrivalTiming({name: round(mount.latency_s * 1e9) for name, mount in found.items()})
        self.misfits: dict[str, str] = {}
        """Input -> why its stamps do not fit, with the offset."""
        self._noticed_ns: dict[str, int] = {}

    def corrected_ns(self, name: str, stamp_ns: int) -> int:
        """Return a stamp without the known offset of the input's clock."""
        return stamp_ns - self._set_ns.get(name, 0) - self._leap_ns.get(name, 0)

    def reset(self) -> None:
        """Forget all arrivals; offsets remain."""
        self.timing.forget()
        self.misfits.clear()
        self._noticed_ns.clear()

    def record(self, name: str, stamp_ns: int, now_ns: int, limits: ClockLimits) -> ClockChange:
        """Record an accepted message and compare the input with the others.

        Args:
            name: The input.
            stamp_ns: Its corrected stamp.
            now_ns: Time of its arrival.
            limits: Largest delay, and how arrivals are measured.
        """
        self.timing.record(name, stamp_ns, now_ns)
        delays_ns = self.timing.delays_ns()
        change = self._leap(name, delays_ns, is_timed=limits.is_timed)
        if change is not None:
            self.timing.forget(name)
            self.misfits.pop(name, None)
            return change
        periods_ns = {other: self.timing.period_ns(other) or 0 for other in delays_ns}
        notices = self._compare(delays_ns, periods_ns, limits)
        if len(delays_ns) > 1 and name in delays_ns and name not in self.misfits:
            notices += self._lateness(name, delays_ns, gap_limit_ns(name, periods_ns, ODOMETRY, limits))
        return ClockChange(notices=tuple(notices))

    def _leap(self, name: str, delays_ns: dict[str, int], *, is_timed: bool) -> ClockChange | None:
        """Learn that an input counts in TAI or GPS time, or no longer does."""
        known_ns = self._leap_ns.get(name)
        if known_ns is not None:
            others = [delay for other, delay in delays_ns.items() if other not in self._leap_ns]
            gap_ns = delays_ns.get(name, 0) - min(others, key=abs, default=0)
            if name not in delays_ns or gap_ns < known_ns - LEAP_TOLERANCE_NS:
                return None
            del self._leap_ns[name]
            return ClockChange(notices=(f"{name}: its stamps count in UTC again",), is_corrected=True)
        own = {other: delay for other, delay in delays_ns.items() if other not in self._leap_ns}
        leap = leap_offset(name, own, is_timed=is_timed)
        if leap is None:
            return None
        scale, self._leap_ns[name] = leap
        text = f"{name}: its stamps count in {scale}, {leap[1] // 10**9} s ahead of UTC; that is subtracted"
        return ClockChange(notices=(text,), is_corrected=True)

    def _compare(self, delays_ns: dict[str, int], periods_ns: dict[str, int], limits: ClockLimits) -> list[str]:
        """Update the misfits; returns notices about new ones."""
        found = misfits_ns(delays_ns, periods_ns, ODOMETRY, limits)
        new = [name for name in found if name not in self.misfits]
        self.misfits = {name: misfit_text(name, gap_ns) for name, gap_ns in found.items()}
        return [f"{name}: {self.misfits[name]}" for name in new]

    def _lateness(self, name: str, delays_ns: dict[str, int], step_ns: int) -> list[str]:
        """Notice once that an input arrives late, and again when that changes."""
        fitting = [delay for other, delay in delays_ns.items() if other not in self.misfits]
        late_ns, before_ns = delays_ns[name] - min(fitting), self._noticed_ns.get(name, 0)
        if abs(late_ns - before_ns) < step_ns:
            return []
        self._noticed_ns[name] = late_ns
        return [f"{name}: arrives {late_ns * 1e-9:.2f} s later after its stamp than the other inputs"]
