"""Records a drive for playback in the report: map, traffic, plans and candidates, no simulated sensor data."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.types import FallbackLevel, NotReady, PlanResult, SignalState, Trajectory
from transdiffuser_planner.data.logs.drive_log import TrafficLight
from transdiffuser_planner.messages.decode_outputs import (
    RecordedAgent,
    RecordedAgents,
    RecordedCandidates,
    RecordedPath,
    RecordedStatus,
)
from transdiffuser_planner.messages.encode_outputs import shown_candidates
from transdiffuser_planner.reports.drive.drive_to_json import page_data
from transdiffuser_planner.reports.drive.recorded_drive import Drive, PlanCycle
from transdiffuser_planner.reports.drive.thinning import thumbnail
from transdiffuser_planner.simulation.log_world.log_images import LogImages
from transdiffuser_planner.simulation.map.route import SIGNAL_STATES
from transdiffuser_planner.simulation.message_stream import MAP_FRAME
from transdiffuser_planner.simulation.rollout.planner_interface import trajectory_of
from transdiffuser_planner.simulation.rollout.rollout import Rollout, RolloutStep

EVERY_STEPS = 2
"""The world is kept at 5 Hz, the vehicle at 10 Hz; playback interpolates."""
LOG_IMAGE_PX = 320
OBJECT_RANGE_M, MAP_RANGE_M = 90.0, 80.0
_SHOWN = (
    "duration", "fallback_levels", "vehicle", "ego", "map", "routes", "boxes", "objects", "lights", "lightStates", "signals",
    "limits", "commands", "clouds", "cameras", "plans", "waits", "collisions",
)  # fmt: skip


class PlaybackRecorder:
    """Records a drive step by step.

    Args:
        rollout: The running rollout: its map, route, vehicle and scenario.
    """

    def __init__(self, rollout: Rollout) -> None:
        heads = {(head.signal_id, head.link): head for head in rollout.road_map.heads if not head.pole}
        self._links = list(heads)
        self._ego: list[tuple[float, float, float, float]] = []
        self._stamps: list[int] = []
        self._pieces = rollout.road_map.map_polygons()
        name, vehicle = Path(rollout.scenario.map_name), rollout.rig.vehicle
        self._drive = Drive(bag=name, vehicle=vehicle, frame_id=MAP_FRAME, can_report_collisions=True)
        self._drive.routes.append((0, rollout.route.xy_N2))
        self._drive.lights = [
            TrafficLight(number=i, x_m=head.x_m, y_m=head.y_m, facing_rad=head.facing_rad)
            for i, head in enumerate(heads.values())
        ]

    def on_step(self, cycle: RolloutStep) -> None:
        """Add one step of the rollout."""
        world, drive = cycle.step.world, self._drive
        stamp_ns, ego = world.stamp_ns, world.ego
        is_kept = len(self._stamps) % EVERY_STEPS == 0
        self._stamps.append(stamp_ns)
        self._ego.append((ego.x_m, ego.y_m, ego.heading_rad, ego.speed_mps))
        drive.collisions += [(stamp_ns, collision.agent_id) for collision in cycle.step.new_collisions]
        if cycle.outcome is not None and (is_kept or trajectory_of(cycle.outcome) is None):
            drive.cycles[stamp_ns] = _plan_cycle(stamp_ns, cycle)
        if not is_kept:
            return
        near = np.hypot(world.agents.x_m_N - ego.x_m, world.agents.y_m_N - ego.y_m) < OBJECT_RANGE_M
        drive.objects.append((stamp_ns, world.agents.select(near)))
        states = {i: _light(world.signals, *link) for i, link in enumerate(self._links)}
        if not drive.light_states or drive.light_states[-1][1] != states:
            drive.light_states.append((stamp_ns, states))

    def add_log_images(self, images: LogImages) -> None:
        """Add camera images of the log that is driven in; they show the human's drive, in small."""
        for camera, frames in images.items():
            self._drive.images[camera] = [(stamp_ns, thumbnail(rgb_HW3, LOG_IMAGE_PX)) for stamp_ns, rgb_HW3 in frames]

    def packed(self) -> bytes:
        """Return the whole drive as compressed JSON; the same drive gives the same bytes."""
        drive = self._drive
        poses = np.asarray(self._ego)
        drive.stamp_ns_F = np.asarray(self._stamps, dtype=np.int64)
        drive.pose_F3, drive.speed_F = poses[:, :3].copy(), poses[:, 3]
        drive.pose_F3[:, 2] = np.unwrap(drive.pose_F3[:, 2])
        path_P2 = drive.pose_F3[::10, :2]
        drive.map_pieces = [(int(kind), xy) for kind, xy in self._pieces if _is_near(xy, path_P2)]
        data = page_data(drive, "")
        text = json.dumps({name: data[name] for name in _SHOWN}, separators=(",", ":"), allow_nan=False)
        return gzip.compress(text.encode(), compresslevel=6, mtime=0)


