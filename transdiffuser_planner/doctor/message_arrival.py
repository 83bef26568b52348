"""Live inputs: do they arrive, how often, with which stamps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.doctor.findings import Finding, Findings
from transdiffuser_planner.doctor.topic_statistics import AREA, SENSORS, TopicStatistics, find
from transdiffuser_planner.messages.input_registry import INPUTS

_SAY = Findings(AREA)
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
    """Judge arrival, rate and stamps.

    Args:
        topic_statistics: Every input that has a publisher.
        config: The planner's.
        seconds: How long was listened.
        plain_udp: Whether big messages travel in UDP fragments here.
    """
    for item in topic_statistics:
        if not item.arrived_s:
            yield _silent(item, seconds)
            continue
        found = [*_rate(item, config, seconds), *_stamps(item, config)]
        yield from found or [_SAY.ok(item.name, _facts(item))]
        if plain_udp and item.num_bytes > _BIG_BYTES:
            text = f"{item.num_bytes / 1e6:.1f} MB a message over plain UDP: fragments get lost on a busy machine"
            yield _SAY.warn(item.name, text, "export FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA for publisher and planner")
    yield from _one_clock(topic_statistics, config)


def _facts(item: TopicStatistics) -> str:
    age_s = item.age_s()
    parts = [f"{item.rate_hz:.1f} Hz" if item.rate_hz else f"{len(item.arrived_s)} message"]
    parts += [f"{age_s * 1e3:.0f} ms old"] if age_s is not None and item.kind in _CLOCKED else []
    return f"{item.topic}: {', '.join(parts)}"


def _silent(item: TopicStatistics, seconds: float) -> Finding:
    text = f"{item.topic} has a publisher, but nothing arrived in {seconds:g} s"
    if item.kind == "route":
        return _SAY.warn(
            item.name, text, "publish the route again, or latched (transient local), so that late joiners get it"
        )
    remedy = (
        "start or unpause its source; messages over 64 kB: export FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA on both sides"
    )
    return _SAY.fault(item.name, text, remedy, fatal=item.needed)


def _rate(item: TopicStatistics, config: PlannerConfig, seconds: float) -> Iterator[Finding]:
    """Sensors and odometry are wanted in every cycle."""
    if item.kind not in _EVERY_CYCLE:
        return
    limit_s = config.max_odometry_age_s if item.kind == "odometry" else config.max_sensor_age_s
    name = "max_odometry_age_s" if item.kind == "odometry" else "max_sensor_age_s"
    rate_hz, wanted_hz = item.rate_hz, config.planning_rate_hz
    if rate_hz * limit_s < 1.0:
        topic_statistics = f"{rate_hz:.1f} Hz" if rate_hz else f"{len(item.arrived_s)} message in {seconds:g} s"
        text = f"{item.topic}: {topic_statistics}, between two of them {name} ({limit_s:g} s) runs out"
        yield _SAY.fault(item.name, text, f"publish at {wanted_hz:g} Hz, or raise {name}", fatal=item.needed)
    elif rate_hz < _SLOW_SHARE * wanted_hz:
        text = f"{item.topic}: {rate_hz:.1f} Hz, planning_rate_hz is {wanted_hz:g}"
        remedy = f"publish at {wanted_hz:g} Hz, or set planning_rate_hz to {max(1.0, rate_hz):.0f}"
        yield _SAY.warn(item.name, text, remedy)


def _stamps(item: TopicStatistics, config: PlannerConfig) -> Iterator[Finding]:
    age_s = item.age_s()
    if age_s is None or item.kind not in _CLOCKED:
        return
    if not any(item.stamp_ns):
        text = f"{item.topic}: every stamp is 0"
        yield _SAY.fault(
            item.name, text, "set header.stamp to the time of measurement in its driver", fatal=item.needed
        )
        return
    back = sum(b < a for a, b in itertools.pairwise(item.stamp_ns))
    repeated = sum(b == a for a, b in itertools.pairwise(item.stamp_ns))
    if back or (repeated and item.kind in _EVERY_CYCLE):
        text = f"{item.topic}: {back} stamps run backwards, {repeated} are repeated; those messages are refused"
        yield _SAY.warn(
            item.name, text, "look for a second publisher, or for a driver that stamps with the time of sending"
        )
    limit_s = {"odometry": config.max_odometry_age_s}.get(item.kind, config.max_sensor_age_s)
    if item.kind not in _EVERY_CYCLE:
        limit_s = config.max_optional_age_s
    if abs(age_s) > _HOUR_S:
        text = f"{item.topic}: stamps are {_span(age_s)} the planner's clock: another clock"
        remedy = "set use_sim_time alike for sensors and planner; keep sensors' clocks by PTP or NTP"
        yield _SAY.fault(item.name, text, remedy, fatal=item.needed)
    elif age_s > limit_s:
        text = f"{item.topic}: {age_s:.2f} s old when it arrives, the limit is {limit_s:g} s"
        yield _SAY.fault(item.name, text, "keep the clocks together (PTP, NTP), or shorten its way", fatal=item.needed)
    elif age_s < -_FUTURE_S:
        text = f"{item.topic}: stamps lie {-age_s:.2f} s in the future"
        yield _SAY.warn(item.name, text, "keep the clocks of its computer and of this one together (PTP, NTP)")


def _span(age_s: float) -> str:
    return f"{abs(age_s) / _HOUR_S:.0f} hours {'behind' if age_s > 0.0 else 'ahead of'}"


def _one_clock(topic_statistics: Sequence[TopicStatistics], config: PlannerConfig) -> Iterator[Finding]:
    """Every sensor's stamps against the odometry's."""
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
        hint = "TAI instead of UTC?" if abs(abs(gap_s) - _TAI_MINUS_UTC_S) < 2.0 else "two clocks, or a long way?"
        text = f"stamps are {abs(gap_s):.2f} s {'older' if gap_s > 0.0 else 'newer'} than the odometry's at the same moment: {hint}"
        yield _SAY.fault(item.name, text, "stamp both with one clock, at the time of measurement", fatal=item.needed)
