"""Converts a drive into the compact JSON that the page's scripts read.

Times are seconds from the first odometry; positions are
meters from the first pose; arrays of many numbers are base64 of little-endian integers in centimeters.
"""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transdiffuser_planner.core.types import FallbackLevel
from transdiffuser_planner.messages.decode_outputs import RecordedAgent
from transdiffuser_planner.reports.drive.recorded_drive import Drive, PlanCycle
from transdiffuser_planner.reports.drive.summary import FALLBACK_LEVEL_NAMES, cards, events, notes, table
from transdiffuser_planner.reports.drive.thinning import within_budget
from transdiffuser_planner.reports.drive.worst_samples import worst_samples

IMAGE_BUDGET_BYTES = 7_000_000
CLOUD_BUDGET_BYTES = 4_000_000
PLAN_BUDGET_BYTES = 4_000_000
MAX_AGENT_PATHS = 3
AGENT_EXISTENCE = 0.3
_CM_PER_M = 100.0
_INT16 = 32_767


def page_data(drive: Drive, title: str) -> dict[str, Any]:
    """Everything the page shows.

    Args:
        drive: Collected from a bag.
        title: The page's heading.
    """
    return _Embedder(drive).data(title)


class _Embedder:
    """Converts one drive relative to its start."""

    def __init__(self, drive: Drive) -> None:
        self._drive = drive
        self._start_ns = int(drive.stamp_ns_F[0])
        self._origin_2 = drive.pose_F3[0, :2]

    def data(self, title: str) -> dict[str, Any]:
        drive = self._drive
        return {
            "title": title,
            "bag": drive.bag.name,
            "duration": round(drive.duration_s, 3),
            "notes": notes(drive),
            "cards": cards(drive),
            "table": table(drive),
            "events": [
                asdict(event) | {"time_s": round(event.time_s, 3), "end_s": round(event.end_s, 3)}
                for event in events(drive)
            ],
            "worst": [asdict(event) | {"time_s": round(event.time_s, 3)} for event in worst_samples(drive)],
            "fallback_levels": [FALLBACK_LEVEL_NAMES[fallback_level] for fallback_level in FallbackLevel],
            "vehicle": {
                "length": drive.vehicle.length_m,
                "width": drive.vehicle.width_m,
                "center": drive.vehicle.center_offset_m,
            },
            "ego": self._ego(),
            "map": [[kind, self._flat(xy)] for kind, xy in drive.map_pieces],
            "routes": [[self._time(stamp), self._flat(xy)] for stamp, xy in drive.routes],
            **self._objects(),
            "lights": [self._light(light) for light in drive.lights],
            "lightStates": self._light_states(),
            "signals": [[self._time(stamp), int(state), distance] for stamp, (state, distance) in drive.signals],
            "limits": [[self._time(stamp), round(value, 2)] for stamp, value in drive.limits_mps],
            "commands": [[self._time(stamp), int(command)] for stamp, command in drive.commands],
            "clouds": self._clouds(),
            "cameras": self._cameras(),
            "plans": self._plans(),
            "waits": [
                [self._time(stamp), cycle.status.not_ready_reason]
                for stamp, cycle in sorted(drive.cycles.items())
                if cycle.status is not None and not cycle.status.ready
            ],
            "collisions": [self._time(stamp) for stamp, _ in drive.collisions],
        }

    def _time(self, stamp_ns: int) -> float:
        return round((stamp_ns - self._start_ns) * 1e-9, 3)

    def _local(self, xy_X2: ArrayLike) -> NDArray[np.float64]:
        return np.asarray(xy_X2, dtype=np.float64) - self._origin_2

    def _flat(self, xy_N2: ArrayLike) -> list[float]:
        return _rounded(self._local(xy_N2).reshape(-1), 2)

    def _ego(self) -> dict[str, list[float]]:
        xy = self._local(self._drive.pose_F3[:, :2])
        return {
            "t": [self._time(int(stamp)) for stamp in self._drive.stamp_ns_F],
            "x": _rounded(xy[:, 0], 3),
            "y": _rounded(xy[:, 1], 3),
            "h": _rounded(self._drive.pose_F3[:, 2], 4),
            "v": _rounded(self._drive.speed_F, 2),
        }

    def _objects(self) -> dict[str, Any]:
        """Boxes by id once, then per frame id, x cm, y cm, heading mrad, speed cm/s of each."""
        boxes: dict[int, list[float]] = {}
        frames = []
        for stamp, agents in self._drive.objects:
            for i, number in enumerate(agents.id_N):
                if int(number) not in boxes:
                    size = (float(agents.length_m_N[i]), float(agents.width_m_N[i]))
                    boxes[int(number)] = [int(agents.class_N[i]), round(size[0], 2), round(size[1], 2)]
            xy = self._local(np.stack([agents.x_m_N, agents.y_m_N], axis=-1))
            rows = np.stack(
                [agents.id_N, xy[:, 0] * 100, xy[:, 1] * 100, agents.heading_rad_N * 1000, agents.speed_mps_N * 100],
                axis=-1,
            )
            frames.append([self._time(stamp), np.round(rows).astype(np.int64).reshape(-1).tolist()])
        return {"boxes": boxes, "objects": frames}

    def _light(self, light: Any) -> list[float]:
        x, y = self._local([light.x_m, light.y_m])
        return [light.number, round(float(x), 2), round(float(y), 2), round(light.facing_rad, 3)]

    def _light_states(self) -> list[list[Any]]:
        """Only of lights whose place is known, in their order."""
        numbers = [light.number for light in self._drive.lights]
        return [
            [self._time(stamp), [int(states.get(number, 0)) for number in numbers]]
            for stamp, states in self._drive.light_states
            if numbers
        ]

    def _clouds(self) -> list[list[Any]]:
        kept = within_budget(
            self._drive.clouds,
            [5 * len(cloud.height_N) * 4 // 3 for _, cloud in self._drive.clouds],
            CLOUD_BUDGET_BYTES,
        )
        rows = []
        for stamp, cloud in kept:
            pose = self._drive.pose_at(stamp)
            x, y = self._local(pose[:2])
            place = [round(float(x), 3), round(float(y), 3), round(float(pose[2]), 4)]
            rows.append([self._time(stamp), *place, _base64(cloud.xy_cm_N2, "<i2"), _base64(cloud.height_N, "u1")])
        return rows

    def _cameras(self) -> list[dict[str, Any]]:
        images = self._drive.images
        share = IMAGE_BUDGET_BYTES // max(len(images), 1)
        return [
            {
                "name": name,
                "width": frames[0][1].width,
                "height": frames[0][1].height,
                "view": self._view(name),
                "frames": [
                    [self._time(stamp), base64.b64encode(image.jpeg).decode()]
                    for stamp, image in within_budget(frames, [len(p.jpeg) for _, p in frames], share)
                ],
            }
            for name, frames in images.items()
        ]

    def _view(self, name: str) -> list[float] | None:
        """fx, fy, cx, cy as shares of the image's size, then the rows of camera_from_base."""
        view = self._drive.views.get(name)
        if view is None:
            return None
        inner = view.intrinsics
        shares = [inner.fx / inner.width, inner.fy / inner.height, inner.cx / inner.width, inner.cy / inner.height]
        return _rounded([*shares, *view.camera_from_base_34.reshape(-1)], 6)

    def _plans(self) -> list[dict[str, Any]]:
        plans = [self._plan(stamp, cycle) for stamp, cycle in self._drive.plans()]
        sizes = [len(plan["candidates"]["xy"]) + sum(len(a["paths"]) for a in plan["agents"]) for plan in plans]
        stride = max(1, -(-sum(sizes) // PLAN_BUDGET_BYTES))
        for index, plan in enumerate(plans):
            if index % stride:
                plan["candidates"], plan["agents"] = None, None
        return plans

    def _plan(self, stamp_ns: int, cycle: PlanCycle) -> dict[str, Any]:
        """One published plan; candidates and agents are relative to its first point."""
        trajectory, status = cycle.trajectory, cycle.status
        assert trajectory is not None
        start_2 = np.asarray([trajectory.x_m_T[0], trajectory.y_m_T[0]])
        path = np.stack([trajectory.x_m_T, trajectory.y_m_T], axis=-1)
        time_s = trajectory.time_s_T
        return {
            "t": self._time(stamp_ns),
            "times": _rounded(time_s, 2),
            "xy": self._flat(path),
            "v": _rounded(trajectory.speed_mps_T, 2),
            "in1s": round(float(np.interp(1.0, time_s, trajectory.speed_mps_T)), 2) if time_s[-1] >= 1.0 else None,
            "fallback_level": int(status.fallback_level) if status is not None else 0,
            "reason": status.fallback_reason if status is not None else "",
            "ms": round(status.latency_ms, 1) if status is not None else None,
            "deadline": round(status.deadline_ms, 1) if status is not None else None,
            "chosen": status.chosen if status is not None else -1,
            "candidates": _candidates(cycle, start_2),
            "agents": [] if cycle.agents is None else [
                _agent(agent, start_2) for agent in cycle.agents.agents if agent.existence >= AGENT_EXISTENCE
            ],
        }  # fmt: skip


def _candidates(cycle: PlanCycle, start_2: NDArray[np.float64]) -> dict[str, Any]:
    found = cycle.candidates
    if found is None or not len(found.id_M):
        return {"steps": 0, "xy": "", "probability": [], "rejected": [], "chosen": -1}
    return {
        "steps": found.pose_MT3.shape[1],
        "xy": _relative(found.pose_MT3[..., :2], start_2),
        "probability": _rounded(found.probability_M, 3),
        "rejected": found.rejected_M.astype(int).tolist(),
        "chosen": int(np.argmax(found.chosen_M)) if found.chosen_M.any() else -1,
    }


def _agent(agent: RecordedAgent, start_2: NDArray[np.float64]) -> dict[str, Any]:
    """Its box, and its future with the published plan first, then the likeliest others."""
    paths = agent.paths[:MAX_AGENT_PATHS]
    steps = min((len(path.pose_T3) for path in paths), default=0)
    xy = np.stack([path.pose_T3[:steps, :2] for path in paths]) if steps else np.zeros((0, 0, 2))
    return {
        "id": agent.agent_id,
        "kind": agent.agent_class,
        "box": _rounded([*(agent.pose_3[:2] - start_2), agent.pose_3[2], agent.length_m, agent.width_m], 2),
        "existence": round(agent.existence, 2),
        "speed": None if agent.speed_mps is None else round(agent.speed_mps, 2),
        "steps": steps,
        "paths": _relative(xy, start_2),
    }


def _relative(xy_X2: NDArray[np.float64], start_2: NDArray[np.float64]) -> str:
    centimeters = np.nan_to_num(np.round((xy_X2 - start_2) * _CM_PER_M))
    return _base64(np.clip(centimeters, -_INT16, _INT16), "<i2")


def _base64(values: ArrayLike, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def _rounded(values: ArrayLike, digits: int) -> list[float]:
    """Plain numbers; what is not finite becomes 0, because JSON has no word for it."""
    return [
        float(v) for v in np.round(np.nan_to_num(np.asarray(values, dtype=np.float64), posinf=0.0, neginf=0.0), digits)
    ]