def unpacked(data: bytes) -> dict[str, Any]:
    """Decode the result of ``PlaybackRecorder.packed``."""
    return dict(json.loads(gzip.decompress(data)))


def _is_near(xy_N2: Any, path_P2: Any) -> bool:
    offset = xy_N2[:, None] - path_P2[None]
    return bool(((offset**2).sum(axis=-1) < MAP_RANGE_M**2).any())


def _light(signals: dict[str, str], signal_id: str, link: int) -> SignalState:
    letters = signals.get(signal_id, "")
    return SIGNAL_STATES.get(letters[link], SignalState.UNKNOWN) if link < len(letters) else SignalState.UNKNOWN


def _plan_cycle(stamp_ns: int, cycle: RolloutStep) -> PlanCycle:
    outcome = cycle.outcome
    if isinstance(outcome, PlanResult):
        return PlanCycle(
            trajectory=outcome.trajectory,
            candidates=_candidates(outcome),
            agents=_agents(outcome),
            status=_status(
                stamp_ns, fallback_level=outcome.fallback_level, reason=outcome.reason, chosen=outcome.chosen
            ),
        )
    if isinstance(outcome, Trajectory):
        return PlanCycle(trajectory=outcome, status=_status(stamp_ns))
    assert isinstance(outcome, NotReady)
    return PlanCycle(status=_status(stamp_ns, not_ready=outcome.reason))


def _candidates(result: PlanResult) -> RecordedCandidates:
    found, count = result.candidates, len(result.candidates.pose_MT3)
    return RecordedCandidates(
        stamp_ns=result.trajectory.stamp_ns,
        frame_id=found.frame_id,
        id_M=np.arange(count),
        probability_M=found.probability_M,
        rejected_M=found.rejected_M,
        chosen_M=np.arange(count) == result.chosen,
        pose_MT3=found.pose_MT3,
        time_s_T=found.time_s_T,
        cost_terms={},
    )


def _agents(result: PlanResult) -> RecordedAgents:
    agents, probability_M, shown = result.agents, result.candidates.probability_M, list(shown_candidates(result))
    return RecordedAgents(
        stamp_ns=result.trajectory.stamp_ns,
        frame_id=agents.frame_id,
        agents=tuple(
            RecordedAgent(
                agent_id=int(agents.id_A[i]),
                agent_class=int(agents.class_A[i]),
                existence=float(agents.existence_A[i]),
                pose_3=agents.pose_A3[i],
                length_m=float(agents.length_m_A[i]),
                width_m=float(agents.width_m_A[i]),
                speed_mps=float(agents.speed_A[i]),
                paths=tuple(
                    RecordedPath(
                        candidate_id=int(m),
                        probability=float(probability_M[m]),
                        interval_s=float(agents.time_s_T[0]),
                        pose_T3=agents.path_MAT3[m, i],
                    )
                    for m in shown
                ),
            )
            for i in range(len(agents.id_A))
        ),
    )


def _status(
    stamp_ns: int,
    *,
    fallback_level: FallbackLevel = FallbackLevel.NONE,
    reason: str = "",
    chosen: int = -1,
    not_ready: str = "",
) -> RecordedStatus:
    return RecordedStatus(
        stamp_ns=stamp_ns,
        frame_id=MAP_FRAME,
        ready=not not_ready,
        not_ready_reason=not_ready,
        input_ages_s={},
        missing=(),
        seed=0,
        model_name="",
        model_hash="",
        provider="",
        num_candidates=0,
        num_denoise_steps=0,
        chosen=chosen,
        stage_ms={},
        latency_ms=0.0,
        deadline_ms=0.0,
        fallback_level=fallback_level,
        fallback_reason=reason,
        precision="",
        sampler="",
        plan_age_s=0.0,
        stop_requested=False,
        shadow=False,
    )
