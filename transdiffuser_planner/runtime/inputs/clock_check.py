"""Finds inputs whose stamps do not fit: a clock that is ahead, one that counts in TAI or GPS time, a delay beyond the limit.

A message cannot arrive before it was measured: a delay below zero is an offset of a clock. Which clock is wrong follows
from the others: the middle of all delays is the reference. An offset of the whole seconds between UTC and TAI or GPS time is
known exactly and can be subtracted; any other offset is known only up to the sensor's latency, and its sensor is masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LEAP_OFFSETS_NS = {"TAI": 37_000_000_000, "GPS time": 18_000_000_000}
"""Seconds that clocks without leap seconds are ahead of UTC since 2017 (IERS Bulletin C)."""
LEAP_TOLERANCE_NS = 500_000_000
_GAP_NS = 100_000_000
_UNTIMED_GAP_NS = 250_000_000
_PERIODS = 1.5
_BEFORE_ARRIVAL_NS = 50_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockLimits:
    """Limits of one vehicle's inputs.

    Attributes:
        max_age_ns: Largest delay at which a sensor is used.
        is_timed: Whether arrivals were measured by a clock; else by the stamps of odometry, which may be late itself.
    """

    max_age_ns: int
    is_timed: bool


def reference_ns(delays_ns: Mapping[str, int]) -> int:
    """Return the middle of all delays; of two middle ones the one nearest to zero.

    Args:
        delays_ns: Input -> usual delay; not empty.
    """
    ordered = sorted(delays_ns.values())
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return min(low, high, key=abs)


def leap_offset(name: str, delays_ns: Mapping[str, int], *, is_timed: bool) -> tuple[str, int] | None:
    """Return the time scale, and its offset from UTC in nanoseconds, that an input's stamps count in; None for UTC.

    Args:
        name: The input.
        delays_ns: Input -> usual delay.
        is_timed: Whether arrivals were measured by a clock, which decides which of two inputs counts in UTC.
    """
    if name not in delays_ns:
        return None
    for scale, offset_ns in LEAP_OFFSETS_NS.items():
        if is_timed and abs(delays_ns[name] + offset_ns) > LEAP_TOLERANCE_NS:
            continue
        if any(abs(other - delays_ns[name] - offset_ns) <= LEAP_TOLERANCE_NS for other in delays_ns.values()):
            return scale, offset_ns
    return None


def misfits_ns(
    delays_ns: Mapping[str, int], periods_ns: Mapping[str, int], odometry: str, limits: ClockLimits
) -> dict[str, int]:
    """Find the inputs that cannot be used together with the others.

    Args:
        delays_ns: Input -> usual delay.
        periods_ns: Input -> interval of its stamps; without a clock arrivals are not known more finely.
        odometry: Name of odometry among the inputs.
        limits: Limits of the vehicle.

    Returns:
        Input -> by how much its stamps are behind (positive) or ahead of (negative) those of the others.
    """
    if len(delays_ns) < 2:
        return {}
    reference = reference_ns(delays_ns)
    found: dict[str, int] = {}
    for name, delay in delays_ns.items():
        gap_ns = delay - reference
        ahead_ns = gap_limit_ns(name, periods_ns, odometry, limits)
        is_ahead = gap_ns < -ahead_ns and (delay < -_BEFORE_ARRIVAL_NS or not limits.is_timed)
        is_behind = gap_ns > limits.max_age_ns
        if is_ahead or is_behind:
            found[name] = gap_ns
    return found


def gap_limit_ns(name: str, periods_ns: Mapping[str, int], odometry: str, limits: ClockLimits) -> int:
    """Return the smallest gap between the delays of two inputs that is no artifact of how arrivals are measured."""
    if limits.is_timed:
        return _GAP_NS
    return max(_UNTIMED_GAP_NS, round(_PERIODS * max(periods_ns.get(name, 0), periods_ns.get(odometry, 0))))


def misfit_text(name: str, gap_ns: int) -> str:
    """Describe a misfit in one line, with what to do."""
    if gap_ns < 0:
        where = f"its stamps are {-gap_ns * 1e-9:.2f} s ahead of the other inputs'"
        setting = "odometry_clock_offset_s" if name == "odometry" else f"clock_offset_s of {name}"
        return f"{where}; synchronize its clock, or set {setting} in the rig file"
    where = f"its stamps are {gap_ns * 1e-9:.2f} s behind the other inputs' when it arrives"
    return f"{where}; synchronize its clock or reduce its latency (max_sensor_age_s)"
