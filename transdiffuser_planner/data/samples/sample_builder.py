"""Bags -> training samples, through the same assembler and feature code as the node."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentStates
from transdiffuser_planner.core.contract import CONDITION_INPUTS, ModelContract
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import EgoState, NotReady, SensorSnapshot, SignalState
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.data.samples.bev_labels import BevPainter, Piece
from transdiffuser_planner.data.samples.labels import AgentTracks, EgoTrack
from transdiffuser_planner.data.samples.sample_set import META_NAME, sample_specs
from transdiffuser_planner.messages import decode_inputs
from transdiffuser_planner.messages.input_router import InputRouter
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.planning.observation.ego_history import odometry_in_base
from transdiffuser_planner.planning.observation.feature_builder import FeatureBuilder
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler

SIGNAL_LABEL_RANGE_M = 50.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetJob:
    """One bag to convert; ``out`` is the folder of its samples."""

    bag: Path
    out: Path
    rig: Rig
    topics: TopicMap
    contract: ModelContract


@dataclass(kw_only=True, slots=True)
class _Recorded:
    """What one pass over a bag collected."""

    snapshots: list[SensorSnapshot] = field(default_factory=list)
    ego: list[EgoState] = field(default_factory=list)
    agents: list[tuple[int, AgentStates]] = field(default_factory=list)
    map_pieces: list[Piece] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def convert(job: DatasetJob) -> Counter[str]:
    """Make one bag's samples.

    Returns:
        Counts: "samples" and, per reason, the frames that were left out.

    Raises:
        RecordingError, InputError: The bag cannot be read or holds nothing to learn from.
    """
    if (job.out / META_NAME).is_file():
        return Counter(json.loads((job.out / META_NAME).read_text(encoding="utf-8"))["counts"])
    recorded = _read(job)
    rows, counts = _samples(job, recorded)
    if not rows:
        raise InputError(f"bag {job.bag}: no sample; left out: {dict(counts)}")
    partial = job.out.with_name(job.out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, spec in sample_specs(job.contract).items():
        np.save(partial / f"{name}.npy", np.stack([row[name] for row in rows]).astype(spec.dtype))
    counts["samples"] = len(rows)
    scenario = job.bag / "scenario.json"
    source = json.loads(scenario.read_text(encoding="utf-8")) if scenario.is_file() else {}
    meta = {"bag": job.bag.name, **source, "vehicle": job.rig.vehicle.to_dict(), "counts": dict(counts)}
    (partial / META_NAME).write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")
    partial.rename(job.out)
    return counts


def _read(job: DatasetJob) -> _Recorded:
    """One pass: feed the assembler, keep a snapshot per complete frame and all ground truth."""
    recorded = _Recorded()
    assembler = SnapshotAssembler(job.rig, PlannerConfig())
    feeder = InputRouter(job.topics, assembler)
    done_ns: int | None = None
    with BagReader(job.bag) as bag:
        for item in bag.messages(job.topics.all_topics()):
            reason = feeder.feed(item.topic, item.log_time_ns, item.message)
            if reason:
                recorded.left_out[reason] += 1
            elif item.topic == job.topics.odometry:
                recorded.ego.append(decode_inputs.odometry(item.message))
            elif item.topic == job.topics.objects:
                recorded.agents.append((decode_inputs.stamp_ns(item.message), decode_inputs.object_array(item.message)))
            elif item.topic == job.topics.map:
                recorded.map_pieces = decode_inputs.map_polygons(item.message)
            stamp_ns = assembler.latest_stamp_ns()
            if stamp_ns is None or stamp_ns == done_ns or not assembler.is_complete(stamp_ns):
                continue
            done_ns = stamp_ns
            snapshot = assembler.assemble(stamp_ns)
            if isinstance(snapshot, NotReady):
                recorded.left_out[snapshot.reason] += 1
            else:
                recorded.snapshots.append(snapshot)
        if bag.damage:
            recorded.left_out[bag.damage] += 1
    return recorded


def _samples(job: DatasetJob, recorded: _Recorded) -> tuple[list[dict[str, NDArray[Any]]], Counter[str]]:
    """Features and labels of every snapshot that has a future."""
    offset = job.rig.base_from_odometry_child_x_m
    track = EgoTrack([odometry_in_base(state, offset) for state in recorded.ego])
    agents = AgentTracks(recorded.agents)
    painter = BevPainter(recorded.map_pieces, job.contract) if recorded.map_pieces else None
    builder = FeatureBuilder(job.contract, job.rig)
    rows, counts = [], Counter(recorded.left_out)
    for snapshot in recorded.snapshots:
        plan = track.future(snapshot.ego, job.contract)
        if isinstance(plan, str):
            counts[plan] += 1
            continue
        rows.append(_row(snapshot, plan, builder, agents, painter))
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
    agents_now = tracks.at(snapshot.stamp_ns)
    labels = tracks.labels(snapshot.ego, points, contract)
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
