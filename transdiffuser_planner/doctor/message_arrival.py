"""Checks arrival, rates and stamps of live inputs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.doctor.findings import Finding, Findings
from transdiffuser_planner.doctor.topic_statistics import AREA, SENSORS, TopicStatistics, find
from transdiffuser_planner.messages.input_registry import INPUTS

_FINDINGS = Findings(AREA)
_SLOW_SHARE = 0.8
_FUTURE_S = 0.05
_TAI_MINUS_UTC_S = 37.0
_BIG_BYTES = 500_000
_HOUR_S = 3600.0
_CLOCKED = tuple(spec.name for spec in INPUTS if spec.is_aligned)
"""Inputs whose stamps the planner compares with the frame's."""
_EVERY_CYCLE = tuple(spec.name for spec in INPUTS if spec.is_every_cycle)


def check(
    topic_statistics: Sequence[TopicStatistics], config: PlannerConfig, seconds: float, *, plain_udp: bool
) -> Iterator[Finding]:
    """Check arrival, rate and stamps.

    Args:
        topic_statistics: All inputs that have a publisher.
        config: Parameters of the planner.
        seconds: Duration of the subscription.
        plain_udp: Large messages are sent in UDP fragments.

    Yields:
        Findings.
    """
    for item in topic_statistics:
        if not item.arrived_s:
            yield _no_messages(item, seconds)
            continue
        found = [*_rate(item, config, seconds), *_stamps(item, config)]
        yield from found or [_FINDINGS.ok(item.name, _facts(item))]
        if plain_udp and item.num_bytes > _BIG_BYTES:
            text = f"{item.num_bytes / 1e6:.1f} MB a message over plain UDP: fragments get lost on a busy machine"
            yield _FINDINGS.warn(
                item.name, text, "export FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA for publisher and planner"
            )
    yield from _one_clock(topic_statistics, config)


def _facts(item: TopicStatistics) -> str:
    age_s = item.age_s()
    parts = [f"{item.rate_hz:.1f} Hz" if item.rate_hz else f"{len(item.arrived_s)} message"]
    parts += [f"{age_s * 1e3:.0f} ms old"] if age_s is not None and item.kind in _CLOCKED else []
    return f"{item.topic}: {', '.join(parts)}"


def _no_messages(item: TopicStatistics, seconds: float) -> Finding:
    text = f"{item.topic} has a publisher, but nothing arrived in {seconds:g} s"
    if item.kind == "route":
        return _FINDINGS.warn(
            item.name, text, "publish the route again, or latched (transient local), so that late joiners get it"
        )
    remedy = (
        "start or unpause its source; messages over 64 kB: export FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA on both sides"
    )
    return _FINDINGS.fault(item.name, text, remedy, fatal=item.needed)


def _rate(item: TopicStatistics, config: PlannerConfig, seconds: float) -> Iterator[Finding]:
    """Yield findings about rates of inputs that every cycle needs: sensors and odometry."""
    if item.kind not in _EVERY_CYCLE:
        return
    limit_s = config.max_odometry_age_s if item.kind == "odometry" else config.max_sensor_age_s
    name = "max_odometry_age_s" if item.kind == "odometry" else "max_sensor_age_s"
    rate_hz, planning_rate_hz = item.rate_hz, config.planning_rate_hz
    if rate_hz * limit_s < 1.0:
        rate = f"{rate_hz:.1f} Hz" if rate_hz else f"{len(item.arrived_s)} message in {seconds:g} s"
        text = f"{item.topic}: {rate}, between two of them {name} ({limit_s:g} s) runs out"
        yield _FINDINGS.fault(
            item.name, text, f"publish at {planning_rate_hz:g} Hz, or raise {name}", fatal=item.needed
        )
    elif rate_hz < _SLOW_SHARE * planning_rate_hz:
        text = f"{item.topic}: {rate_hz:.1f} Hz, planning_rate_hz is {planning_rate_hz:g}"
        remedy = f"publish at {planning_rate_hz:g} Hz, or set planning_rate_hz to {max(1.0, rate_hz):.0f}"
        yield _FINDINGS.warn(item.name, text, remedy)


def _stamps(item: TopicStatistics, config: PlannerConfig) -> Iterator[Finding]:
    age_s = item.age_s()
    if age_s is None or item.kind not in _CLOCKED:
        return
    if not any(item.stamp_ns):
        text = f"{item.topic}: every stamp is 0"
        yield _FINDINGS.fault(
            item.name, text, "set header.stamp to the time of measurement in its driver", fatal=item.needed
        )
        return
    back = sum(b < a for a, b in itertools.pairwise(item.stamp_ns))
    repeated = sum(b == a for a, b in itertools.pairwise(item.stamp_ns))
    if back or (repeated and item.kind in _EVERY_CYCLE):
        text = f"{item.topic}: {back} stamps run backwards, {repeated} are repeated; those messages are refused"
        yield _FINDINGS.warn(
            item.name, text, "check for a second publisher, or for a driver that stamps with the time of sending"
        )
    limit_s = {"odometry": config.max_odometry_age_s}.get(item.kind, config.max_sensor_age_s)
    if item.kind not in _EVERY_CYCLE:
        limit_s = config.max_optional_age_s
    if abs(age_s) > _HOUR_S:
        text = f"{item.topic}: stamps are {_span(age_s)} the planner's clock: another clock"
        remedy = "set use_sim_time alike for sensors and planner; synchronize the sensors' clocks by PTP or NTP"
        yield _FINDINGS.fault(item.name, text, remedy, fatal=item.needed)
    elif age_s > limit_s:
        text = f"{item.topic}: {age_s:.2f} s old when it arrives, the limit is {limit_s:g} s"
        yield _FINDINGS.fault(
            item.name, text, "synchronize the clocks (PTP, NTP), or reduce its latency", fatal=item.needed
        )
    elif age_s < -_FUTURE_S:
        text = f"{item.topic}: stamps lie {-age_s:.2f} s in the future"
        yield _FINDINGS.warn(item.name, text, "synchronize the clocks of its computer and of this one (PTP, NTP)")


def _span(age_s: float) -> str:
    return f"{abs(age_s) / _HOUR_S:.0f} hours {'behind' if age_s > 0.0 else 'ahead of'}"


def _one_clock(topic_statistics: Sequence[TopicStatistics], config: PlannerConfig) -> Iterator[Finding]:
    """Yield findings about sensors whose stamps differ from those of odometry."""
    odometry = find(topic_statistics, "odometry")
    own_s = None if odometry is None else odometry.age_s()
    if own_s is None:
        return
    for item in topic_statistics:
        age_s = item.age_s() if item.kind in SENSORS else None
        if age_s is None:
            continue
        gap_s = age_s - own_s
        if abs(gap_s) <= config.max_odometry_age_s + config.sync_tolerance_s:
            continue
        hint = "TAI instead of UTC?" if abs(abs(gap_s) - _TAI_MINUS_UTC_S) < 2.0 else "two clocks, or high latency?"
        text = f"stamps are {abs(gap_s):.2f} s {'older' if gap_s > 0.0 else 'newer'} than the odometry's at the same time: {hint}"
        yield _FINDINGS.fault(
            item.name, text, "stamp both with one clock, at the time of measurement", fatal=item.needed
        )
