"""Bags -> training samples, through the same assembler and feature code as the node."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import CONDITION_INPUTS, ModelContract
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.files import read_text, write_text, writing
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import NotReady, SensorSnapshot, SignalState
from transdiffuser_planner.data.logs.drive_log import LogMessage, LogRequest
from transdiffuser_planner.data.logs.log_sources import ROSBAG, read_log
from transdiffuser_planner.data.logs.tracks import AgentTracks
from transdiffuser_planner.data.samples.bev_labels import BevPainter
from transdiffuser_planner.data.samples.labels import MATCH_S, agent_labels, plan_label
from transdiffuser_planner.data.samples.sample_set import META_NAME, optional_specs, sample_specs
from transdiffuser_planner.data.samples.time_range import OUTSIDE, WHOLE_DRIVE, TimeRange
from transdiffuser_planner.data.samples.view_labels import ViewLabels
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.planning.observation.feature_builder import FeatureBuilder
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler

SIGNAL_LABEL_RANGE_M = 50.0
LONGEST_S = 1e9
"""Stands for an open end of a part of a drive in JSON, which has no infinity."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetJob:
    """One bag to convert; ``out`` is the folder of its samples, ``part`` the time of the drive that they are of."""

    bag: Path
    out: Path
    rig: Rig
    topics: TopicMap
    contract: ModelContract
    source: str = ROSBAG
    part: TimeRange = WHOLE_DRIVE


class _SnapshotCollector:
    """Assembles one snapshot of each complete sensor frame.

    Attributes:
        snapshots: In order of stamps.
        skipped: Rejected inputs and frames without a snapshot, by reason.
    """

    def __init__(self, rig: Rig) -> None:
        self.snapshots: list[SensorSnapshot] = []
        self.skipped: Counter[str] = Counter()
        # A rig without cameras or without LiDAR gives samples whose masks state so.
        config = PlannerConfig(min_cameras=min(1, len(rig.cameras)), require_lidar=rig.lidar is not None)
        self._assembler = SnapshotAssembler(rig, config)
        self._last_ns: int | None = None

    def take(self, message: LogMessage) -> None:
        """Assemble a snapshot if this input completes a frame."""
        reason = message.deliver(self._assembler)
        if reason:
            self.skipped[reason] += 1
        stamp_ns = self._assembler.complete_stamp_ns(None if self._last_ns is None else self._last_ns + 1)
        if stamp_ns is None:
            return
        self._last_ns = stamp_ns
        snapshot = self._assembler.assemble(stamp_ns, due_ns=stamp_ns)
        if isinstance(snapshot, NotReady):
            self.skipped[snapshot.reason] += 1
        else:
            self.snapshots.append(snapshot)


