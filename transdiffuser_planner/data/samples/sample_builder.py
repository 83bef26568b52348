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

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.files import read_text, write_text, writing
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import NotReady, SensorSnapshot
from transdiffuser_planner.data.logs.drive_log import DriveLog, LogMessage, LogRequest
from transdiffuser_planner.data.logs.importing.import_log import rig_for_bag
from transdiffuser_planner.data.logs.importing.log_messages import frames_of
from transdiffuser_planner.data.logs.log_inputs import pass_on
from transdiffuser_planner.data.logs.log_sources import ROSBAG, read_log
from transdiffuser_planner.data.samples.bev_labels import BevPainter
from transdiffuser_planner.data.samples.sample_rows import label_row, observation_row, plan_row
from transdiffuser_planner.data.samples.sample_set import META_NAME, optional_specs, sample_specs
from transdiffuser_planner.data.samples.time_range import OUTSIDE, WHOLE_DRIVE, TimeRange
from transdiffuser_planner.data.samples.view_labels import ViewLabels
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.planning.observation.feature_builder import FeatureBuilder
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler

NOT_WANTED = "not in the scene filter"
LONGEST_S = 1e9
"""Stands for an open end of a part of a drive in JSON, which has no infinity."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetJob:
    """One drive to convert.

    Attributes:
        bag: The bag, or log of another source.
        out: Folder of its samples.
        rig: Its sensors; None for those of its own calibration, of sources other than bags.
        topics: Topic of each input of a bag.
        contract: Sizes of the tensors.
        source: Name of the source that reads it.
        part: The time of the drive that they are of.
        frames: Names of the data set's frames that samples are made of; None for all.
    """

    bag: Path
    out: Path
    rig: Rig | None
    topics: TopicMap
    contract: ModelContract
    source: str = ROSBAG
    part: TimeRange = WHOLE_DRIVE
    frames: frozenset[str] | None = None


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
    maker = _samples(job)
    rows, counts = maker.rows, maker.counts
    if not rows:
        raise InputError(f"bag {job.bag}: no sample; left out: {dict(counts)}")
    partial = job.out.with_name(job.out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    counts["samples"] = len(rows)
    scenario = job.bag / "scenario.json"
    source = json.loads(read_text(scenario)) if scenario.is_file() else {}
    meta = {"bag": job.bag.name, **source, "vehicle": maker.vehicle.to_dict(), "counts": dict(counts)}
    if bounds is not None:
        meta["time_range_s"] = bounds
    if maker.names:
        meta["frames"] = maker.names
    meta["lidar_heights_m"] = list(job.contract.lidar_heights_m)
    with writing(job.out, partial):
        partial.mkdir(parents=True)
        specs = sample_specs(job.contract) | optional_specs(job.contract)
        for name, spec in ((name, spec) for name, spec in specs.items() if name in rows[0]):
            np.save(partial / f"{name}.npy", np.stack([row[name] for row in rows]).astype(spec.dtype))
        write_text(partial / META_NAME, json.dumps(meta, indent=1) + "\n")
        partial.rename(job.out)
    return counts


def _samples(job: DatasetJob) -> _RowMaker:
    """Return features and labels of every snapshot with a recorded future, and the skipped frames by reason.

    Raises:
        InputError: There is no odometry.
    """
    maker = _from_bag(job) if job.source == ROSBAG else _from_log(job)
    if maker.log.damage:
        maker.counts[maker.log.damage] += 1
    return maker


def _from_bag(job: DatasetJob) -> _RowMaker:
    """Rows of a bag: its future is known when it has been read to its end.

    Raises:
        InputError: There is no odometry.
    """
    assert job.rig is not None
    collector = _SnapshotCollector(job.rig)
    request = LogRequest(path=job.bag, topics=job.topics, rig=job.rig, on_input=collector.take)
    log = read_log(request, job.source)
    maker = _RowMaker(job, log, job.rig)
    for snapshot in collector.snapshots:
        maker.add(snapshot)
    maker.counts += collector.skipped | log.rejected  # an input that both reject counts once
    return maker


def _from_log(job: DatasetJob) -> _RowMaker:
    """Rows of a data set's log, whose sensor frames are read one by one afterwards.

    Raises:
        InputError: There is no odometry.
    """
    log = read_log(LogRequest(path=job.bag, topics=job.topics, rig=job.rig), job.source)
    rig = rig_for_bag(log, ()) if job.rig is None else job.rig
    maker, collector = _RowMaker(job, log, rig), _SnapshotCollector(rig)
    frames = frames_of(log, rig)
    if job.frames is not None:
        log.frames = [frame for frame in frames if log.frame_names.get(frame.stamp_ns) in job.frames]
        maker.counts[NOT_WANTED] += len({frame.stamp_ns for frame in frames} - {f.stamp_ns for f in log.frames})
    else:
        log.frames = frames

    def take(message: LogMessage) -> None:
        collector.take(message)
        while collector.snapshots:
            maker.add(collector.snapshots.pop())

    pass_on(log, LogRequest(path=job.bag, topics=job.topics, on_input=take))
    maker.counts += collector.skipped | log.rejected
    return maker


class _RowMaker:
    """Makes rows of snapshots of one drive.

    Attributes:
        log: The drive.
        vehicle: That drove.
        rows: Arrays of each sample.
        names: Names of their frames in the data set; empty where frames have none.
        counts: Snapshots without a row, by reason.

    Raises:
        InputError: The drive has no odometry.
    """

    def __init__(self, job: DatasetJob, log: DriveLog, rig: Rig) -> None:
        why = log.why_no_odometry(job.topics)
        if why:
            raise InputError(why)
        job.part.cut(log)
        self.log, self.vehicle, self._job = log, rig.vehicle, job
        self._painter = BevPainter(log.map_pieces, job.contract) if log.map_pieces else None
        self._builder, self._view = FeatureBuilder(job.contract, rig), ViewLabels(job.contract, rig.cameras)
        self.rows: list[dict[str, NDArray[Any]]] = []
        self.names: list[str] = []
        self.counts: Counter[str] = Counter()

    def add(self, snapshot: SensorSnapshot) -> None:
        """Make the row of a snapshot, or count why there is none.

        Args:
            snapshot: Of the drive, in order of stamps.
        """
        log, job = self.log, self._job
        if not job.part.holds(snapshot.stamp_ns, log.ego.begin_ns):
            self.counts[OUTSIDE] += 1
            return
        plan = plan_row(log.ego, snapshot, job.contract)
        if isinstance(plan, str):
            self.counts[plan] += 1
            return
        points_N3 = self._builder.points(snapshot)
        row = observation_row(snapshot, self._builder, points_N3) | plan
        row |= label_row(snapshot, job.contract, points_N3, log.agents, self._painter)
        row["stamp_ns"] = np.asarray(snapshot.stamp_ns)
        if log.view_labels:
            packed = log.view_labels.get(snapshot.stamp_ns, {})
            labels = {name: packed[name].unpack() for name in snapshot.images if name in packed}
            row["view_labels"] = self._view.stitch(labels, snapshot.intrinsics)
        self.rows.append(row)
        if log.frame_names:
            self.names.append(log.frame_names.get(snapshot.stamp_ns, ""))
