"""What a drive came to, in words and numbers for people: headline figures, a table and a list of events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from transdiffuser_planner.core.fallback_cause import causes_text, count_causes
from transdiffuser_planner.core.types import FallbackLevel
from transdiffuser_planner.messages.decode_outputs import RecordedStatus
from transdiffuser_planner.reports.drive.recorded_drive import Drive

NO_PLANS = "This bag holds no planner output. The page shows the recorded drive only."
FALLBACK_LEVEL_NAMES = {
    FallbackLevel.NONE: "model plan",
    FallbackLevel.LAST_PLAN: "last plan kept",
    FallbackLevel.COMFORTABLE_STOP: "comfort stop",
    FallbackLevel.EMERGENCY_STOP: "emergency stop",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something to jump to: kind is "collision", "fallback" or "waiting"; times are from the drive's start."""

    time_s: float
    end_s: float
    kind: str
    text: str


def cards(drive: Drive) -> list[dict[str, str]]:
    """The headline figures as label, value, note and tone ("", "good", "warn" or "bad")."""
    planned = [status for status in drive.statuses() if status.ready]
    num_plans = sum(1 for _ in drive.plans())
    speed_kmh = drive.speed_F * 3.6
    result = [
        _card("Duration", f"{drive.duration_s:.1f} s", f"{len(drive.stamp_ns_F)} frames"),
        _card("Distance", f"{drive.distance_m:.0f} m", f"mean {speed_kmh.mean():.0f}, top {speed_kmh.max():.0f} km/h"),
    ]
    if num_plans:
        rate_hz = (num_plans - 1) / max(drive.duration_s, 1e-3)
        result.append(_card("Plans", str(num_plans), f"{rate_hz:.1f} per second"))
    else:
        result.append(_card("Plans", "none", "not recorded in this bag"))
    if planned:
        latency = np.asarray([status.latency_ms for status in planned])
        late = int((latency > [status.deadline_ms for status in planned]).sum())
        result.append(
            _card(
                "Latency, median",
                f"{np.median(latency):.0f} ms",
                f"p99 {np.percentile(latency, 99):.0f}, max {latency.max():.0f} ms",
                "warn" if late else "good",
            )
        )
        reasons = _fallback_reasons(planned)
        fallbacks, causes = len(reasons), causes_text(count_causes(reasons))
        share = (
            f"{100.0 * fallbacks / len(planned):.0f} % of plans: {causes}" if fallbacks else "every plan is the model's"
        )
        result.append(_card("Fallbacks", str(fallbacks), share, "warn" if fallbacks else "good"))
    if drive.collisions:
        result.append(_card("Collisions", str(len(drive.collisions)), "see the events below", "bad"))
    elif drive.can_report_collisions:
        result.append(_card("Collisions", "0", "none recorded", "good"))
    else:
        result.append(_card("Collisions", "–", "this source does not report them"))
    return result


def table(drive: Drive) -> list[tuple[str, str]]:
    """All facts as (name, value)."""
    rows = [("Bag", drive.bag.name)]
    if drive.map_name:
        rows.append(("Map", drive.map_name))
    rows += _planner_rows(drive)
    rows += [
        ("Cameras", ", ".join(drive.images) or "none"),
        ("LiDAR", f"{len(drive.clouds)} sweeps kept" if drive.clouds else "none"),
    ]
    rows.append(("Frame of all positions", drive.frame_id or "unnamed"))
    if drive.unread:
        rows.append(("Messages not used", _counts(drive.unread)))
    return rows


def notes(drive: Drive) -> list[str]:
    """Sentences that a reader must not miss."""
    found = [NO_PLANS] if not any(True for _ in drive.plans()) else []
    reasons = Counter(status.not_ready_reason for status in drive.statuses() if not status.ready)
    if found and reasons:
        found = [f"The planner ran but published no plan: {_counts(reasons)}."]
    if drive.damage:
        found.append(f"The recording is damaged: {drive.damage.replace(f'bag {drive.bag}: ', '')}.")
    frames = {cycle.trajectory.frame_id for _, cycle in drive.plans() if cycle.trajectory is not None}
    if frames - {drive.frame_id}:
        found.append(
            f"Plans are given in frame {', '.join(sorted(frames))}, odometry in {drive.frame_id}; they are drawn as if equal."
        )
    return found