def convert(job: DatasetJob) -> Counter[str]:
    """Make one bag's samples.

    Returns:
        Counts: "samples" and, per reason, the skipped frames.

    Raises:
        RecordingError: The bag cannot be read.
        InputError: No sample can be made from it, or the folder holds samples of another part of the drive.
        OutputError: The samples cannot be written.
    """
    bounds = None if job.part == WHOLE_DRIVE else [job.part.begin_s, min(job.part.end_s, LONGEST_S)]
    if (job.out / META_NAME).is_file():
        made = json.loads((job.out / META_NAME).read_text(encoding="utf-8"))
        if made.get("time_range_s") != bounds:
            raise InputError(
                f"samples {job.out}: made of another part of the drive; give another --out, or remove them"
            )
        return Counter(made["counts"])
    rows, counts = _samples(job)
    if not rows:
        raise InputError(f"bag {job.bag}: no sample; left out: {dict(counts)}")
    partial = job.out.with_name(job.out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    counts["samples"] = len(rows)
    scenario = job.bag / "scenario.json"
    source = json.loads(read_text(scenario)) if scenario.is_file() else {}
    meta = {"bag": job.bag.name, **source, "vehicle": job.rig.vehicle.to_dict(), "counts": dict(counts)}
    if bounds is not None:
        meta["time_range_s"] = bounds
    meta["lidar_heights_m"] = list(job.contract.lidar_heights_m)
    with writing(job.out, partial):
        partial.mkdir(parents=True)
        specs = sample_specs(job.contract) | optional_specs(job.contract)
        for name, spec in ((name, spec) for name, spec in specs.items() if name in rows[0]):
            np.save(partial / f"{name}.npy", np.stack([row[name] for row in rows]).astype(spec.dtype))
        write_text(partial / META_NAME, json.dumps(meta, indent=1) + "\n")
        partial.rename(job.out)
    return counts


def _samples(job: DatasetJob) -> tuple[list[dict[str, NDArray[Any]]], Counter[str]]:
    """Return features and labels of every snapshot with a recorded future, and the skipped frames by reason.

    Raises:
        InputError: There is no odometry.
    """
    collector = _SnapshotCollector(job.rig)
    request = LogRequest(path=job.bag, topics=job.topics, rig=job.rig, on_input=collector.take)
    log = read_log(request, job.source)
    why = log.why_no_odometry(job.topics)
    if why:
        raise InputError(why)
    job.part.cut(log)
    painter = BevPainter(log.map_pieces, job.contract) if log.map_pieces else None
    builder, view = FeatureBuilder(job.contract, job.rig), ViewLabels(job.contract, job.rig.cameras)
    rows, counts = [], collector.skipped | log.rejected  # an input that both reject counts once
    if log.damage:
        counts[log.damage] += 1
    for snapshot in collector.snapshots:
        if not job.part.holds(snapshot.stamp_ns, log.ego.begin_ns):
            counts[OUTSIDE] += 1
            continue
        plan = plan_label(log.ego, snapshot.ego, job.contract)
        if isinstance(plan, str):
            counts[plan] += 1
            continue
        row = _row(snapshot, plan, builder, log.agents, painter)
        if log.view_labels:
            packed = log.view_labels.get(snapshot.stamp_ns, {})
            labels = {name: packed[name].unpack() for name in snapshot.images if name in packed}
            row["view_labels"] = view.stitch(labels, snapshot.intrinsics)
        rows.append(row)
    return rows, counts


def _row(
    snapshot: SensorSnapshot,
    plan_T3: NDArray[np.float32],
    builder: FeatureBuilder,
    tracks: AgentTracks,
    painter: BevPainter | None,
) -> dict[str, NDArray[Any]]:
    """All arrays of one sample."""
    contract = builder.contract
    points = builder.points(snapshot)
    tensors = builder.build(snapshot, points)
    agents_now = tracks.nearest(snapshot.stamp_ns, MATCH_S)
    labels = agent_labels(tracks, snapshot.ego, points, contract)
    has_bev = painter is not None and agents_now is not None
    bev = (
        painter.paint(snapshot.ego, agents_now)
        if painter is not None and agents_now is not None
        else np.zeros((contract.bev_cells,) * 2, dtype=np.uint8)
    )
    signal = snapshot.signal
    near = signal is not None and -1.0 <= signal.distance_m <= SIGNAL_LABEL_RANGE_M
    row: dict[str, NDArray[Any]] = {
        name: tensors[name][0] for name in (*CONDITION_INPUTS, "camera_valid", "lidar_valid")
    }
    row |= {
        "image": np.rint(tensors["image"][0] * 255.0).astype(np.uint8),
        "lidar": np.rint(tensors["lidar"][0] * contract.lidar_clip_points).astype(np.uint8),
        "plan": plan_T3,
        "plan_valid": np.ones(len(plan_T3), dtype=np.bool_),
        "gt_agents_known": np.asarray(agents_now is not None),
        "gt_agents": labels.features,
        "gt_agents_valid": labels.valid,
        "gt_agents_points": labels.points,
        "gt_agents_id": labels.ids,
        "gt_agents_future": labels.future,
        "gt_agents_future_valid": labels.future_valid,
        "bev": bev,
        "bev_valid": np.asarray(has_bev),
        "signal_label": np.asarray(int(signal.state) if signal is not None and near else int(SignalState.UNKNOWN)),
        "signal_label_valid": np.asarray(signal is not None),
        "stamp_ns": np.asarray(snapshot.stamp_ns),
    }
    return row