def events(drive: Drive) -> list[Event]:
    """Collisions, spans of fallbacks and spans without a plan, in order of time."""
    start_ns = int(drive.stamp_ns_F[0])
    found = []
    for stamp, other in drive.collisions:
        time_s = (stamp - start_ns) * 1e-9
        found.append(
            Event(time_s=time_s, end_s=time_s, kind="collision", text=f"Collision with {_name_of(drive, other)}")
        )
    spans: list[tuple[str, str, int, int]] = []
    for status in drive.statuses():
        kind, text = _state(status)
        if spans and spans[-1][:2] == (kind, text):
            spans[-1] = (kind, text, spans[-1][2], status.stamp_ns)
        else:
            spans.append((kind, text, status.stamp_ns, status.stamp_ns))
    found += [
        Event(time_s=(first - start_ns) * 1e-9, end_s=(last - start_ns) * 1e-9, kind=kind, text=text)
        for kind, text, first, last in spans
        if kind
    ]
    return sorted(found, key=lambda event: event.time_s)


def _state(status: RecordedStatus) -> tuple[str, str]:
    if not status.ready:
        return "waiting", f"No plan: {status.not_ready_reason or 'no reason given'}"
    if status.fallback_level == FallbackLevel.NONE:
        return "", ""
    name = FALLBACK_LEVEL_NAMES[status.fallback_level].capitalize()
    return "fallback", f"{name}: {status.fallback_reason}" if status.fallback_reason else name


def _name_of(drive: Drive, other: int) -> str:
    for _, agents in drive.objects:
        match = agents.class_N[agents.id_N == other]
        if len(match):
            return f"{('car', 'truck', 'motorcycle', 'bicycle', 'pedestrian')[int(match[0])]} {other}"
    return f"object {other}"


def _sampling(status: RecordedStatus) -> str:
    """How a plan was sampled; recordings of older versions do not name the sampler."""
    if not status.num_denoise_steps:
        return "none"
    steps = f"{status.num_denoise_steps} step{'s' * (status.num_denoise_steps > 1)}"
    return f"{status.num_candidates} candidates in {steps}" + (f" of {status.sampler}" if status.sampler else "")


def _planner_rows(drive: Drive) -> list[tuple[str, str]]:
    every = drive.statuses()
    ready = [status for status in every if status.ready]
    if not ready:
        reasons = Counter(status.not_ready_reason for status in every)
        return [("Planner", f"no plans; not ready: {_counts(reasons)}" if every else "no output in this bag")]
    latency = np.asarray([status.latency_ms for status in ready])
    fallback_levels = Counter(
        FALLBACK_LEVEL_NAMES[status.fallback_level] for status in ready if status.fallback_level != FallbackLevel.NONE
    )
    missing = Counter(name for status in ready for name in status.missing)
    not_ready = Counter(status.not_ready_reason for status in every if not status.ready)
    late = int((latency > [status.deadline_ms for status in ready]).sum())
    return [
        ("Model", ", ".join(_distinct(f"{s.model_name} ({s.model_hash[:12]})" for s in ready))),
        ("Executed by", ", ".join(_distinct(status.provider for status in ready))),
        ("Sampling", _counts(Counter(_sampling(status) for status in ready))),
        ("Plans", f"{len(ready)}; run seed {_seeds(ready)}"),
        (
            "Latency",
            f"median {np.median(latency):.1f} ms, p99 {np.percentile(latency, 99):.1f} ms, max {latency.max():.1f} ms",
        ),
        (
            "Later than the deadline",
            f"{late} of {len(ready)} (deadline {', '.join(_distinct(f'{s.deadline_ms:.0f} ms' for s in ready))})",
        ),
        ("Fallbacks", _counts(fallback_levels) or "none"),
        ("Causes of fallbacks", causes_text(count_causes(_fallback_reasons(ready))) or "none"),
        ("Cycles without a plan", _counts(not_ready) or "none"),
        (
            "Missing inputs",
            ", ".join(f"{name} ({_share(n, len(ready))})" for name, n in missing.most_common()) or "none",
        ),
    ]


def _fallback_reasons(planned: Iterable[RecordedStatus]) -> list[str]:
    return [status.fallback_reason for status in planned if status.fallback_level != FallbackLevel.NONE]


def _seeds(ready: list[RecordedStatus]) -> str:
    seeds = sorted({status.seed for status in ready})
    return str(seeds[0]) if len(seeds) == 1 else f"varies ({len(seeds)} values)"


def _share(count: int, total: int) -> str:
    return "all plans" if count == total else f"{count} of {total} plans"


def _counts(counter: Counter[str]) -> str:
    return "; ".join(f"{count} × {name}" for name, count in counter.most_common())


def _distinct(values: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(str(value) for value in values))


def _card(label: str, value: str, note: str, tone: str = "") -> dict[str, str]:
    return {"label": label, "value": value, "note": note, "tone": tone}
